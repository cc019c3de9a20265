import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.mean_shape import mean_radiograph, mean_shape
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import dice
from tests.prealignment.test_lung_box_and_reference import ellipses

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
PHANTOMS = [phantom_subject(index, 5, PhantomSettings()) for index in range(6)]
LUNGS = [phantom.lungs for phantom in PHANTOMS]


def mirrored(lungs: U8) -> U8:
    flipped = lungs[:, ::-1]
    return np.where(flipped > 0, 3 - flipped, 0).astype(np.uint8)


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_mean_of_equal_lungs_is_their_shape(symmetric: bool) -> None:
    # the ellipses are their own mirror image
    np.testing.assert_array_equal(mean_shape([ellipses()] * 3, symmetric), ellipses())


def test_position_and_size_are_the_mean_ones() -> None:
    mean = mean_shape([ellipses(scale=0.8, x=-6, y=4), ellipses(scale=1.2, x=10, y=-4)])
    # centers +-24 * scale about 63.5 + x: means of -25.2, 13.2 - 6 ... are 63.5 + 2 -+ 24; scale (0.8 + 1.2) / 2
    assert dice(mean, ellipses(scale=1.0, x=2)) > 0.98


def test_between_two_shapes_lies_their_mean() -> None:
    mean = mean_shape([ellipses(ratio=1.3), ellipses(ratio=1.9)])
    middle = ellipses(ratio=1.6)
    assert dice(mean, middle) > 0.97
    assert dice(mean, middle) > max(dice(mean, ellipses(ratio=1.3)), dice(mean, ellipses(ratio=1.9)))


def test_the_symmetric_mean_equals_its_own_mirror_image_exactly() -> None:
    for lungs in (LUNGS, [mask[:, :-1] for mask in LUNGS]):
        mean = mean_shape(lungs, symmetric=True)
        np.testing.assert_array_equal(mirrored(mean), mean)
        assert (mean == 1).sum() == (mean == 2).sum() > 0
    assert (mirrored(mean_shape(LUNGS)) != mean_shape(LUNGS)).any()


def test_mirrored_patients_give_the_same_symmetric_mean() -> None:
    difference = mean_shape(LUNGS, True) != mean_shape([mirrored(mask) for mask in LUNGS], True)
    # sums in another order: a pixel whose level is 0 may fall on the other side
    assert difference.sum() <= 2


def test_labels_stay_on_their_sides() -> None:
    mean = mean_shape(LUNGS)
    centers = [np.nonzero(mean == label)[1].mean() for label in (1, 2)]
    assert centers[0] < 128 < centers[1]


def test_the_mean_radiograph_shows_what_all_have_in_common() -> None:
    reference = mean_shape(LUNGS)
    pairs = [(phantom.image.astype(np.float32), phantom.lungs) for phantom in PHANTOMS]
    mean = mean_radiograph(reference, pairs)
    assert mean.shape == reference.shape
    assert mean.dtype == np.float32
    assert 0 <= mean.min() <= mean.max() <= 1
    # lungs are dark and what lies around them is bright only where the images were brought onto the shape
    blurred = np.mean([image for image, _ in pairs], axis=0)
    contrast = [image[reference == 0].mean() - image[reference > 0].mean() for image in (mean, blurred)]
    assert contrast[0] > contrast[1]


def test_the_symmetric_mean_radiograph_equals_its_mirror_image() -> None:
    reference = mean_shape(LUNGS, symmetric=True)
    pairs = [(phantom.image.astype(np.float32), phantom.lungs) for phantom in PHANTOMS[:3]]
    mean = mean_radiograph(reference, pairs, symmetric=True)
    np.testing.assert_array_equal(mean, mean[:, ::-1])


def test_errors_name_the_mask() -> None:
    with pytest.raises(ValueError, match="at least one training mask"):
        mean_shape([])
    with pytest.raises(ValueError, match=r"lungs\[1\]: expected shape"):
        mean_shape([ellipses(), ellipses(side=64)])
    with pytest.raises(ValueError, match=r"lungs\[1\]: the patient-left lung"):
        mean_shape([ellipses(), np.where(ellipses() == 1, 1, 0).astype(np.uint8)])
    with pytest.raises(ValueError, match="at least one radiograph"):
        mean_radiograph(ellipses(), [])
