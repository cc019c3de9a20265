import io

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from assets.images import from_uint16
from assets.radiographs.decoded import UnusableFile
from assets.radiographs.ingest import SourceBytes, ingest, ingest_phantom
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.table import SourceRow

SETTINGS = RadiographSettings(size=64)


def png(pixels: npt.NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def source_row(**other: object) -> SourceRow:
    plain: dict[str, object] = {
        "number": 1,
        "image": "a.png",
        "lung_mask": "m.png",
        "lesion_mask": None,
        "patient": "p",
        "label": "normal",
        "domain": "normal",
        "boxes": (),
        "view": None,
        "sex": None,
        "age": None,
        "true_aspect_wh": None,
        "problem": None,
    }
    return SourceRow(**{**plain, **other})  # type: ignore[arg-type]


RAMP = np.tile(np.arange(128, dtype=np.uint8)[None], (64, 1))


def test_image_masks_and_boxes_lie_on_one_canvas() -> None:
    # A 128 x 64 source fits a 64 px canvas at half its size, with 16 empty rows above and below.
    lungs = np.zeros((64, 128), np.uint8)
    lungs[16:48, 16:48], lungs[16:48, 80:112] = 1, 2
    row = source_row(boxes=((16.0, 16.0, 32.0, 32.0, "nodule"),))
    columns, arrays = ingest(row, SourceBytes(png(RAMP), png(lungs), png((lungs == 1).astype(np.uint8))), SETTINGS)
    assert {arrays[name].shape for name in ("image", "lungs", "lesion")} == {(64, 64)}
    rows, found = np.nonzero(arrays["lungs"] == 1)
    assert (rows.min(), rows.max(), found.min(), found.max()) == (24, 39, 8, 23)
    assert np.array_equal(arrays["lesion"] > 0, arrays["lungs"] == 1)
    assert columns["boxes"] == [{"x": 8.0, "y": 24.0, "width": 16.0, "height": 16.0, "kind": "nodule"}]
    assert arrays["image"][:16].max() == 0
    assert (columns["width"], columns["height"], columns["bits"], columns["has_lungs"]) == (128, 64, 8, True)


def test_window_spans_the_gray_range() -> None:
    _, arrays = ingest(source_row(lung_mask=None), SourceBytes(png(RAMP), None, None), SETTINGS)
    inside = from_uint16(arrays["image"])[16:48]
    # Two neighboring gray values of the ramp are averaged on the smaller canvas.
    assert inside.min() < 0.01
    assert inside.max() > 0.99


def test_an_image_without_contrast_is_refused() -> None:
    black = png(np.zeros((64, 64), np.uint8))
    with pytest.raises(UnusableFile, match="without contrast"):
        ingest(source_row(), SourceBytes(black, None, None), SETTINGS)


def test_a_mask_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match="mask"):
        ingest(source_row(), SourceBytes(png(RAMP), png(np.ones((32, 32), np.uint8)), None), SETTINGS)


def test_undoing_squash_needs_the_true_aspect_of_the_row() -> None:
    settings = RadiographSettings(size=64, undo_squash=True)
    square = png(RAMP[:, :64])
    with pytest.raises(UnusableFile, match="true_aspect_wh"):
        ingest(source_row(), SourceBytes(square, None, None), settings)
    columns, _ = ingest(source_row(true_aspect_wh=0.5), SourceBytes(square, None, None), settings)
    assert columns["scale_y"] == pytest.approx(2 * columns["scale_x"])


def test_a_phantom_comes_with_its_truth() -> None:
    settings = PhantomSettings(size=64, subjects=4)
    truth = phantom_subject(1, 0, settings)
    columns, arrays = ingest_phantom(1, settings)
    assert np.array_equal(arrays["lungs"], truth.lungs)
    assert np.array_equal(arrays["lesion"], truth.lesion)
    assert np.array_equal(arrays["landmarks"], truth.landmarks)
    assert columns["has_lesion"]
    assert not ingest_phantom(0, settings)[0]["has_lesion"]
