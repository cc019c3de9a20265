"""Teaching the quality score on held-back radiographs, where a mask's true Dice is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.mask_score import ScoreModel, calibration_candidates, choose_gate, fit_score, held_out_scores
from assets.segmenter.shape_model import ShapeModel
from assets.segmenter.trained import steady_features

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

SMALLEST_CALIBRATION = 8
"""Held-back radiographs below which no score is taught: its gate would rest on a handful of patients."""


@dataclass(frozen=True)
class HeldBack:
    """A radiograph that the network never saw, with its true lungs.

    Attributes:
        image: (H, W) in [0, 1].
        lungs: (H, W) labels, taken as true.
        probabilities: (2, 2, H, W), from `inference.predict`.
    """

    image: F32
    lungs: U8
    probabilities: F32


@dataclass(frozen=True)
class Calibration:
    """A taught score.

    Attributes:
        score: predicts a lung's Dice from its features.
        gate: score of the worse lung below which a mask is stopped.
    """

    score: ScoreModel
    gate: float


def calibrate(held_back: Sequence[HeldBack], shapes: ShapeModel, seed: int) -> Calibration | None:
    """Score and gate from good and damaged masks of held-back radiographs; None with fewer than eight of them.

    Masks are cleaned before they are measured, as every mask is before it is judged. Masks that lack a lung are left
    out: those never come to be scored.

    Args:
        held_back: radiographs with known lungs.
        shapes: model of lung shapes, from training masks.
        seed: of the damages.
    """
    if len(held_back) < SMALLEST_CALIBRATION:
        return None
    measured = [_measured(item, shapes, np.random.default_rng([seed, row])) for row, item in enumerate(held_back)]
    features = np.concatenate([features for features, _ in measured])
    dices = np.concatenate([dices for _, dices in measured])
    images = np.repeat(np.arange(len(measured)), [len(features) for features, _ in measured])
    # A gate chosen on scores of masks that the score was taught would promise too much.
    gate = choose_gate(held_out_scores(features, dices, images), dices.min(axis=1))
    return Calibration(fit_score(features.reshape(-1, features.shape[-1]), dices.reshape(-1)), gate)


def _measured(item: HeldBack, shapes: ShapeModel, rng: np.random.Generator) -> tuple[F64, F64]:
    """Features (M, 2, K) and true Dice (M, 2) of masks of one radiograph."""
    settings = SegmentationSettings()
    others = [clean(segment(item.image, settings), settings)]
    drawn = calibration_candidates(item.lungs, item.probabilities, others, rng)
    masks = [mask for mask in (clean(mask, settings) for mask in drawn) if (mask == 1).any() and (mask == 2).any()]
    features = np.stack([steady_features(mask, item.probabilities, shapes) for mask in masks])
    return features, np.array([lung_dices(mask, item.lungs) for mask in masks])
