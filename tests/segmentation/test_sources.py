import numpy as np
import numpy.typing as npt
import pytest
from torch import nn

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation import sources
from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmentation.sources import RowMasks
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import fit_shapes
from assets.segmenter.trained import TrainedSegmenter

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]
PHANTOMS = PhantomSettings(size=64, subjects=2, seed=2)
SETTINGS = SegmentationSettings()


class Oracle(TrainedSegmenter):
    """A segmenter that knows the lungs, but draws them two rows too low."""

    lungs: U8
    asked: int = 0

    def probabilities(self, image: F32) -> F32:
        object.__setattr__(self, "asked", self.asked + 1)
        sides = np.stack([np.roll(self.lungs == side, 2, axis=0) for side in (1, 2)])
        return np.stack([sides, sides]).astype(np.float32)


@pytest.fixture
def image() -> F32:
    return phantom_subject(0, PHANTOMS.seed, PHANTOMS).image.astype(np.float32)


@pytest.fixture
def lungs() -> U8:
    return phantom_subject(0, PHANTOMS.seed, PHANTOMS).lungs


@pytest.fixture
def oracle(lungs: U8) -> Oracle:
    found = Oracle(nn.Identity(), SegmenterSettings(), fit_shapes(lungs[None].repeat(2, axis=0), 1), None)
    object.__setattr__(found, "lungs", lungs)
    return found


def test_without_masks_and_segmenter_only_pbtseg_has_one(image: F32) -> None:
    masks = RowMasks(image, None, None, SETTINGS)
    made = {source: make() for source, make in masks.makers.items()}
    assert made["supplied"] is made["trained"] is None
    assert made["pbtseg"] is not None
    assert masks.score is None
    assert set(masks.agreement().values()) == {None}


def test_a_supplied_mask_of_one_label_is_told_apart_and_compared_by_side(image: F32, lungs: U8, oracle: Oracle) -> None:
    masks = RowMasks(image, (lungs > 0).astype(np.uint8), oracle, SETTINGS)
    truth, trained = clean(lungs, SETTINGS), clean(np.roll(lungs, 2, axis=0), SETTINGS)
    assert masks.supplied is not None
    assert min(lung_dices(masks.supplied, truth)) > 0.98
    found = masks.agreement()
    right, left = lung_dices(trained, truth)
    assert found["dice_trained_right"] == pytest.approx(right, abs=0.01)
    assert found["dice_trained_left"] == pytest.approx(left, abs=0.01)
    assert found["dice_pbtseg_right"] is not None


def test_every_mask_is_made_at_most_once(
    image: F32, lungs: U8, oracle: Oracle, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmented: list[F32] = []

    def counted(image: F32, settings: SegmentationSettings) -> U8:
        segmented.append(image)
        return segment(image, settings)

    monkeypatch.setattr(sources, "segment", counted)
    masks = RowMasks(image, lungs, oracle, SETTINGS)
    masks.makers["supplied"]()
    assert (oracle.asked, segmented) == (0, [])
    for _ in range(2):
        for make in masks.makers.values():
            make()
        masks.agreement()
        assert masks.score is None
    assert (oracle.asked, len(segmented)) == (1, 1)
