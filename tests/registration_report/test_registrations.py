from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assets.images import to_uint16
from assets.pairing.frames import Row
from assets.prealignment.warp import quantize
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration_report.registrations import Asked, Registrations, asked, case_of, one_a_patient, truth_of

SIZE = 64
DECLARED = {"subjects": 6, "seed": 1}
Arrays = dict[str, npt.NDArray[Any]]


@pytest.fixture(scope="module")
def stored() -> dict[str, Arrays]:
    """Artefacts of three phantoms, as the radiographs stage stores them, by key."""
    settings = PhantomSettings(size=SIZE, **DECLARED)
    found: dict[str, Arrays] = {}
    for index in range(3):
        phantom = phantom_subject(index, 1, settings)
        found[f"{index}"] = {"image": to_uint16(phantom.image), "landmarks": phantom.landmarks}
        found[f"{index}"] |= {"lesion": phantom.lesion} if index % 2 else {}
        found[f"lungs {index}"] = {"lungs": phantom.lungs}
    return found


def radiograph(index: int, patient: str = "", domain: str = "normal") -> Asked:
    row = {"radiograph_id": f"id {index}", "key": f"{index}", "row": index + 1, "domain": domain, "patient": patient}
    lungs = {"key": f"lungs {index}", "window_low": 0.1, "window_high": 0.9}
    return Asked(row, lungs, {})


def registered(index: int, arm: str) -> Row:
    return {"radiograph_id": f"id {index}", "arm": arm, "key": f"{index} {arm}"}


def test_a_case_is_windowed_by_its_lungs(stored: dict[str, Arrays]) -> None:
    case = case_of(radiograph(0), lambda row: stored[row["key"]])
    assert (case.image.min(), case.image.max()) == (0, 1)
    assert set(np.unique(case.lungs)) == {0, 1, 2}


def test_the_truth_of_a_phantom_is_drawn_anew(stored: dict[str, Arrays]) -> None:
    rows = [radiograph(index).radiograph for index in range(3)]
    truth = truth_of(rows[1], rows[0], DECLARED, lambda row: stored[row["key"]])
    assert truth.lesion is not None
    assert truth.displacement is not None
    assert truth.displacement.shape == (2, SIZE, SIZE)
    assert truth.reference_landmarks is stored["0"]["landmarks"]
    assert truth.landmarks is stored["1"]["landmarks"]
    assert truth_of(rows[2], rows[0], DECLARED, lambda row: stored[row["key"]]).lesion is None


def test_files_have_no_true_map_and_a_mean_shape_no_landmarks(stored: dict[str, Arrays]) -> None:
    rows = [radiograph(index).radiograph for index in range(2)]
    of_files = truth_of(rows[1], rows[0], None, lambda row: stored[row["key"]])
    assert of_files.landmarks is not None
    assert of_files.displacement is None
    of_mean = truth_of(rows[1], None, DECLARED, lambda row: stored[row["key"]])
    assert (of_mean.landmarks, of_mean.displacement) == (None, None)
    assert of_mean.lesion is not None


def test_mean_images_hold_one_normal_a_patient() -> None:
    rows = [radiograph(0, "a"), radiograph(1, "a"), radiograph(2, "b", "abnormal"), radiograph(3, "c")]
    assert one_a_patient([row.radiograph for row in rows]) == ["id 0", "id 3"]


def test_the_first_of_a_split_are_asked_for_whatever_became_of_it_dpr() -> None:
    radiographs = [{"radiograph_id": f"id {k}", "split": "train" if k == 2 else "test"} for k in (4, 1, 2, 0, 3)]
    masks, prealigned = radiographs[:], [row for row in radiographs if row["radiograph_id"] != "id 0"]
    found = asked(radiographs, masks, prealigned, "test", 2)
    assert list(found) == ["id 1", "id 3"]
    assert found["id 3"].prealigned is found["id 3"].radiograph
    assert list(asked(radiographs, masks, prealigned, "test", 9)) == ["id 1", "id 3", "id 4"]


def test_only_what_every_arm_registered_is_shown(stored: dict[str, Arrays]) -> None:
    shift = np.zeros((2, SIZE, SIZE), np.float32)
    shift[0] = 4
    fields = {"0 none": 0 * shift, "0 shifted": shift, "1 none": 0 * shift}
    artefacts = stored | {key: {"displacement": quantize(field)} for key, field in fields.items()}
    done = Registrations(
        [registered(0, "none"), registered(0, "shifted"), registered(1, "none")],
        ["none", "shifted"],
        {f"id {index}": radiograph(index, f"{index}") for index in range(2)},
        lambda row: artefacts[row["key"]],
    )
    assert list(done.by_id) == done.normals() == ["id 0"]
    assert [row["key"] for row in done.common()] == ["0 none", "0 shifted"]
    warped = done.warped(["id 0"])
    assert list(warped) == ["none", "shifted"]
    # backward: what lay four columns to the right comes here
    np.testing.assert_allclose(warped["shifted"][0][:, :-4], warped["none"][0][:, 4:], atol=1e-6)
