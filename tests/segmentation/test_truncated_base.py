import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.render import Phantom
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration_report.measures import landmark_errors
from assets.segmentation.cleanup import clean, largest_component
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmentation.truncated_base import complete_base
from assets.segmenter.damage import cut_base, damaged

U8 = npt.NDArray[np.uint8]
LIMIT = SegmentationSettings().maximum_bottom_difference


def pair(side: int = 256) -> U8:
    """Two lungs that are mirror images of each other, each with a domed base."""
    y, x = (np.mgrid[:side, :side] + 0.5) * 256 / side
    one = (((x - 80) / 36) ** 2 + ((y - 150) / 100) ** 2 <= 1) & (y < 200 + ((x - 95) / 6) ** 2)
    return np.where(one, 1, np.where(one[:, ::-1], 2, 0)).astype(np.uint8)


def base(lungs: U8, label: int) -> int:
    return int(np.flatnonzero((lungs == label).any(axis=1))[-1])


@pytest.mark.parametrize("side", [128, 256])
@pytest.mark.parametrize("label", [1, 2])
@pytest.mark.parametrize("share", [0.3, 0.45])
def test_the_mirror_image_of_the_other_lung_is_restored(label: int, share: float, side: int) -> None:
    whole = pair(side)
    completed, name = complete_base(clean(cut_base(whole, label, share), SegmentationSettings()), 0.0, LIMIT)
    assert name == ("right", "left")[label - 1]
    assert lung_dices(completed, whole)[label - 1] > 0.97
    assert base(completed, label) == pytest.approx(base(whole, label), abs=0.02 * side)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 2), st.floats(0.2, 0.6), st.floats(-0.05, 0.05))
def test_only_the_shorter_lung_gains_and_stays_whole(seed: int, label: int, share: float, offset: float) -> None:
    mask = cut_base(damaged(pair(128), np.random.default_rng(seed)), label, share)
    before = mask.copy()
    completed, name = complete_base(mask, offset, LIMIT)
    np.testing.assert_array_equal(mask, before)
    assert completed.dtype == np.uint8
    if not name:
        np.testing.assert_array_equal(completed, mask)
        return
    shorter = 1 + ("right", "left").index(name)
    assert base(mask, shorter) < base(mask, 3 - shorter)
    np.testing.assert_array_equal(completed == 3 - shorter, mask == 3 - shorter)
    assert np.all(completed[mask == shorter] == shorter)
    np.testing.assert_array_equal(largest_component(completed == shorter), completed == shorter)


@given(st.floats(0, 0.6), st.integers(1, 2))
@settings(max_examples=30, deadline=None)
def test_completed_or_not_the_mirror_image_gets_the_mirrored_answer(share: float, label: int) -> None:
    mask = cut_base(pair(128), label, share)
    exchanged = np.array([0, 2, 1], np.uint8)[mask[:, ::-1]]
    found, name = complete_base(mask, 0.02, LIMIT)
    mirrored, other = complete_base(exchanged, -0.02, LIMIT)
    np.testing.assert_array_equal(np.array([0, 2, 1], np.uint8)[mirrored[:, ::-1]], found)
    assert other == {"": "", "right": "left", "left": "right"}[name]


def test_masks_whose_bases_agree_are_left_alone() -> None:
    height = 256 * LIMIT
    for cut in (0.0, 0.08):
        mask = cut_base(pair(), 1, cut)
        assert abs(base(mask, 1) - base(mask, 2)) <= height
        completed, name = complete_base(mask, 0.05, LIMIT)
        assert name == ""
        np.testing.assert_array_equal(completed, mask)


@pytest.mark.parametrize("offset", [-0.04, 0.0, 0.04])
def test_the_population_s_offset_sets_the_height(offset: float) -> None:
    for label, sign in ((1, 1), (2, -1)):
        completed, _ = complete_base(cut_base(pair(), label, 0.4), offset, LIMIT)
        # the offset is right minus left, whichever lung was short
        found = sign * (base(completed, label) - base(completed, 3 - label)) / 256
        assert found == pytest.approx(offset, abs=2 / 256)


@pytest.mark.parametrize("kept", [0, 1, 2])
def test_missing_lungs_stay_missing(kept: int) -> None:
    mask = np.where(pair() == kept, pair(), 0).astype(np.uint8)
    completed, name = complete_base(mask, 0.0, LIMIT)
    assert name == ""
    np.testing.assert_array_equal(completed, mask)


def test_a_lung_at_the_bottom_of_the_image_ends_there() -> None:
    low = np.zeros((128, 128), np.uint8)
    low[30:128, 20:50], low[30:80, 78:108] = 1, 2
    completed, name = complete_base(low, -0.1, LIMIT)
    assert name == "left"
    np.testing.assert_array_equal(completed == 2, (low == 1)[:, ::-1])


@pytest.fixture(scope="module")
def phantoms() -> list[Phantom]:
    return [phantom_subject(index, 0, PhantomSettings()) for index in range(33)]


@pytest.mark.parametrize(("share", "fewer"), [(0.22, 0.8), (0.35, 0.5)])
def test_completion_takes_most_of_the_landmark_error_of_a_missing_base(
    phantoms: list[Phantom], share: float, fewer: float
) -> None:
    chosen = PrealignmentSettings()
    reference, *moving = phantoms
    frame = reference_frame(reference.lungs, chosen)
    offset = float(np.mean([base(one.lungs, 1) - base(one.lungs, 2) for one in phantoms])) / 256
    errors = []
    for index, phantom in enumerate(moving):
        cut = clean(cut_base(phantom.lungs, 1 + index % 2, share), SegmentationSettings())
        completed, name = complete_base(cut, offset, LIMIT)
        if name:
            fields = [prealign(frame, mask, chosen) for mask in (cut, completed)]
            errors.append([landmark_errors(reference.landmarks, phantom.landmarks, field).mean() for field in fields])
    assert len(errors) >= 15
    before, after = np.mean(errors, axis=0)
    assert after < fewer * before
