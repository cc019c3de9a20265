"""Laws of the exchange of lungs: (u, v) becomes (1 - u, v), twice is nothing, and all that is shown moves together."""

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from assets.images import F32
from assets.pairing.frames import U8, Frame
from assets.pairing.lung_swap import LungSwap, lung_swap, resized, swapped, swapped_boxes
from assets.prealignment.lung_outline import LungOutline
from assets.prealignment.lung_tilt import posed_lungs
from assets.prealignment.reference_frame import row_outlines
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import compose
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import dice

SIZE = 128
PHANTOMS = PhantomSettings(size=SIZE, subjects=6, seed=1)
SUBJECTS = pytest.mark.parametrize("index", [1, 3, 5])


def lungs_of(index: int) -> U8:
    return phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs


def coordinates(outline: LungOutline) -> tuple[F32, F32]:
    """Lung coordinates u and v of every pixel as images."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float64)
    left, right = (border.reshape(SIZE, SIZE) for border in outline.borders(y.ravel()))
    return ((x - left) / (right - left)).astype(np.float32), (
        (y - outline.top) / (outline.bottom - outline.top)
    ).astype(np.float32)


def ramps(lungs: U8) -> tuple[F32, F32]:
    """Images whose value at each lung's pixels is its own u, or v; elsewhere that of the nearer half."""
    outlines = row_outlines(posed_lungs(lungs), PrealignmentSettings(mode="rows"))
    one, other = coordinates(outlines[1]), coordinates(outlines[2])
    middle = (np.nonzero(lungs == 1)[1].max() + np.nonzero(lungs == 2)[1].min()) / 2
    right = np.arange(SIZE) <= middle
    return np.where(right, one[0], other[0]), np.where(right, one[1], other[1])


@SUBJECTS
def test_a_ramp_of_lung_coordinates_is_turned_across_and_kept_down(index: int) -> None:
    lungs = lungs_of(index)
    across, down = ramps(lungs)
    swap = lung_swap(lungs)
    plain = np.zeros_like(lungs)
    shown = [swapped(Frame(image, plain, None), swap).image for image in (across, down)]
    inner = binary_erosion(lungs > 0, iterations=2)
    np.testing.assert_allclose(shown[0][inner], 1 - across[inner], atol=0.02)
    np.testing.assert_allclose(shown[1][inner], down[inner], atol=0.01)


@SUBJECTS
def test_twice_is_nothing_in_the_lungs(index: int) -> None:
    """To a twentieth of a pixel at 99 % of the lungs' pixels, and to two at the deeper base's own rows."""
    lungs = lungs_of(index)
    swap = lung_swap(lungs)
    moved = np.hypot(*compose(swap.displacement, swap.displacement))
    assert np.quantile(moved[lungs > 0], 0.98) < 0.05
    assert moved[binary_erosion(lungs > 0, iterations=2)].max() < 2


@SUBJECTS
def test_what_was_medial_stays_medial_and_sides_change(index: int) -> None:
    lungs = lungs_of(index)
    swap = lung_swap(lungs)
    marked = (lungs == 1) & (np.arange(SIZE) > np.nonzero(lungs == 1)[1].max() - 12)
    found = swapped(Frame(np.zeros((SIZE, SIZE), np.float32), lungs, marked), swap).lesion
    assert found is not None
    assert found.sum() > 0.5 * marked.sum()
    assert set(np.unique(lungs[found])) == {2}
    inner = np.nonzero(lungs == 2)[1].min()
    assert np.nonzero(found)[1].mean() < inner + 20


@SUBJECTS
def test_labels_exchange_and_stay_in_the_references_lungs(index: int) -> None:
    lungs = lungs_of(index)
    once = swapped(Frame(np.zeros((SIZE, SIZE), np.float32), lungs, None), lung_swap(lungs))
    assert once.lesion is None
    assert not once.lungs[lungs == 0].any()
    for label in (1, 2):
        assert (
            dice(
                np.where(once.lungs == label, label, 0).astype(np.uint8),
                np.where(lungs == label, label, 0).astype(np.uint8),
            )
            > 0.97
        )
    # A lung of one side alone comes out on the other.
    alone = np.where(lungs == 1, lungs, 0).astype(np.uint8)
    other = swapped(Frame(np.zeros((SIZE, SIZE), np.float32), alone, None), lung_swap(lungs)).lungs
    assert set(np.unique(other)) == {0, 2}


@SUBJECTS
def test_image_mask_and_boxes_move_together(index: int) -> None:
    lungs = lungs_of(index)
    y, x = (int(value) for value in np.argwhere(binary_erosion(lungs == 1, iterations=9))[7])
    box = np.array([[x - 4.0, y - 5.0, 8.0, 10.0]])
    marked = np.zeros((SIZE, SIZE), np.bool_)
    marked[y - 5 : y + 5, x - 4 : x + 4] = True
    swap = lung_swap(lungs)
    found = swapped(Frame(marked.astype(np.float32), lungs, marked), swap)
    assert found.lesion is not None
    rows, columns = np.nonzero(found.lesion)
    (moved,) = swapped_boxes(box, swap)
    tight = np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1])
    np.testing.assert_allclose(moved, tight, atol=1.5)
    np.testing.assert_array_equal(found.image >= 0.5, found.lesion)
    assert (lungs[found.lesion] == 2).all()


def test_of_mirror_symmetric_lungs_it_is_the_mirror() -> None:
    half = lungs_of(1).copy()
    half[:, SIZE // 2 :] = 0
    lungs = np.where(half > 0, 1, np.where(half[:, ::-1] > 0, 2, 0)).astype(np.uint8)
    image = np.random.default_rng(0).random((SIZE, SIZE)).astype(np.float32)
    found = swapped(Frame(image, lungs, None), lung_swap(lungs))
    np.testing.assert_array_equal(found.lungs, lungs)
    np.testing.assert_allclose(found.image[lungs > 0], image[:, ::-1][lungs > 0], atol=0.02)


def test_on_a_smaller_grid_it_is_the_same_map() -> None:
    lungs = lungs_of(1)
    swap = lung_swap(lungs)
    small = resized(swap, SIZE // 2)
    assert small.displacement.shape == (2, SIZE // 2, SIZE // 2)
    assert small.lungs.shape == (SIZE // 2, SIZE // 2)
    inner = binary_erosion(small.lungs > 0, iterations=2)
    blocks = swap.displacement.reshape(2, SIZE // 2, 2, SIZE // 2, 2).mean(axis=(2, 4)) / 2
    np.testing.assert_allclose(small.displacement[:, inner], blocks[:, inner], atol=1e-3)
    np.testing.assert_array_equal(resized(swap, SIZE).displacement, swap.displacement)


def test_a_missing_lung_and_a_frame_that_is_no_square_are_refused() -> None:
    with pytest.raises(ValueError, match="patient-left lung"):
        lung_swap(np.where(lungs_of(1) == 1, 1, 0).astype(np.uint8))
    oblong = LungSwap(np.zeros((2, 8, 10), np.float32), np.zeros((8, 10), np.uint8))
    with pytest.raises(ValueError, match="8 x 10 pixels; expected a square canvas"):
        resized(oblong, 4)
