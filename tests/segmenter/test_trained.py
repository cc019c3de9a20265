import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmenter.inference import load_network, predict
from assets.segmenter.mask_features import FEATURES
from assets.segmenter.mask_score import ScoreModel, fit_score
from assets.segmenter.network import build_network
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import ShapeModel, fit_shapes
from assets.segmenter.trained import from_arrays, to_arrays

U8 = npt.NDArray[np.uint8]
PHANTOMS = PhantomSettings(size=64, subjects=4, seed=2)
SETTINGS = SegmenterSettings(working_size=32, channels=[4, 8], residual_units=0)


@pytest.fixture(scope="module")
def state() -> dict[str, torch.Tensor]:
    return dict(build_network(SETTINGS, torch.Generator().manual_seed(0)).state_dict())


@pytest.fixture(scope="module")
def lungs() -> U8:
    return np.stack([phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs for index in range(4)])


@pytest.fixture(scope="module")
def shapes(lungs: U8) -> ShapeModel:
    return fit_shapes(lungs, 3)


@pytest.fixture
def score(rng: np.random.Generator) -> ScoreModel:
    return fit_score(rng.random((40, len(FEATURES))), rng.random(40))


def test_a_segmenter_comes_back_from_its_arrays(
    state: dict[str, torch.Tensor], lungs: U8, shapes: ShapeModel, score: ScoreModel, rng: np.random.Generator
) -> None:
    stored = to_arrays(state, shapes, score)
    back = from_arrays({**stored, "history": np.zeros((3, 2), np.float32)}, SETTINGS)
    image = rng.random((64, 64), dtype=np.float32)
    expected = predict(load_network(state, SETTINGS), image, SETTINGS)
    np.testing.assert_array_equal(back.probabilities(image), expected)
    right, left = back.quality(lungs[0], expected)
    assert 0 <= min(right, left) <= max(right, left) <= 1
    again = to_arrays(back.network.state_dict(), back.shapes, back.score)
    assert again.keys() == stored.keys()
    for name, array in stored.items():
        np.testing.assert_array_equal(again[name], array)


def test_without_a_score_there_is_no_quality(state: dict[str, torch.Tensor], lungs: U8, shapes: ShapeModel) -> None:
    back = from_arrays(to_arrays(state, shapes, None), SETTINGS)
    assert back.score is None
    with pytest.raises(ValueError, match="no score was taught"):
        back.quality(lungs[0], np.zeros((2, 2, 64, 64), np.float32))


def test_arrays_of_other_settings_are_refused(state: dict[str, torch.Tensor], shapes: ShapeModel) -> None:
    with pytest.raises(ValueError, match="doesn't fit"):
        from_arrays(
            to_arrays(state, shapes, None), SegmenterSettings(working_size=32, channels=[4, 16], residual_units=0)
        )
