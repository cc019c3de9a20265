from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pytest

from assets.images import to_uint16
from assets.prealignment import asset, asset_reference, asset_stored
from assets.prealignment.mean_shape import mean_shape
from assets.prealignment.reference_lung import medoid
from assets.prealignment.settings import ReferenceSettings
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.tables.alignment import REFERENCE_LUNG

PHANTOMS = [phantom_subject(index, 5, PhantomSettings()) for index in range(4)]


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: ANN401
    """Fits a reference of one kind to four phantoms whose artefacts are held in memory."""
    stored = {
        **{f"image {i}": {"image": to_uint16(phantom.image.astype(np.float32))} for i, phantom in enumerate(PHANTOMS)},
        **{f"lungs {i}": {"lungs": phantom.lungs} for i, phantom in enumerate(PHANTOMS)},
    }
    for module in (asset_reference, asset_stored):
        monkeypatch.setattr(module, "read_artifact", lambda _store, row: stored[row["artifact"]])
    names = [str(index) for index in range(len(PHANTOMS))]
    window = {"window_low": 0.0, "window_high": 1.0}
    masks = [{"radiograph_id": name, "artifact": f"lungs {name}", **window} for name in names]
    radiographs = pa.table({"radiograph_id": names, "artifact": [f"image {name}" for name in names]})

    def fit(kind: Literal["medoid", "mean", "symmetric"]) -> Any:  # noqa: ANN401
        settings = ReferenceSettings(kind=kind)
        return asset_reference.chosen_reference(SimpleNamespace(store=None), masks, radiographs, settings, "key")  # type: ignore[arg-type]

    return fit


def test_the_medoid_is_a_radiograph_of_the_cohort(fitted: Any) -> None:  # noqa: ANN401
    outcome = fitted("medoid")
    index = medoid([phantom.lungs for phantom in PHANTOMS])
    assert outcome.columns == {"kind": "medoid", "radiograph_id": str(index), "candidates": 4}
    np.testing.assert_array_equal(outcome.arrays["lungs"], PHANTOMS[index].lungs)


@pytest.mark.parametrize("kind", ["mean", "symmetric"])
def test_a_mean_reference_is_no_radiograph_of_the_cohort(fitted: Any, kind: str) -> None:  # noqa: ANN401
    outcome = fitted(kind)
    assert outcome.columns == {"kind": kind, "radiograph_id": None, "candidates": 4}
    lungs, image = outcome.arrays["lungs"], outcome.arrays["image"]
    np.testing.assert_array_equal(lungs, mean_shape([phantom.lungs for phantom in PHANTOMS], kind == "symmetric"))
    assert (image.dtype, image.shape) == (np.uint16, lungs.shape)
    assert np.array_equal(image, image[:, ::-1]) == (kind == "symmetric")


def test_the_manifest_has_every_column_of_a_reference(fitted: Any) -> None:  # noqa: ANN401
    assert set(fitted("mean").columns) <= set(REFERENCE_LUNG.names)


def test_the_picture_of_a_reference_needs_no_radiograph(fitted: Any) -> None:  # noqa: ANN401
    assert asset._reference_picture(fitted("symmetric").arrays)["reference"][:4] == b"\x89PNG"
