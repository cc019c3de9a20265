import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.image_scores.overlay import NOTICE, cropped, full_scale, on_source, overlay, score_line
from assets.radiographs.geometry import fit_canvas, place


@given(width=st.integers(25, 120), height=st.integers(25, 120), size=st.sampled_from([32, 64, 96]))
@settings(deadline=None, max_examples=40)
def test_every_pixel_of_the_source_reads_the_canvas_where_it_lies(width: int, height: int, size: int) -> None:
    canvas = fit_canvas(width, height, size)
    columns, rows = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    x = np.clip(np.arange(width) * canvas.scale_x + canvas.offset_x, 0, size - 1)
    y = np.clip(np.arange(height) * canvas.scale_y + canvas.offset_y, 0, size - 1)
    # OpenCV reads between pixels in steps of 1/32.
    assert np.allclose(on_source(columns, canvas, (height, width)), np.broadcast_to(x, (height, width)), atol=0.04)
    assert np.allclose(
        on_source(rows, canvas, (height, width)), np.broadcast_to(y[:, None], (height, width)), atol=0.04
    )


def test_a_smooth_image_comes_back_from_the_canvas() -> None:
    y, x = np.mgrid[0:80, 0:120].astype(np.float32)
    image = np.float32(0.5) + np.float32(0.4) * np.sin(x / 15) * np.cos(y / 12)
    canvas = fit_canvas(120, 80, 64)
    back = on_source(place(image, canvas, 64), canvas, image.shape)
    assert np.abs(back - image)[4:-4, 4:-4].max() < 0.03


@pytest.mark.parametrize("width", [40, 96, 400])
def test_an_overlay_begins_with_the_radiographs_own_pixels_and_ends_with_its_use(width: int) -> None:
    image = np.full((60, width), 0.5, np.float32)
    anomaly = np.zeros((60, width), np.float32)
    anomaly[10:20, 10:20] = 1.0
    lungs = np.zeros((60, width), np.float32)
    lungs[5:40, 5:35] = 1.0
    picture = overlay(image, anomaly, lungs, 1.0, "it_dpr/cut seed 0: score 0.1, no threshold")
    assert picture.shape[1:] == (width, 3)
    assert (picture[50, 2] == 128).all()
    assert picture[15, 15, 0] > picture[15, 15, 2] + 60
    strip = picture[60:]
    assert strip.shape[0] >= 22
    assert (strip.max(axis=2) > 180).sum() > 100


def test_a_narrower_picture_gives_the_notice_more_lines() -> None:
    blank = np.zeros((50, 400), np.float32)
    wide = overlay(blank, blank, blank, 1.0, "caption").shape[0]
    narrow = overlay(blank[:, :60], blank[:, :60], blank[:, :60], 1.0, "caption").shape[0]
    assert narrow > wide
    assert "Research use only" in NOTICE


@given(
    x=st.floats(-0.4, 20),
    y=st.floats(-0.4, 20),
    width=st.floats(1, 12),
    height=st.floats(1, 12),
)
@settings(deadline=None, max_examples=40)
def test_what_is_cropped_is_what_the_image_covers(x: float, y: float, width: float, height: float) -> None:
    canvas = np.arange(32 * 32, dtype=np.float32).reshape(32, 32)
    part = cropped(canvas, (x, y, width, height))
    assert abs(part.shape[0] - height) <= 1
    assert abs(part.shape[1] - width) <= 1
    assert part[0, 0] == canvas[round(y), round(x)]


def test_full_color_is_what_few_lung_pixels_exceed_and_never_nothing() -> None:
    values = np.linspace(0, 1, 10_000, dtype=np.float32).reshape(100, 100)
    lungs = np.ones_like(values)
    lungs[50:] = 0
    assert full_scale([values], [lungs]) == pytest.approx(0.499, abs=0.001)
    assert full_scale([values, 2 * values], [lungs, lungs]) > 0.9
    assert full_scale([values], [np.zeros_like(values)]) == full_scale([0 * values], [lungs]) == 1e-6


def test_what_an_overlay_says() -> None:
    assert score_line("it_dpr/cut", 1, 0.25, None) == "it_dpr/cut seed 1: score 0.25, no threshold"
    assert score_line("it_dpr/cut", 1, 0.25, 0.5).endswith("score 0.25, threshold 0.5")
