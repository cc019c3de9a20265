"""Quality of a lung mask without truth: the Dice that its features let expect, and the gate on it.

The model is quadratic in the logarithms of the features. Logarithms, because what counts is how far a Dice is
from 1; products, because a mask that disagrees with the network is bad only where the network is sound.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.segmenter.damage import bite, cut_base, damaged, jag
from assets.segmenter.inference import labels_of
from assets.segmenter.mask_features import FEATURES, OVERLAPS

Bools = npt.NDArray[np.bool_]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_IS_OVERLAP = np.array([name in OVERLAPS for name in FEATURES])
_OFFSET = 0.02
_DAMAGES = 8
_NETWORK_DAMAGES = 3
_PENALTY = 30.0
_STOP_BAD = 0.8
_STOP_GOOD = 0.05
_FOLDS = 5


@dataclass(frozen=True, eq=False)
class ScoreModel:
    """Ridge regression on standardized logarithms of the features and their products.

    Attributes:
        low, high: (K,) range of the logarithms met at calibration; others are moved to its nearer end.
        center, spread: (K,) of the logarithms.
        term_center, term_spread, weights: (K + K (K + 1) / 2,) of the terms.
        intercept: (1,).
    """

    low: F64
    high: F64
    center: F64
    spread: F64
    term_center: F64
    term_spread: F64
    weights: F64
    intercept: F64

    def to_arrays(self) -> dict[str, F64]:
        """The model as named arrays."""
        return dict(vars(self))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]]) -> "ScoreModel":
        """The model of `to_arrays`.

        Raises:
            ValueError: an array is missing.
        """
        names = tuple(cls.__dataclass_fields__)
        if missing := [name for name in names if name not in arrays]:
            raise ValueError(f"score model: expected the arrays {', '.join(names)}, without {missing}; calibrate again")
        return cls(**{name: arrays[name].astype(np.float64) for name in names})


def fit_score(features: F64, dice: F64) -> ScoreModel:
    """Fit the model to lungs of known Dice.

    Args:
        features: (M, K), columns `FEATURES`.
        dice: (M,) of the same lungs with their true masks, 0 to 1.

    Raises:
        ValueError: the shapes do not match, or there are fewer than 20 lungs.
    """
    if features.shape != (len(dice), len(FEATURES)) or len(dice) < 20:
        raise ValueError(
            f"features, dice: expected (M, {len(FEATURES)}) and (M,) with M at least 20, got {features.shape} and "
            f"{dice.shape}; calibrate on more masks"
        )
    logs = _logarithms(features)
    center, spread = logs.mean(axis=0), np.maximum(logs.std(axis=0), 1e-3)
    terms = _terms((logs - center) / spread)
    term_center, term_spread = terms.mean(axis=0), np.maximum(terms.std(axis=0), 1e-3)
    from sklearn.linear_model import Ridge

    fitted = Ridge(_PENALTY, solver="cholesky").fit((terms - term_center) / term_spread, dice)
    low, high = logs.min(axis=0), logs.max(axis=0)
    intercept = np.array([fitted.intercept_], dtype=np.float64)
    return ScoreModel(low, high, center, spread, term_center, term_spread, np.asarray(fitted.coef_), intercept)


def quality(model: ScoreModel, features: F64) -> F64:
    """Expected Dice (..., ) of lungs with features (..., K), 0 to 1. The quality of a mask is its worse lung's."""
    logs = np.clip(_logarithms(features), model.low, model.high)
    terms = _terms((logs - model.center) / model.spread)
    expected = (terms - model.term_center) / model.term_spread @ model.weights + model.intercept[0]
    return np.asarray(np.clip(expected, 0, 1))


def held_out_scores(features: F64, dices: F64, images: npt.NDArray[np.intp]) -> F64:
    """Score (M,) of each mask's worse lung by a model that was fitted without the images of its fold.

    A gate chosen on these holds for images to come; on the scores of masks that the model was fitted to, it would
    promise too much.

    Args:
        features: (M, 2, K) of M masks.
        dices: (M, 2), true Dice of both lungs.
        images: (M,) number of the image that each mask is of, at least two different ones.

    Raises:
        ValueError: all masks are of one image, or too few for a fit.
    """
    numbers, group = np.unique(images, return_inverse=True)
    if len(numbers) < 2:
        raise ValueError(f"images: expected masks of at least 2 images, got {len(numbers)}; hold more masks back")
    scores = np.empty(len(dices))
    fold = group % min(_FOLDS, len(numbers))
    for held in range(int(fold.max()) + 1):
        others = fold != held
        model = fit_score(features[others].reshape(-1, features.shape[-1]), dices[others].reshape(-1))
        scores[~others] = quality(model, features[~others]).min(axis=-1)
    return scores


def choose_gate(scores: F64, dices: F64, bad: float = 0.85, good: float = 0.93) -> float:
    """Threshold that stops at least 80 % of the bad masks and at most 5 % of the good ones, with the widest margin.

    The margin is the smaller of the two slacks, each relative to the room its limit leaves; where no threshold keeps
    both limits, the one that misses them by the least is taken. Of thresholds with equal margin it is the middle of
    their widest range. A class that is not there counts as one mask that scores the class's own limit.

    Args:
        scores: (M,) of masks, 0 to 1; a mask is stopped when its score is below the threshold.
        dices: (M,) true Dice of the same masks.
        bad: masks of a lower Dice ought to be stopped.
        good: masks of this Dice or a higher one ought to pass.
    """
    low = np.sort(scores[dices < bad]) if (dices < bad).any() else np.array([bad])
    high = np.sort(scores[dices >= good]) if (dices >= good).any() else np.array([good])
    edges = np.unique(np.concatenate([low, high, [0.0, 1.0]]))
    gates = (edges[1:] + edges[:-1]) / 2
    stopped_bad, stopped_good = (np.searchsorted(part, gates) / len(part) for part in (low, high))
    margin = np.minimum((stopped_bad - _STOP_BAD) / (1 - _STOP_BAD), (_STOP_GOOD - stopped_good) / _STOP_GOOD)
    best = np.flatnonzero(margin > margin.max() - 1e-9)
    runs = np.split(best, np.flatnonzero(np.diff(best) > 1) + 1)
    ends = np.array([(edges[run[0]], edges[run[-1] + 1]) for run in runs])
    return float(ends[np.argmax(ends[:, 1] - ends[:, 0])].mean())


def calibration_candidates(
    lungs: U8, probabilities: F32, other_masks: Sequence[U8], rng: np.random.Generator
) -> list[U8]:
    """Masks of one held-back image, from right to useless, whose true Dice `lungs` tells.

    The truth; the truth bitten, without a base and jagged by the grades of the IT-PR study, and damaged at random
    grades; the network's own mask and damaged copies of it; the other masks as they are. Clean them as any mask is
    before it is judged.

    Args:
        lungs: (H, W), the true lungs.
        probabilities: (2, 2, H, W) of the network, see `inference.predict`.
        other_masks: other segmenters' masks (H, W).
        rng: draws the damage.
    """
    label = int(rng.integers(1, 3))
    graded = [bite(lungs, label, 16 / 256, rng), cut_base(lungs, label, 0.22), jag(lungs, 1.8 / 256, rng)]
    network = labels_of(probabilities)
    random = [damaged(lungs, rng) for _ in range(_DAMAGES)] + [damaged(network, rng) for _ in range(_NETWORK_DAMAGES)]
    return [lungs, *graded, network, *random, *other_masks]


def _logarithms(features: F64) -> F64:
    # overlaps count by what they lack of 1, everything else by its size
    size = np.where(_IS_OVERLAP, 1 - features, features)
    return np.asarray(np.log(np.maximum(size, 0) + _OFFSET))


def _terms(standardized: F64) -> F64:
    """The K features and their K (K + 1) / 2 products (..., K + K (K + 1) / 2)."""
    first, second = np.triu_indices(standardized.shape[-1])
    return np.concatenate([standardized, standardized[..., first] * standardized[..., second]], axis=-1)
