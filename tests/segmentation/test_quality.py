import numpy as np
import numpy.typing as npt
import pytest
from skimage.measure import label as connected
from skimage.measure import regionprops

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.quality import dice, hull_of, lung_flags, solidity
from assets.segmentation.settings import SegmentationSettings

U8 = npt.NDArray[np.uint8]
SETTINGS = SegmentationSettings()


def boxes(
    right: tuple[int, int, int, int] = (40, 50, 60, 130), left: tuple[int, int, int, int] = (156, 50, 60, 130)
) -> U8:
    lungs = np.zeros((256, 256), np.uint8)
    for label, (x, y, width, height) in ((1, right), (2, left)):
        lungs[y : y + height, x : x + width] = label
    return lungs


def test_plausible_lungs_have_no_flag() -> None:
    assert lung_flags(boxes(), SETTINGS) == []


def test_phantoms_pass() -> None:
    passed = [not lung_flags(phantom_subject(index, 0, PhantomSettings()).lungs, SETTINGS) for index in range(0, 24, 2)]
    assert np.mean(passed) >= 0.9


@pytest.mark.parametrize(
    ("lungs", "reasons"),
    [
        (boxes(right=(60, 50, 20, 130)), ["right lung covers 4.0% of the image, less than 5.0%", "more than 1.60"]),
        (boxes(left=(136, 10, 110, 236)), ["left lung covers 39.6% of the image, more than 30.0%", "apices", "bases"]),
        (boxes(left=(156, 60, 28, 125)), ["less than 0.50"]),
        (boxes(right=(110, 50, 60, 130), left=(180, 50, 60, 130)), ["right lung is centered at 55% of the width"]),
        (boxes(right=(5, 50, 60, 130), left=(80, 50, 60, 130)), ["left lung is centered at 43% of the width"]),
        (boxes(left=(156, 90, 60, 90)), ["apices differ by 15.6% of the height, more than 12.0%"]),
        (boxes(left=(156, 50, 60, 95)), ["bases differ by 13.7% of the height, more than 12.0%"]),
        (boxes(right=(0, 50, 60, 130)), ["35% of the right lung's outline lies on the image border, more than 15%"]),
    ],
)
def test_each_gate_names_the_lung_the_number_and_the_limit(lungs: U8, reasons: list[str]) -> None:
    flags = lung_flags(lungs, SETTINGS)
    for reason in reasons:
        assert any(reason in flag for flag in flags), flags


def test_low_solidity_is_flagged() -> None:
    lungs = boxes()
    lungs[60:170, 55:100] = 0
    assert any("fills" in flag and "right" in flag for flag in lung_flags(lungs, SETTINGS))


def test_truncated_base_is_flagged() -> None:
    lungs = phantom_subject(0, 0, PhantomSettings()).lungs.copy()
    rows = np.flatnonzero((lungs == 2).any(axis=1))
    lungs[rows[-1] - round(0.22 * len(rows)) :][lungs[rows[-1] - round(0.22 * len(rows)) :] == 2] = 0
    assert any("bases" in flag for flag in lung_flags(lungs, SETTINGS))


@pytest.mark.parametrize(("label", "name"), [(1, "right"), (2, "left")])
def test_missing_lung_is_reported_alone(label: int, name: str) -> None:
    lungs = boxes()
    lungs[lungs == label] = 0
    assert lung_flags(lungs, SETTINGS) == [f"the {name} lung is missing"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("minimum_area", 0.2), ("maximum_area", 0.1), ("minimum_ratio", 1.2), ("maximum_ratio", 0.8),
        ("minimum_solidity", 1.0), ("maximum_top_difference", 0.0), ("maximum_bottom_difference", 0.0),
        ("maximum_border_share", 0.0),
    ],
)  # fmt: skip
def test_every_limit_is_used(field: str, value: float) -> None:
    lungs = boxes(left=(156, 52, 60, 130))
    lungs[60:80, 41:60] = 0
    lungs[50, 0:41] = 1
    loose = SegmentationSettings(minimum_solidity=0.5)
    assert lung_flags(lungs, loose) == []
    assert lung_flags(lungs, loose.model_copy(update={field: value}))


def test_solidity_agrees_with_skimage_up_to_the_half_pixel_rim() -> None:
    mask = phantom_subject(0, 0, PhantomSettings()).lungs == 2
    expected = regionprops(connected(mask))[0].solidity  # type: ignore[no-untyped-call]
    # skimage takes the hull of the pixels' corners, here of their centers
    assert solidity(mask) == pytest.approx(expected, abs=0.02)
    assert hull_of(mask)[mask].all()


def test_dice_of_known_overlaps() -> None:
    lungs = boxes()
    assert dice(lungs, lungs) == 1
    assert dice(lungs, np.zeros_like(lungs)) == 0
    half = lungs.copy()
    half[:, 70:100] = 0
    # right lung: 2 * 30 / (60 + 30) = 2/3, left lung 1
    assert dice(half, lungs) == pytest.approx((2 / 3 + 1) / 2)
    with pytest.raises(ValueError, match="shape"):
        dice(lungs, lungs[:10])
