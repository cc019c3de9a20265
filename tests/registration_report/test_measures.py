from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.radiographs.phantom.subject import draw_subject, true_displacement
from assets.registration_report.measures import (
    hd95,
    inverse_consistency,
    landmark_errors,
    lung_dice,
    outline_error,
)
from assets.segmentation.quality import outline_of

# SimpleITK's generated wrappers carry no types, MONAI's decorators hide them.
sitk: Any = import_module("SimpleITK")
F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

SHAPE = (64, 72)
EVERYWHERE = np.ones((64, 64), np.bool_)


def lungs(shift: float = 0.0, radius: float = 1.0) -> U8:
    """Two ellipses of half axes 10 and 20 px times `radius`, `shift` px to the right."""
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    found = np.zeros(SHAPE, np.uint8)
    for label, center in ((1, 18), (2, 52)):
        found[((x - center - shift) / 10) ** 2 + ((y - 31) / 20) ** 2 <= radius**2] = label
    return found


def uniform(x: float, y: float, size: int = 64) -> F32:
    return np.stack([np.full((size, size), x, np.float32), np.full((size, size), y, np.float32)])


def phantom_maps(seed: int) -> tuple[F32, F32]:
    """The true maps of two subjects, and back."""
    fixed, moving = (draw_subject(np.random.default_rng([seed, k]), 0.8) for k in range(2))
    return true_displacement(fixed, moving, 64), true_displacement(moving, fixed, 64)


def test_convention_fixed_landmarks_map_onto_the_moving_ones() -> None:
    fixed = np.array([[10.0, 12.0], [20.5, 3.0]])
    field = uniform(3, 4)
    np.testing.assert_allclose(landmark_errors(fixed, fixed + np.array([3, 4]), field), 0)
    np.testing.assert_allclose(landmark_errors(fixed, fixed, field), 5)
    with pytest.raises(ValueError, match="moving_landmarks: expected shape"):
        landmark_errors(fixed, fixed[:1], field)


def test_true_map_leaves_no_landmark_error() -> None:
    displacement, _ = phantom_maps(0)
    fixed = np.array([[16.0, 20.0], [40.0, 30.0], [30.0, 50.0]])
    moving = fixed + displacement[:, fixed[:, 1].astype(int), fixed[:, 0].astype(int)].T
    np.testing.assert_allclose(landmark_errors(fixed, moving, displacement), 0, atol=1e-5)


def test_equal_lungs_are_perfect() -> None:
    assert lung_dice(lungs(), lungs()) == 1
    assert hd95(lungs(), lungs()) == 0
    assert outline_error(lungs(), lungs()) == 0


@pytest.mark.parametrize("measure", [hd95, outline_error, lung_dice])
@settings(deadline=None, max_examples=20)
@given(shift=st.integers(-6, 6), radius=st.floats(0.6, 1.1))
def test_distances_and_overlap_are_symmetric(measure: Callable[[U8, U8], float], shift: int, radius: float) -> None:
    assert measure(lungs(shift, radius), lungs()) == pytest.approx(measure(lungs(), lungs(shift, radius)))


# MONAI calls its own function by a name that it deprecates
@pytest.mark.filterwarnings("ignore:monai.metrics.utils:FutureWarning")
@pytest.mark.parametrize(("shift", "radius"), [(3, 1.0), (0, 0.7), (-4, 1.1)])
def test_outlines_are_measured_as_monai_measures_them(shift: float, radius: float) -> None:
    metrics: Any = import_module("monai.metrics")
    warped, reference = lungs(shift, radius), lungs()
    # MONAI's own edges are those of a mask; outlines are their own edges, so both measure the same pixels
    one, other = (
        torch.from_numpy(np.stack([outline_of(labels == label) for label in (1, 2)]).astype(np.float32))[None]
        for labels in (warped, reference)
    )
    hausdorff = metrics.compute_hausdorff_distance(one, other, include_background=True, percentile=95)
    surface = metrics.compute_average_surface_distance(one, other, include_background=True, symmetric=True)
    assert hd95(warped, reference) == pytest.approx(float(hausdorff.mean()), abs=1e-5)
    assert outline_error(warped, reference) == pytest.approx(float(surface.mean()), abs=1e-5)


def test_overlap_is_that_of_simpleitk() -> None:
    warped, reference = lungs(3, 0.9), lungs()
    overlap = sitk.LabelOverlapMeasuresImageFilter()
    overlap.Execute(sitk.GetImageFromArray(reference), sitk.GetImageFromArray(warped))
    expected = np.mean([overlap.GetDiceCoefficient(label) for label in (1, 2)])
    assert lung_dice(warped, reference) == pytest.approx(float(expected))


def test_hausdorff_ignores_a_spike_of_less_than_five_percent_of_the_outline() -> None:
    spiked = lungs()
    spiked[31, 8:4:-1] = 1
    assert hd95(spiked, lungs()) == 0
    filter_ = sitk.HausdorffDistanceImageFilter()
    filter_.Execute(sitk.GetImageFromArray(spiked), sitk.GetImageFromArray(lungs()))
    assert filter_.GetHausdorffDistance() >= 3
    assert outline_error(spiked, lungs()) > 0


def test_a_lost_lung_counts_nothing_of_dice_and_the_diagonal_of_distance() -> None:
    warped = lungs()
    warped[warped == 2] = 0
    diagonal = float(np.hypot(63, 71))
    assert lung_dice(warped, lungs()) == 0.5
    assert hd95(warped, lungs()) == pytest.approx(diagonal / 2)
    assert outline_error(warped, lungs()) == pytest.approx(diagonal / 2)
    assert hd95(np.zeros(SHAPE, np.uint8), lungs()) == pytest.approx(diagonal)


@pytest.mark.parametrize("measure", [hd95, outline_error, lung_dice])
def test_errors_say_what_is_wrong_with_the_lungs(measure: Callable[[U8, U8], float]) -> None:
    with pytest.raises(ValueError, match="warped: expected shape"):
        measure(lungs()[:, 1:], lungs())
    one = np.where(lungs() == 1, 1, 0).astype(np.uint8)
    with pytest.raises(ValueError, match="the left lung is missing"):
        measure(lungs(), one)


def test_convention_the_inverse_is_read_where_the_map_leads() -> None:
    # p -> 2 p reads at q; back is q -> q / 2, u = -q / 2
    y, x = np.mgrid[:64, :64].astype(np.float32)
    inside = (x < 32) & (y < 32)
    assert inverse_consistency(np.stack([x, y]), np.float32(-0.5) * np.stack([x, y]), inside) == pytest.approx(
        (0, 0), abs=1e-5
    )
    mean, largest = inverse_consistency(uniform(3, 4), uniform(0, 0), EVERYWHERE)
    assert mean == pytest.approx(5)
    assert largest == pytest.approx(5)


def test_true_maps_undo_each_other_and_errors_name_the_region() -> None:
    displacement, back = phantom_maps(0)
    inside = np.zeros((64, 64), np.bool_)
    inside[20:44, 20:44] = True
    assert inverse_consistency(displacement, back, inside)[1] < 0.05
    with pytest.raises(ValueError, match="region: expected a pixel"):
        inverse_consistency(displacement, back, ~EVERYWHERE)
    with pytest.raises(ValueError, match="region: expected a pixel"):
        inverse_consistency(displacement, back, EVERYWHERE[1:])
