"""A problem with a known answer: A = smooth texture with a bright disc, B = without. The disc must be removed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import gaussian_filter
from sklearn.metrics import roc_auc_score

from assets.translation.compute import Compute
from assets.translation.inference import translate
from assets.translation.settings import TranslationSettings
from assets.translation.training import train
from assets.translation.training_data import TrainingData, in_memory


@dataclass(frozen=True)
class Score:
    """How well |x - G(x)| tells images with a disc from images without, and disc pixels from the rest."""

    image_auc: float
    pixel_auc: float


def _textures(count: int, side: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    smooth = gaussian_filter(rng.standard_normal((count, side, side)), (0, side / 16, side / 16), mode="wrap")
    return np.asarray(smooth / smooth.std() * 0.2 - 0.4)


def _discs(count: int, side: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    y, x = np.mgrid[:side, :side]
    centers = rng.uniform(side * 0.25, side * 0.75, (count, 2, 1, 1))
    return np.asarray((x - centers[:, 0]) ** 2 + (y - centers[:, 1]) ** 2 < (side / 8) ** 2)


def _tensor(values: npt.NDArray[np.float64]) -> torch.Tensor:
    return torch.from_numpy(values.clip(-1, 1).astype(np.float32))[:, None]


def _score(method: Literal["cyclegan", "cut"], settings: TranslationSettings) -> Score:
    side, count = settings.size or 0, 32
    rng = np.random.default_rng(0)
    trainings = [_textures(64, side, rng) for _ in range(2)]
    abnormal = _tensor(trainings[0] + 0.7 * _discs(64, side, rng))
    data = TrainingData(in_memory(abnormal), in_memory(_tensor(trainings[1])))
    trained = train(method, data, settings, 0, compute=Compute(torch.device("cpu")))
    discs = _discs(count, side, rng)
    held_out = _tensor(np.concatenate([_textures(count, side, rng) + 0.7 * discs, _textures(count, side, rng)]))
    translated = translate(method, trained.weights, held_out, torch.ones_like(held_out), settings)
    change = (held_out - translated).abs()[:, 0].numpy()
    labels = np.arange(2 * count) < count
    return Score(
        float(roc_auc_score(labels, change.mean((1, 2)))),
        float(roc_auc_score(discs.ravel(), change[:count].ravel())),
    )


# Short trainings see the disc in the map before the mean of the map tells the images apart; CUT takes longer than
# CycleGAN to do the latter.
@pytest.mark.parametrize(("method", "steps", "image_auc"), [("cyclegan", 60, 0.8), ("cut", 120, 0.6)])
def test_disc_is_what_changes(method: Literal["cyclegan", "cut"], steps: int, image_auc: float) -> None:
    torch.set_num_threads(1)
    settings = TranslationSettings(size=32, steps=steps, batch=4, generator_width=8, generator_blocks=2, residual=False)
    score = _score(method, settings)
    assert score.pixel_auc > 0.85
    assert score.image_auc > image_auc


@pytest.mark.slow
@pytest.mark.parametrize(("method", "steps"), [("cyclegan", 200), ("cut", 400)])
def test_disc_problem_at_full_length(method: Literal["cyclegan", "cut"], steps: int) -> None:
    torch.set_num_threads(1)
    score = _score(method, TranslationSettings(size=64, steps=steps, batch=4, generator_width=8, residual=False))
    # The map finds the disc (measured 0.98 for both). Its mean does not yet tell the images apart reliably (0.85 for
    # CycleGAN, 0.57 for CUT), so nothing is claimed about images here.
    assert score.pixel_auc > 0.97
