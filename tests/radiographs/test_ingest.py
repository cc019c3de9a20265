import io
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from assets.images import from_uint16
from assets.radiographs.decoded import UnusableFile
from assets.radiographs.ingest import SourceBytes, ingest, ingest_phantom
from assets.radiographs.lung_masks import EncodedLungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.run_length import encode_runs
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_row import SourceRow

SETTINGS = RadiographSettings(size=64)


def png(pixels: npt.NDArray[np.uint8] | npt.NDArray[np.bool_]) -> bytes:
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


def drawn() -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.bool_]]:
    """Right and left lung on the grid of RAMP."""
    right, left = np.zeros((64, 128), np.bool_), np.zeros((64, 128), np.bool_)
    right[16:48, 16:48], left[16:48, 80:112] = True, True
    return right, left


RIGHT, LEFT = drawn()
LABELS = np.where(RIGHT, 1, np.where(LEFT, 2, 0)).astype(np.uint8)
ENCODED = EncodedLungs(encode_runs(RIGHT), encode_runs(LEFT), 64, 128)


def lungs_of(row: SourceRow, *masks: bytes | None) -> npt.NDArray[np.uint8]:
    columns, arrays = ingest(row, SourceBytes(png(RAMP), *masks), SETTINGS)
    assert columns["has_lungs"]
    assert "mask_problem" not in columns
    return np.asarray(arrays["lungs"])


def test_one_pair_of_lungs_is_the_same_however_it_is_supplied() -> None:
    plain = source_row(lung_mask=None)
    supplied = {
        "labels 1 and 2": lungs_of(source_row(), png(LABELS), None),
        "0 and 1 merged": lungs_of(source_row(), png((LABELS > 0).astype(np.uint8)), None),
        "0 and 255 merged": lungs_of(source_row(), png(np.where(LABELS > 0, 255, 0).astype(np.uint8)), None),
        "1 bit merged": lungs_of(source_row(), png(LABELS > 0), None),
        "sides, 0 and 255": lungs_of(
            plain, None, None, png(RIGHT.astype(np.uint8) * 255), png(LEFT.astype(np.uint8) * 255)
        ),
        "sides, 1 bit": lungs_of(plain, None, None, png(RIGHT), png(LEFT)),
        "sides, each its label": lungs_of(
            plain, None, None, png(RIGHT.astype(np.uint8)), png(LEFT.astype(np.uint8) * 2)
        ),
        "run-length encoded": lungs_of(source_row(lung_mask=None, encoded_lungs=ENCODED), None, None),
    }
    rows, columns = np.nonzero(supplied["labels 1 and 2"] == 1)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (24, 39, 8, 23)
    for way, lungs in supplied.items():
        assert np.array_equal(lungs, supplied["labels 1 and 2"]), way


def test_merged_lungs_that_touch_are_cut_where_they_are_thinnest() -> None:
    merged = RIGHT | LEFT
    merged[30:33, 40:90] = True
    lungs = lungs_of(source_row(), png(np.where(merged, 255, 0).astype(np.uint8)), None)
    assert set(np.unique(lungs[:, :24])) == {0, 1}
    assert set(np.unique(lungs[:, 40:])) == {0, 2}


@pytest.mark.parametrize(
    ("right", "left", "found"),
    [
        (LEFT, RIGHT, "exchange the two in the declaration"),
        (RIGHT & False, LEFT, "empty mask of the right lung"),
        (RIGHT, LEFT[:32], "mask of 128 x 32 pixels on an image of 128 x 64"),
        (LABELS, LEFT, "found labels 1 and 2 in the mask of one lung"),
    ],
)
def test_files_of_sides_that_cannot_be_used_set_their_row_aside(
    right: npt.NDArray[np.uint8], left: npt.NDArray[np.uint8], found: str
) -> None:
    source = SourceBytes(png(RAMP), None, None, png(right.astype(np.uint8)), png(left.astype(np.uint8)))
    with pytest.raises(ValueError, match=found):
        ingest(source_row(lung_mask=None), source, SETTINGS)


def test_an_empty_file_of_both_lungs_is_refused_but_a_single_lung_is_not() -> None:
    with pytest.raises(UnusableFile, match="empty lung mask"):
        ingest(source_row(), SourceBytes(png(RAMP), png(LABELS * 0), None), SETTINGS)
    assert set(np.unique(lungs_of(source_row(), png(LEFT.astype(np.uint8) * 255), None))) == {0, 2}


@pytest.mark.parametrize(
    ("encoded", "found"),
    [
        (EncodedLungs("1 2 3", "4 2", 64, 128), "odd count"),
        (EncodedLungs(ENCODED.left, ENCODED.right, 64, 128), "exchange the two"),
        (EncodedLungs(ENCODED.right, ENCODED.left, 128, 64), "same size or aspect"),
    ],
)
def test_encoded_masks_that_cannot_be_used_leave_the_radiograph_without(encoded: EncodedLungs, found: str) -> None:
    columns, arrays = ingest(
        source_row(lung_mask=None, encoded_lungs=encoded), SourceBytes(png(RAMP), None, None), SETTINGS
    )
    assert not columns["has_lungs"]
    assert found in columns["mask_problem"]
    assert "lungs" not in arrays
    assert encoded.right not in columns["mask_problem"]


def test_the_problem_of_a_mask_table_is_passed_on() -> None:
    row = source_row(lung_mask=None, mask_problem="no row for this image")
    columns, _ = ingest(row, SourceBytes(png(RAMP), None, None), SETTINGS)
    assert (columns["mask_problem"], columns["has_lungs"]) == ("no row for this image", False)


def test_encoded_masks_of_twice_the_size_lie_where_those_of_the_images_size_do() -> None:
    right, left = (np.kron(mask, np.ones((2, 2), np.bool_)) for mask in (RIGHT, LEFT))
    twice = EncodedLungs(encode_runs(right), encode_runs(left), 128, 256)
    plain = source_row(lung_mask=None, encoded_lungs=ENCODED)
    assert np.array_equal(lungs_of(replace(plain, encoded_lungs=twice), None, None), lungs_of(plain, None, None))


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
