import time

import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.reference_lung import medoid
from assets.prealignment.warp import warp_lungs

U8 = npt.NDArray[np.uint8]


def ellipses(scale: float = 1.0, x: float = 0.0, y: float = 0.0, ratio: float = 1.6, side: int = 128) -> U8:
    rows, columns = np.mgrid[:side, :side]
    lungs = np.zeros((side, side), np.uint8)
    for label, center in ((1, -24 * scale), (2, 24 * scale)):
        dx, dy = columns - 63.5 - x - center, rows - 63.5 - y
        lungs[(dx / (18 * scale)) ** 2 + (dy / (18 * scale * ratio)) ** 2 <= 1] = label
    return lungs


def test_box_of_the_reference_itself_is_the_identity() -> None:
    lungs = ellipses()
    assert np.abs(lung_box_displacement(lungs, lungs)).max() < 1e-4


def test_convention_box_edges_map_onto_box_edges() -> None:
    reference, moving = np.zeros((2, 40, 60), np.uint8)
    reference[10:20, 10:30] = 1
    moving[5:25, 20:60] = 1
    u = lung_box_displacement(reference, moving)
    # edges 9.5..29.5 -> 19.5..59.5: x = 19.5 + 2 (x' - 9.5), so column 10 reads 20.5; rows 9.5..19.5 -> 4.5..24.5
    assert u[0, 0, 10] == pytest.approx(10.5)
    assert u[1, 10, 0] == pytest.approx(5.5 - 10)
    np.testing.assert_array_equal(warp_lungs(moving, u), reference)


def test_box_of_an_empty_mask_is_an_error() -> None:
    with pytest.raises(ValueError, match="lungs: expected at least one lung"):
        lung_box_displacement(ellipses(), np.zeros((128, 128), np.uint8))
    with pytest.raises(ValueError, match="reference_lungs"):
        lung_box_displacement(np.zeros((128, 128), np.uint8), ellipses())


def test_medoid_is_the_typical_shape_whatever_its_size_and_place() -> None:
    # shapes by aspect 1.2 ... 2.0: the middle aspect has the smallest sum of differences
    masks = [
        ellipses(ratio=1.2), ellipses(ratio=1.4, scale=0.8), ellipses(ratio=1.6, x=9, scale=0.7),
        ellipses(ratio=1.8, y=-5), ellipses(ratio=2.0),
    ]  # fmt: skip
    assert medoid(masks) == 2


def test_medoid_ties_go_to_the_lowest_index() -> None:
    assert medoid([ellipses()] * 4) == 0
    assert medoid([ellipses(), ellipses(ratio=2)]) == 0


def test_medoid_counts_the_lungs_apart() -> None:
    swapped = ellipses().copy()
    swapped[ellipses() == 1], swapped[ellipses() == 2] = 2, 1
    assert medoid([swapped, ellipses(), ellipses()]) == 1


def test_medoid_of_200_masks_is_fast() -> None:
    masks = [ellipses(ratio=1.2 + 0.004 * index, side=256) for index in range(200)]
    start = time.thread_time()
    medoid(masks)
    assert time.thread_time() - start < 5


def test_medoid_errors_name_the_row() -> None:
    with pytest.raises(ValueError, match="at least one training mask"):
        medoid([])
    with pytest.raises(ValueError, match=r"lungs\[1\]"):
        medoid([ellipses(), np.zeros((128, 128), np.uint8)])
