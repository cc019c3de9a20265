"""Teaching the quality score on held-back radiographs, where a mask's true Dice is known."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.inference import labels_of
from assets.segmenter.mask_score import ScoreModel, calibration_candidates, choose_gate, fit_score, held_out_scores
from assets.segmenter.shape_model import ShapeModel
from assets.segmenter.trained import steady_features

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

SMALLEST_CALIBRATION = 8
"""Held-back patients below which no score is taught: its gate would rest on a handful of them."""

SMALLEST_DICE = 0.8
"""The network's own mean Dice below which no score is taught: agreement with a useless network says nothing."""


@dataclass(frozen=True)
class HeldBack:
    """A radiograph that the network never saw, with its true lungs.

    Attributes:
        image: (H, W) in [0, 1].
        lungs: (H, W) labels, taken as true.
        probabilities: (2, 2, H, W), from `inference.predict`.
        patient: pseudonym; None for a patient of whom there is no other radiograph.
    """

    image: F32
    lungs: U8
    probabilities: F32
    patient: str | None = None


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
    """Score and gate from good and damaged masks of held-back radiographs; None where `why_untaught` says why.

    Masks are cleaned before they are measured, as every mask is before it is judged. Masks that lack a lung are left
    out: those never come to be scored.

    Args:
        held_back: radiographs with known lungs.
        shapes: model of lung shapes, from training masks.
        seed: of the damages.
    """
    patients = _patients(held_back)
    if why_untaught(len(set(patients)), network_dices(held_back)):
        return None
    measured = [_measured(item, shapes, np.random.default_rng([seed, row])) for row, item in enumerate(held_back)]
    features = np.concatenate([features for features, _ in measured])
    dices = np.concatenate([dices for _, dices in measured])
    # A gate chosen on scores of masks that the score was taught, or of their patients, would promise too much.
    owners = np.repeat(patients, [len(features) for features, _ in measured])
    gate = choose_gate(held_out_scores(features, dices, owners), dices.min(axis=1))
    return Calibration(fit_score(features.reshape(-1, features.shape[-1]), dices.reshape(-1)), gate)


def network_dices(held_back: Sequence[HeldBack]) -> tuple[float, float] | None:
    """The network's mean Dice of the patient-right and the patient-left lung, cleaned; None without a radiograph."""
    if not held_back:
        return None
    settings = SegmentationSettings()
    dices = [lung_dices(clean(labels_of(item.probabilities), settings), item.lungs) for item in held_back]
    right, left = np.mean(dices, axis=0)
    return float(right), float(left)


def why_untaught(patients: int, dices: tuple[float, float] | None) -> str:
    """Why no score is taught, and what to do; empty where one is.

    Args:
        patients: of whom radiographs are held back.
        dices: `network_dices` of these.
    """
    without = "masks get no quality score, only the plausibility gates judge them"
    if patients < SMALLEST_CALIBRATION or dices is None:
        return (
            f"{patients} validation patients have a usable supplied lung mask, expected at least "
            f"{SMALLEST_CALIBRATION}: {without}; supply more masks"
        )
    # Rounded down, so that the text never says 0.80 is below 0.8.
    if (mean := float(np.mean(dices))) < SMALLEST_DICE:
        return (
            f"the network's mean Dice on validation rows is {math.floor(mean * 100) / 100:.2f}, expected at least "
            f"{SMALLEST_DICE}: {without}; raise lung_segmenter.steps or borrow another cohort's segmenter"
        )
    return ""


def _patients(held_back: Sequence[HeldBack]) -> list[int]:
    """A number for the patient of each radiograph, counted as they come."""
    numbers: dict[str | int, int] = {}
    return [
        numbers.setdefault(row if item.patient is None else item.patient, len(numbers))
        for row, item in enumerate(held_back)
    ]


def _measured(item: HeldBack, shapes: ShapeModel, rng: np.random.Generator) -> tuple[F64, F64]:
    """Features (M, 2, K) and true Dice (M, 2) of masks of one radiograph."""
    settings = SegmentationSettings()
    others = [clean(segment(item.image, settings), settings)]
    drawn = calibration_candidates(item.lungs, item.probabilities, others, rng)
    masks = [mask for mask in (clean(mask, settings) for mask in drawn) if (mask == 1).any() and (mask == 2).any()]
    features = np.stack([steady_features(mask, item.probabilities, shapes) for mask in masks])
    return features, np.array([lung_dices(mask, item.lungs) for mask in masks])
