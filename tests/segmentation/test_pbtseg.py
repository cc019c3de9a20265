import numpy as np
import numpy.typing as npt
import pytest

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import dice, lung_flags
from assets.segmentation.settings import SegmentationSettings

F32 = npt.NDArray[np.float32]


def drawn(lung: float = 0.3, side: int = 256, shift: int = 0) -> tuple[F32, npt.NDArray[np.uint8]]:
    """Two dark ellipses on a bright ground, and their labels."""
    y, x = (np.mgrid[:side, :side] + 0.5) * 256 / side
    lungs = np.zeros((side, side), np.uint8)
    for label, center in ((1, 80), (2, 176)):
        lungs[((x - center - shift) / 30) ** 2 + ((y - 128) / 60) ** 2 <= 1] = label
    return np.where(lungs > 0, lung, 0.9).astype(np.float32), lungs


def test_drawn_lungs_are_found_exactly() -> None:
    image, lungs = drawn()
    np.testing.assert_array_equal(segment(image), lungs)


def test_convention_label_1_is_image_left() -> None:
    found = segment(drawn()[0])
    assert np.nonzero(found == 1)[1].mean() < np.nonzero(found == 2)[1].mean()


@pytest.mark.parametrize("level", [49.0, 160.0])
def test_thresholds_include_50_and_160(level: float) -> None:
    # a lung of gray 49 is dark enough for the first threshold, one of 160 for the last; the search gives up after
    # 130 when no region qualifies, so the brighter lung is met only because a darker one keeps it alive
    image, lungs = drawn(level / 255)
    image[lungs == 1] = 45 / 255
    assert (segment(image) == 2).any()


def test_without_any_region_the_search_ends_after_130() -> None:
    assert (segment(drawn(130 / 255)[0]) > 0).any()
    # met at the first threshold after 130, where the search without a region has just ended its patience
    assert (segment(drawn(135 / 255)[0]) > 0).any()
    assert not (segment(drawn(140 / 255)[0]) > 0).any()


@pytest.mark.parametrize("side", [128, 512])
def test_result_does_not_depend_on_the_size(side: int) -> None:
    image, lungs = drawn(side=side)
    assert dice(segment(image), lungs) > 0.95


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_uniform_image_has_no_lungs(value: float) -> None:
    assert not segment(np.full((256, 256), value, np.float32)).any()


def test_inverted_image_is_empty_or_flagged() -> None:
    image = phantom_subject(0, 0, PhantomSettings()).image
    assert lung_flags(segment(1 - image), SegmentationSettings())


def test_holes_are_filled() -> None:
    image, lungs = drawn()
    image[120:130, 76:84] = 1
    np.testing.assert_array_equal(segment(image), lungs)


def test_a_region_off_center_is_no_lung() -> None:
    # the left edge of the left ellipse then lies left of W/6 with its center
    found = segment(drawn(shift=-45)[0])
    assert not (found == 1).any()


def test_segmentation_is_deterministic() -> None:
    image = phantom_subject(2, 0, PhantomSettings()).image
    np.testing.assert_array_equal(segment(image), segment(image.copy()))


def test_equalization_finds_lungs_in_a_brightly_windowed_image() -> None:
    image, lungs = drawn(0.8)
    assert not segment(image).any()
    assert dice(segment(image, SegmentationSettings(equalize=True)), lungs) > 0.95


def test_border_brightening_separates_lungs_from_a_dark_border() -> None:
    image, lungs = drawn()
    image[100:104, :60] = 0.3
    image[:, :20] = 0.3
    plain = segment(image)
    bright = segment(image, SegmentationSettings(border_brightening=2.0, equalize=False))
    assert dice(bright, lungs) > dice(plain, lungs)
