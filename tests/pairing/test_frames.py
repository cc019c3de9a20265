from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assets.alignments import USUAL, Alignment
from assets.images import from_uint16, to_uint16
from assets.pairing.frames import FrameRows, Row, frame, frame_key, join, with_peers
from assets.pairing.settings import PairingSettings
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.photometric import apply_window, lung_window
from assets.segmentation.quality import dice

PHANTOMS = PhantomSettings(size=64, subjects=4, seed=1)
Arrays = dict[str, npt.NDArray[Any]]


class Stored:
    """One abnormal phantom as the stages store it, with another one's lungs as the reference."""

    def __init__(self, *, lesion: bool = True) -> None:
        moving = phantom_subject(1, PHANTOMS.seed, PHANTOMS)
        self.lungs = moving.lungs
        self.reference = phantom_subject(2, PHANTOMS.seed, PHANTOMS).lungs
        low, high = lung_window(moving.image, moving.lungs, 1, 99)
        settings = PrealignmentSettings()
        field = prealign(reference_frame(self.reference, settings), moving.lungs, settings)
        self.image = apply_window(from_uint16(to_uint16(moving.image)), low, high)
        self.lesion = moving.lesion > 0
        radiograph: Arrays = {"image": to_uint16(moving.image), "lungs": moving.lungs}
        aligned: Arrays = {
            "displacement": quantize(field),
            "image": to_uint16(warp_image(self.image, field)),
            "lungs": warp_lungs(moving.lungs, field),
        }
        if lesion:
            radiograph["lesion"] = moving.lesion
            aligned["lesion"] = warp_lungs(self.lesion.astype(np.uint8), field)
        self.arrays = {
            "r": radiograph,
            "m": {"lungs": moving.lungs},
            "p": aligned,
            "d": {**aligned, "image": aligned["image"] // 2},
            "a": {**aligned, "image": aligned["image"] // 3},
        }
        self.rows = FrameRows(
            {"key": "r"},
            {"key": "m", "window_low": low, "window_high": high},
            {"key": "p"},
            {"key": "d"},
            peers={"affine": {"key": "a"}},
        )
        self.read_keys: list[str] = []

    def read(self, row: Row) -> Arrays:
        self.read_keys.append(row["key"])
        return self.arrays[row["key"]]

    def overlap(self, alignment: Alignment) -> float:
        return dice(frame(alignment, self.rows, self.reference, self.read).lungs, self.reference)


@pytest.fixture
def stored() -> Stored:
    return Stored()


@pytest.mark.parametrize(
    ("alignment", "keys"),
    [
        ("none", ["r", "m"]),
        ("lung_box", ["r", "m", "reference"]),
        ("it_pr", ["p"]),
        ("it_dpr", ["d"]),
        ("affine", ["a"]),
    ],
)
def test_a_frames_key_names_all_that_it_is_made_from(stored: Stored, alignment: Alignment, keys: list[str]) -> None:
    assert frame_key(alignment, stored.rows, "reference") == keys
    frame(alignment, stored.rows, stored.reference, stored.read)
    assert set(stored.read_keys) == set(keys) - {"reference"}


@pytest.mark.parametrize("alignment", ["none", "lung_box", "it_pr", "it_dpr"])
def test_convention_of_a_frame(stored: Stored, alignment: Alignment) -> None:
    found = frame(alignment, stored.rows, stored.reference, stored.read)
    assert found.image.dtype == np.float32
    assert found.image.shape == found.lungs.shape == (64, 64)
    assert 0 <= found.image.min() < found.image.max() <= 1
    assert found.lungs.dtype == np.uint8
    assert set(np.unique(found.lungs)) == {0, 1, 2}
    # 1 is the patient's right lung, on the left of the image.
    assert np.nonzero(found.lungs == 1)[1].mean() < np.nonzero(found.lungs == 2)[1].mean()
    assert found.lesion is not None
    assert found.lesion.dtype == np.bool_
    assert found.lesion.any()


def test_no_alignment_leaves_the_canvas_as_it_is(stored: Stored) -> None:
    found = frame("none", stored.rows, stored.reference, stored.read)
    np.testing.assert_array_equal(found.image, stored.image)
    np.testing.assert_array_equal(found.lungs, stored.lungs)
    np.testing.assert_array_equal(found.lesion, stored.lesion)


def test_the_lung_box_is_the_references(stored: Stored) -> None:
    found = frame("lung_box", stored.rows, stored.reference, stored.read)
    for axis in (0, 1):
        wanted, box = (
            np.nonzero((lungs > 0).any(axis=1 - axis))[0][[0, -1]] for lungs in (stored.reference, found.lungs)
        )
        assert np.abs(wanted - box).max() <= 1


def test_better_alignments_overlap_the_reference_more(stored: Stored) -> None:
    assert stored.overlap("none") < stored.overlap("lung_box") < stored.overlap("it_pr")
    assert stored.overlap("it_pr") > 0.9


def test_the_registered_frame_is_read_from_the_registered_row(stored: Stored) -> None:
    found = frame("it_dpr", stored.rows, stored.reference, stored.read)
    np.testing.assert_array_equal(found.image, from_uint16(stored.arrays["d"]["image"]))


@pytest.mark.parametrize("alignment", ["none", "lung_box", "it_pr", "it_dpr"])
def test_a_cohort_without_lesion_masks_has_none_in_any_frame(alignment: Alignment) -> None:
    stored = Stored(lesion=False)
    assert frame(alignment, stored.rows, stored.reference, stored.read).lesion is None


def test_only_radiographs_that_went_through_every_stage_are_joined() -> None:
    def rows(names: str) -> list[Row]:
        return [{"radiograph_id": name} for name in names]

    joined = join(rows("edcba"), rows("abcd"), rows("cbda"), rows("bdx"))
    assert list(joined) == ["b", "d"]
    assert joined["d"] == FrameRows(*[{"radiograph_id": "d"}] * 4)
    assert join(rows("a"), rows("a"), rows("a"), []) == {}


@pytest.mark.parametrize("alignment", USUAL)
def test_peers_change_no_key_of_a_usual_frame(stored: Stored, alignment: Alignment) -> None:
    without = replace(stored.rows, peers={})
    assert frame_key(alignment, without, "reference") == frame_key(alignment, stored.rows, "reference")
    assert without.has(alignment)


def test_a_peers_frame_has_only_what_the_peer_could_register() -> None:
    rows = [FrameRows(*[{"radiograph_id": name}] * 4) for name in "abc"]
    found = [("a", "affine"), ("c", "affine"), ("a", "voxelmorph"), ("x", "affine")]
    joined = with_peers(rows, [{"radiograph_id": name, "arm": arm, "key": name + arm} for name, arm in found])
    assert [row.radiograph for row in joined] == [row.radiograph for row in rows]
    assert [row.has("affine") for row in joined] == [True, False, True]
    assert [row.has("voxelmorph") for row in joined] == [True, False, False]
    assert not any(row.has("synthmorph") for row in joined)
    assert all(row.has(alignment) for row in joined for alignment in USUAL)
    assert frame_key("affine", joined[2], "reference") == ["caffine"]


def test_a_peers_frame_is_read_from_its_row(stored: Stored) -> None:
    found = frame("affine", stored.rows, stored.reference, stored.read)
    np.testing.assert_array_equal(found.image, from_uint16(stored.arrays["a"]["image"]))
    assert found.lesion is not None


def test_pairing_settings_refuse_what_they_do_not_know() -> None:
    assert PairingSettings(normals_per_abnormal=3).normals_per_abnormal == 3
    with pytest.raises(ValueError, match="normals_per_abnormal"):
        PairingSettings(normals_per_abnormal=0)
    with pytest.raises(ValueError, match="Extra inputs"):
        PairingSettings(partners=3)  # type: ignore[call-arg]
