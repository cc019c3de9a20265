"""The quality gate on held-back masks: good ones, damaged ones and those of the segmenters."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices, lung_flags
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.asset_fit import SMALLEST_NORMALS
from assets.segmenter.calibration import HeldBack, calibrate, network_dices, why_untaught
from assets.segmenter.damage import bite, cut_base, jag
from assets.segmenter.inference import labels_of, load_network, predict
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import fit_shapes
from assets.segmenter.trained import TrainedSegmenter
from tests.benchmarks.segmentation_data import Case, supplied
from tests.benchmarks.segmentation_measures import Mean, mean_over_patients

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]

BAD, GOOD = 0.85, 0.93
# Grades of the damages that IT-PR's robustness was measured with, on 256 rows.
BITE, MISSING_BASE, JAG = 16 / 256, 0.22, 1.8 / 256
SETTINGS = SegmentationSettings()


class Untaught(ValueError):
    """No score can be taught: too few validation patients, or a useless network."""


@dataclass(frozen=True)
class Judged:
    """A mask whose true Dice is known, with the score that does not know it.

    Attributes:
        kind: where the mask comes from.
        patient: pseudonym.
        dice: of the worse lung with the supplied mask.
        score: quality of the worse lung.
        flagged: whether the plausibility gates stop it.
    """

    kind: str
    patient: str
    dice: float
    score: float
    flagged: bool


@dataclass(frozen=True)
class GateFigures:
    """What is stopped of some masks, as shares with intervals over patients; None where there is no such mask.

    Attributes:
        masks: number of masks.
        bad: masks with a true Dice below .85.
        good: masks with a true Dice of .93 or more.
        stopped_bad: share of the bad ones that are stopped.
        stopped_good: share of the good ones that are stopped.
    """

    masks: int
    bad: int
    good: int
    stopped_bad: Mean | None
    stopped_good: Mean | None


def usable(cases: Sequence[Case]) -> list[Case]:
    """Cases whose supplied mask passes the plausibility gates once it is clean: those that are learned from."""
    return [case for case in cases if not lung_flags(clean(supplied(case), SETTINGS), SETTINGS)]


def taught_segmenter(
    state: dict[str, Tensor], settings: SegmenterSettings, train: Sequence[Case], validation: Sequence[Case]
) -> tuple[TrainedSegmenter, float]:
    """The network with shape model, score and gate, taught as the pipeline teaches them.

    Args:
        state: trained weights.
        settings: those of the training.
        train: usable cases that the network was trained on.
        validation: usable cases that it never saw.

    Raises:
        Untaught: the pipeline would teach no score either; the message says why.
    """
    network = load_network(state, settings)
    normals = [case for case in train if case.label == "normal"]
    outlines = [clean(supplied(case), SETTINGS) for case in (normals if len(normals) >= SMALLEST_NORMALS else train)]
    shapes = fit_shapes(np.stack(outlines), settings.shape_components)
    held_back = [
        HeldBack(case.image, clean(supplied(case), SETTINGS), predict(network, case.image, settings), case.patient)
        for case in validation
    ]
    taught = calibrate(held_back, shapes, settings.seed)
    if taught is None:
        patients = len({case.patient for case in validation})
        raise Untaught(why_untaught(patients, network_dices(held_back)))
    return TrainedSegmenter(network, settings, shapes, taught.score), taught.gate


def judged_masks(segmenter: TrainedSegmenter, cases: Sequence[Case], seed: int) -> tuple[list[Judged], int]:
    """All masks of the cases that have two lungs, judged; and how many have not, which nothing needs to judge."""
    judged, lost = [], 0
    for number, case in enumerate(cases):
        probabilities = segmenter.probabilities(case.image)
        truth = clean(supplied(case), SETTINGS)
        for kind, mask in _masks(case.image, truth, probabilities, np.random.default_rng([seed, number])).items():
            lungs = clean(mask, SETTINGS)
            if not ((lungs == 1).any() and (lungs == 2).any()):
                lost += 1
                continue
            score = min(segmenter.quality(lungs, probabilities))
            flagged = bool(lung_flags(lungs, SETTINGS))
            judged.append(Judged(kind, case.patient, min(lung_dices(lungs, truth)), score, flagged))
    return judged, lost


def gate_figures(judged: Sequence[Judged], gate: float, plausibility: bool = False) -> GateFigures:
    """What the quality gate stops among the given masks, with `plausibility` together with the other gates."""
    bad, good = [item for item in judged if item.dice < BAD], [item for item in judged if item.dice >= GOOD]
    stopped = [_stopped(group, gate, plausibility) for group in (bad, good)]
    return GateFigures(len(judged), len(bad), len(good), *stopped)


def _stopped(group: Sequence[Judged], gate: float, plausibility: bool) -> Mean | None:
    stopped = [item.score < gate or (plausibility and item.flagged) for item in group]
    return mean_over_patients(stopped, [item.patient for item in group]) if group else None


def _masks(image: F32, truth: U8, probabilities: F32, rng: np.random.Generator) -> dict[str, U8]:
    lung = int(rng.integers(1, 3))
    return {
        "supplied": truth,
        "bite of 16 px": bite(truth, lung, BITE, rng),
        "base cut by 22 %": cut_base(truth, lung, MISSING_BASE),
        "jagged by 1.8 px": jag(truth, JAG, rng),
        "network's own": labels_of(probabilities),
        "PBTSeg's": segment(image, SETTINGS),
    }
