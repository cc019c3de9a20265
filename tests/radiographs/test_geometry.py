import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates

from assets.radiographs.geometry import (
    Canvas,
    check_mask_size,
    fit_canvas,
    place,
    place_boxes,
    place_mask,
    restore_boxes,
)

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]


def area_weights(source: int, content: int) -> F64:
    """Share of each source pixel in each content pixel, from the overlap of their extents (content, source)."""
    edges = np.arange(content + 1) * source / content
    low, high = edges[:-1, None], edges[1:, None]
    pixel = np.arange(source)[None, :]
    return np.asarray(np.clip(np.minimum(high, pixel + 1) - np.maximum(low, pixel), 0, None) / (high - low))


def noise(height: int, width: int, seed: int = 0) -> F32:
    return np.random.default_rng(seed).random((height, width), dtype=np.float32)


def test_convention_pixel_centres() -> None:
    # 4 to 8 pixels: the centre of source pixel 0 lies at 0.5 from the edge, so at 1.0 - 0.5 = 0.5 on the canvas.
    canvas = fit_canvas(4, 4, 8)
    assert canvas == Canvas(2.0, 2.0, 0.5, 0.5)
    assert canvas.edges == (0.0, 0.0)


def test_the_shorter_side_is_centered() -> None:
    canvas = fit_canvas(200, 100, 64)
    assert (canvas.scale_x, canvas.scale_y) == (0.32, 0.32)
    assert canvas.edges == pytest.approx((0, 16))
    assert fit_canvas(100, 200, 64).edges == pytest.approx((16, 0))


def test_the_same_size_changes_nothing() -> None:
    image = noise(64, 64)
    assert np.array_equal(place(image, fit_canvas(64, 64, 64), 64), image)


@pytest.mark.parametrize(("height", "width"), [(128, 128), (100, 77), (61, 90), (200, 65)])
def test_shrinking_is_the_area_average(height: int, width: int) -> None:
    image, size = noise(height, width), 48
    canvas = fit_canvas(width, height, size)
    content_height, content_width = round(height * canvas.scale_y), round(width * canvas.scale_x)
    left, top = (round(edge) for edge in canvas.edges)
    expected = np.zeros((size, size))
    rows, columns = area_weights(height, content_height), area_weights(width, content_width)
    expected[top : top + content_height, left : left + content_width] = rows @ image @ columns.T
    assert np.allclose(place(image, canvas, size), expected, atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(20, 20), (17, 31), (40, 23)])
def test_enlarging_is_bilinear_at_the_canvas_coordinates(height: int, width: int) -> None:
    image, size = noise(height, width), 64
    canvas = fit_canvas(width, height, size)
    rows, columns = np.mgrid[:size, :size].astype(float)
    at = [(rows - canvas.offset_y) / canvas.scale_y, (columns - canvas.offset_x) / canvas.scale_x]
    expected = map_coordinates(image.astype(float), at, order=1, mode="nearest")
    outside = (np.abs(at[0] - (height - 1) / 2) > height / 2) | (np.abs(at[1] - (width - 1) / 2) > width / 2)
    expected[outside] = 0
    assert np.allclose(place(image, canvas, size), expected, atol=2e-3)


def test_one_axis_may_shrink_while_the_other_grows() -> None:
    image = np.tile(noise(1, 96), (16, 1))
    placed = place(image, fit_canvas(96, 16, 32, true_aspect_wh=1.0), 32)
    expected = image[0] @ area_weights(96, 32).T
    assert np.allclose(placed, np.tile(expected, (32, 1)), atol=1e-5)


@given(width=st.integers(80, 390), height=st.integers(80, 390), size=st.sampled_from([32, 64, 256]))
@settings(max_examples=30, deadline=None)
def test_a_smooth_ramp_keeps_its_values_at_its_coordinates(width: int, height: int, size: int) -> None:
    canvas = fit_canvas(width, height, size)
    ramp = np.tile(np.arange(width, dtype=np.float32), (height, 1))
    placed = place(ramp, canvas, size)
    row = size // 2
    inside = np.flatnonzero(placed[row])[2:-2]
    # A pixel's mean over a fraction f of a step is off by at most f (1 - f) / 2 source pixels.
    assert np.allclose(placed[row, inside], (inside - canvas.offset_x) / canvas.scale_x, atol=0.13)


def test_a_squashed_image_gets_its_aspect_back() -> None:
    # A photograph 1.25 times as wide as high, squashed to a square: a disc became an upright ellipse.
    rows, columns = np.mgrid[:200, :200].astype(np.float32)
    squashed = ((((columns - 99.5) * 1.25) ** 2 + (rows - 99.5) ** 2) < 60**2).astype(np.float32)
    canvas = fit_canvas(200, 200, 200, true_aspect_wh=1.25)
    assert (canvas.scale_x, canvas.scale_y) == (1.0, 0.8)
    disc = place(squashed, canvas, 200) > 0.5
    assert np.ptp(np.flatnonzero(disc.any(0))) == pytest.approx(np.ptp(np.flatnonzero(disc.any(1))), abs=1)


def test_the_range_is_kept_and_the_padding_is_black() -> None:
    placed = place(np.ones((50, 100), dtype=np.float32), fit_canvas(100, 50, 64), 64)
    assert placed[:16].max() == 0
    assert placed[48:].max() == 0
    assert placed[16:48].min() == pytest.approx(1)
    assert placed.dtype == np.float32


def test_a_canvas_made_for_another_image_is_refused() -> None:
    canvas = fit_canvas(101, 50, 64)
    with pytest.raises(ValueError, match="fit_canvas"):
        place(noise(50, 200), canvas, 64)
    with pytest.raises(ValueError, match="fit_canvas"):
        place(noise(50, 90), canvas, 64)


@pytest.mark.parametrize(("width", "aspect"), [(0, None), (10, 0.01), (10, 9.0), (10, float("nan")), (200, None)])
def test_odd_sizes_and_aspects_are_refused(width: int, aspect: float | None) -> None:
    with pytest.raises(ValueError, match="expected"):
        fit_canvas(width, 10, 64, aspect)


def test_a_mask_of_another_size_than_its_image_is_refused() -> None:
    check_mask_size((30, 40), (30, 40))
    with pytest.raises(ValueError, match="mask of 40 x 30 pixels on an image of 30 x 40"):
        check_mask_size((30, 40), (40, 30))


def test_mask_labels_stay_labels() -> None:
    mask = np.zeros((90, 120), dtype=np.uint8)
    mask[20:70, 10:50], mask[20:70, 70:110] = 1, 2
    placed = place_mask(mask, fit_canvas(120, 90, 64), 64)
    assert set(np.unique(placed)) == {0, 1, 2}
    # 120 to 64 is 0.533: 50 x 40 pixels become 26.7 x 21.3
    assert (placed == 1).sum() == pytest.approx(50 * 40 * (64 / 120) ** 2, rel=0.05)
    assert np.flatnonzero((placed == 1).any(0)).max() < np.flatnonzero((placed == 2).any(0)).min()


def test_touching_labels_leave_no_gap() -> None:
    mask = np.ones((96, 96), dtype=np.uint8)
    mask[:, 47:] = 2
    assert place_mask(mask, fit_canvas(96, 96, 32), 32).min() == 1
    assert place_mask(mask, fit_canvas(96, 96, 64), 64).min() == 1


def test_a_mask_moves_with_its_image() -> None:
    blob = (noise(150, 110, 3) > 0.5).astype(np.uint8)
    blob = np.kron(blob[:15, :11], np.ones((10, 10), dtype=np.uint8))
    canvas = fit_canvas(110, 150, 64)
    assert np.array_equal(place_mask(blob, canvas, 64) == 1, place(blob.astype(np.float32), canvas, 64) >= 0.5)


def test_convention_a_box_covers_whole_pixels() -> None:
    mask = np.zeros((60, 80), dtype=np.uint8)
    mask[12:36, 20:60] = 1
    canvas = fit_canvas(80, 60, 160)
    x, y, width, height = place_boxes(np.array([[20, 12, 40, 24]]), canvas)[0]
    placed = place_mask(mask, canvas, 160)
    columns, rows = np.flatnonzero(placed.any(0)), np.flatnonzero(placed.any(1))
    assert (x, y) == (columns[0], rows[0])
    assert (x + width, y + height) == (columns[-1] + 1, rows[-1] + 1)


@given(
    width=st.integers(50, 3000),
    height=st.integers(50, 3000),
    aspect=st.none() | st.floats(0.5, 2),
    box=st.tuples(st.floats(0, 50), st.floats(0, 50), st.floats(1, 40), st.floats(1, 40)),
)
@settings(max_examples=40, deadline=None)
def test_boxes_come_back(width: int, height: int, aspect: float | None, box: tuple[float, ...]) -> None:
    if not 0.2 <= width / height <= 5:
        return
    canvas = fit_canvas(width, height, 256, aspect)
    boxes = np.array([box, (0, 0, width, height)])
    placed = place_boxes(boxes, canvas)
    assert np.allclose(restore_boxes(placed, canvas), boxes, atol=1e-6)
    assert placed[1].min() >= -1e-6
    assert (placed[1, :2] + placed[1, 2:]).max() <= 256 + 1e-6


def test_no_boxes_are_no_boxes() -> None:
    assert place_boxes(np.zeros((0, 4)), fit_canvas(10, 10, 32)).shape == (0, 4)
