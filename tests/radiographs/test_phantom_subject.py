import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs.phantom.landmarks import LANDMARK_NAMES, landmarks
from assets.radiographs.phantom.subject import Subject, draw_subject, to_canonical, to_pixels, true_displacement


def _at(field: npt.NDArray[np.float32], points: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    from scipy.ndimage import map_coordinates

    rows_columns = points[:, ::-1].T
    return np.stack([map_coordinates(channel, rows_columns, order=1) for channel in field], axis=-1)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_maps_round_trip_over_the_whole_image(seed: int) -> None:
    rng = np.random.default_rng(seed)
    subject = draw_subject(rng)
    pixels = rng.uniform(-0.5, 255.5, (400, 2))
    again = to_pixels(subject, to_canonical(subject, pixels, 256), 256)
    assert np.abs(again - pixels).max() < 1e-3


def test_canonical_points_round_trip() -> None:
    subject = draw_subject(np.random.default_rng(5))
    canonical = np.random.default_rng(6).uniform(-0.8, 0.8, (300, 2))
    assert np.allclose(to_canonical(subject, to_pixels(subject, canonical, 256), 256), canonical, atol=1e-5)


def test_zero_spread_gives_the_average_subject() -> None:
    points = np.random.default_rng(1).uniform(-1, 1, (50, 2))
    drawn = draw_subject(np.random.default_rng(0), spread=0)
    assert np.allclose(to_pixels(drawn, points, 256), to_pixels(Subject(), points, 256))


def test_convention_pixel_centers_are_integers() -> None:
    # With scale 1 and no shift the canonical origin is the image's center: between pixels 3 and 4 of eight.
    assert np.allclose(to_pixels(Subject(scale=1, shift_y=0), [[0.0, 0.0]], 8), [[3.5, 3.5]])
    # Half an image side to the right and a quarter down: 3.5 + 4 and 3.5 + 2 pixels.
    moved = Subject(scale=1, shift_x=1.0, shift_y=0.5)
    assert np.allclose(to_pixels(moved, [[0.0, 0.0]], 8), [[7.5, 5.5]])


def test_convention_rotation_is_clockwise_on_the_screen() -> None:
    turned = Subject(scale=1, shift_y=0, rotation=90)
    right = to_pixels(turned, [[0.5, 0.0]], 8)[0]
    assert right == pytest.approx([3.5, 5.5])


def test_convention_displacement_is_backward_in_pixels_x_first() -> None:
    # The moving subject lies 0.1 half sides = 12.8 px further right and 0.05 = 6.4 px further down.
    field = true_displacement(Subject(), Subject(shift_x=0.1, shift_y=0.14), 256)
    assert field.shape == (2, 256, 256)
    assert field.dtype == np.float32
    assert np.allclose(field[0], 12.8, atol=2e-3)
    assert np.allclose(field[1], 6.4, atol=2e-3)


def test_true_displacement_moves_fixed_landmarks_onto_moving_ones() -> None:
    fixed, moving = (draw_subject(np.random.default_rng(seed)) for seed in (3, 4))
    q = landmarks(fixed, 256)
    # 0.02 px is the error of bilinear interpolation between pixels of a smooth field.
    assert np.abs(q + _at(true_displacement(fixed, moving, 256), q) - landmarks(moving, 256)).max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_the_map_never_folds(seed: int) -> None:
    field = true_displacement(Subject(), draw_subject(np.random.default_rng(seed)), 128)
    x_x, x_y = 1 + np.diff(field[0], axis=1)[:-1], np.diff(field[0], axis=0)[:, :-1]
    y_x, y_y = np.diff(field[1], axis=1)[:-1], 1 + np.diff(field[1], axis=0)[:, :-1]
    assert (x_x * y_y - x_y * y_x).min() > 0.2


def test_landmarks_are_named_twenty_a_side() -> None:
    assert len(LANDMARK_NAMES) == len(set(LANDMARK_NAMES)) == 40
    assert all(name.startswith("right_") for name in LANDMARK_NAMES[:20])
    assert all(name.startswith("left_") for name in LANDMARK_NAMES[20:])


def test_landmarks_scale_with_the_image() -> None:
    subject = draw_subject(np.random.default_rng(9))
    # Edge coordinates scale by two; pixel-center coordinates are half a pixel less.
    assert np.allclose(landmarks(subject, 512) + 0.5, 2 * (landmarks(subject, 256) + 0.5), atol=1e-3)


def test_landmarks_stay_in_the_frame() -> None:
    subjects = (draw_subject(np.random.default_rng([0, index]).spawn(3)[0]) for index in range(0, 320, 4))
    points = np.stack([landmarks(subject, 256) for subject in subjects])
    assert points.min() >= 0
    assert points.max() <= 255


def test_landmarks_are_no_lattice_of_rows() -> None:
    # Few share a height: a registration by rows is not scored on its own grid.
    heights = np.sort(landmarks(Subject(), 256)[:20, 1])
    assert np.median(np.diff(heights)) > 2
