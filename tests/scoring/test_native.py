"""Discs at known places of the canvas go into a frame by its own image warp, and come back by the map's way back."""

from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.alignments import Alignment
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.roughness import UNKNOWN
from assets.registration.settings import RegistrationSettings
from assets.scoring.native import carried_back, native_grid, native_map
from assets.translation.frame_maps import Registration as FrameRegistration
from assets.translation.frame_maps import frame_displacement

SIDE = 128
PHANTOMS = PhantomSettings(size=SIDE, subjects=4, seed=3)
IT_PR = PrealignmentSettings()
LUNGS, REFERENCE = (phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs for index in (1, 2))
FRAME = reference_frame(REFERENCE, IT_PR)
ALIGNMENTS = get_args(Alignment)
Arrays = dict[str, npt.NDArray[Any]]


def velocity() -> npt.NDArray[np.float16]:
    """Smooth, and of up to two pixels of the half grid."""
    y, x = np.mgrid[: SIDE // 2, : SIDE // 2] / (SIDE / 2)
    return np.stack([2 * np.sin(np.pi * x) * np.cos(np.pi * y), -1.5 * np.sin(np.pi * y)]).astype(np.float16)


def sheared() -> npt.NDArray[np.int16]:
    """An affine map, as its displacement is stored."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    return quantize(np.stack([0.08 * x - 0.05 * y + 3, 0.04 * x - 0.06 * y - 2]).astype(np.float32))


def bent() -> npt.NDArray[np.int16]:
    """A smooth map without folds, as that of a learned peer is stored."""
    y, x = np.mgrid[:SIDE, :SIDE] / SIDE
    return quantize(np.stack([4 * np.sin(np.pi * x) * np.cos(np.pi * y), -3 * np.sin(np.pi * y)]).astype(np.float32))


STORED: dict[str, Arrays] = {
    "lungs": {"lungs": LUNGS},
    "prealigned": {"displacement": quantize(prealign(FRAME, LUNGS, IT_PR))},
    "registered": {"velocity": velocity()},
    "affine": {"displacement": sheared()},
    "bent": {"displacement": bent()},
}
ROWS = FrameRows(
    {"key": "radiograph"},
    {"key": "lungs"},
    {"key": "prealigned"},
    {"key": "registered"},
    peers={"affine": {"key": "affine"}, "voxelmorph": {"key": "bent"}, "synthmorph": {"key": "bent"}},
)


def read(row: Row) -> Arrays:
    return STORED[row["key"]]


def known(reading: Any = "R3", roughness: tuple[float, float] = UNKNOWN) -> Registration:  # noqa: ANN401 (a literal)
    return Registration(FRAME, RegistrationSettings(reading=reading), roughness)


def warped(native: npt.NDArray[np.float32], alignment: Alignment, cohort: Registration) -> npt.NDArray[np.float32]:
    """An image of the canvas in the frame, as the stages warp."""
    registration = FrameRegistration(cohort.settings, cohort.roughness)
    field = frame_displacement(alignment, ROWS, REFERENCE, read, registration)
    return native if field is None else warp_image(native, field)


def disc(column: float, row: float, radius: float = 6.0) -> npt.NDArray[np.float32]:
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.asarray(np.clip(radius + 0.5 - np.hypot(x - column, y - row), 0, 1), np.float32)


def middle(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.array([(axis * values).sum() / values.sum() for axis in (x, y)])


def inner_points(margin: int) -> npt.NDArray[np.intp]:
    """Pixels (row, column) of the lungs at least `margin` from their border."""
    inside = np.pad(LUNGS > 0, margin)
    spans = range(2 * margin + 1)
    eroded = np.logical_and.reduce([inside[y : y + SIDE, x : x + SIDE] for y in spans for x in spans])
    return np.argwhere(eroded)


INNER = inner_points(7)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from(ALIGNMENTS), st.sampled_from(["R1", "R3"]), st.integers(0, len(INNER) - 1))
def test_a_disc_comes_back_to_where_it_was(alignment: Alignment, reading: str, chosen: int) -> None:
    row, column = map(float, INNER[chosen])
    native = disc(column, row)
    cohort = known(reading)
    back = native_map(alignment, warped(native, alignment, cohort), ROWS, cohort, read)
    assert np.hypot(*(middle(back) - middle(native))) < 1.0
    assert np.abs(back - native)[LUNGS > 0].mean() < 0.01
    assert (back > 0.5).sum() == pytest.approx((native > 0.5).sum(), rel=0.25)


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_a_map_of_another_resolution_covers_the_same_frame(alignment: Alignment) -> None:
    row, column = map(float, INNER[len(INNER) // 3])
    native, cohort = disc(column, row, 12.0), known()
    frame_map = warped(native, alignment, cohort)
    half = frame_map.reshape(SIDE // 2, 2, SIDE // 2, 2).mean(axis=(1, 3))
    whole, small = (native_map(alignment, each, ROWS, cohort, read) for each in (frame_map, half))
    assert np.hypot(*(middle(small) - middle(whole))) < 0.2


def test_a_rough_pre_alignment_is_taken_back_as_it_was_smoothed() -> None:
    row, column = map(float, INNER[len(INNER) // 2])
    native, cohort = disc(column, row), known(roughness=(0.0, 0.0))
    back = native_map("it_dpr", warped(native, "it_dpr", cohort), ROWS, cohort, read)
    assert np.hypot(*(middle(back) - middle(native))) < 1.0


@pytest.mark.parametrize("alignment", ALIGNMENTS)
def test_nothing_lies_outside_the_lungs_and_no_area_is_made_up_for(alignment: Alignment) -> None:
    back = native_map(alignment, np.full((SIDE, SIDE), 0.25, np.float32), ROWS, known(), read)
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back, np.where(LUNGS > 0, np.float32(0.25), np.float32(0)))


def test_without_alignment_the_map_is_the_canvas() -> None:
    values = np.random.default_rng(0).random((SIDE, SIDE), np.float32)
    back = native_map("none", values, ROWS, known(), read)
    np.testing.assert_allclose(back, np.where(LUNGS > 0, values, 0), atol=1e-6)


def test_one_grid_serves_every_map_of_its_frame() -> None:
    values = np.random.default_rng(1).random((2, SIDE, SIDE), np.float32)
    grid = native_grid("it_dpr", ROWS, known(), read)
    for each in values:
        np.testing.assert_array_equal(carried_back(each, grid), native_map("it_dpr", each, ROWS, known(), read))


def test_a_radiograph_without_lungs_has_an_empty_map_where_no_lung_is_needed() -> None:
    empty = {**STORED, "lungs": {"lungs": np.zeros_like(LUNGS)}}
    values = np.ones((SIDE, SIDE), np.float32)
    for alignment in ALIGNMENTS:
        assert not native_map(alignment, values, ROWS, known(), lambda row: empty[row["key"]]).any()
