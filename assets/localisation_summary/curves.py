"""Measures of all detections of a cohort together: average precision and the free-response curve."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.localisation_summary.matching import Found, Outcomes

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]

# Bunch et al. 1978; these rates as in the LUNA16 challenge, Setio et al. 2017, doi:10.1016/j.media.2017.06.015.
RATES = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
_CHUNK = 100


@dataclass(frozen=True)
class Detections:
    """Every detection of an arm on N radiographs of P patients.

    Attributes:
        scores: (D,).
        outcomes: (D,), values of `Found`.
        patients: (D,) the patient of each.
        boxes: (P,) boxes drawn on the patient's radiographs.
        images: (P,) the patient's radiographs, those without any box too.
    """

    scores: F64
    outcomes: Outcomes
    patients: Index
    boxes: F64
    images: F64


def average_precision(found: Detections, weights: F64) -> F64:
    """Average precision with all-point interpolation on each resample.

    A box that is found again counts as a false detection. Detections of one score pass a threshold together.

    Args:
        found: of one arm.
        weights: (R + 1, P).

    Returns:
        (R + 1,), NaN where no box was drawn.
    """
    order, last = _ranked(found.scores)
    hits, others = _marked(found, order, (Found.NOTHING, Found.AGAIN))

    def areas(part: F64) -> F64:
        of_each = part[:, found.patients[order]]
        true, false = (np.cumsum(of_each * each, axis=1)[:, last] for each in (hits, others))
        total = part @ found.boxes
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=true + false > 0)
        # The best precision at this recall or any higher one.
        envelope = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        gained = np.diff(true, axis=1, prepend=0.0)
        return _over((gained * envelope).sum(axis=1), total)

    return _by_chunk(areas, weights)


def froc(found: Detections, weights: F64) -> F64:
    """Highest share of the boxes that is found at so many false detections a radiograph, on each resample.

    A box that is found again is neither a find nor false. Radiographs of normal patients count with all of their
    detections.

    Args:
        found: of one arm.
        weights: (R + 1, P).

    Returns:
        (R + 1, number of `RATES`), NaN where no box was drawn.

    Source: Bunch, Hamilton, Sanderson, Simmons 1978, J Appl Photogr Eng 4:166.
    """
    order, last = _ranked(found.scores)
    hits, others = _marked(found, order, (Found.NOTHING,))

    def shares(part: F64) -> F64:
        of_each = part[:, found.patients[order]]
        nothing = np.zeros((len(part), 1))
        true, false = (
            np.concatenate([nothing, np.cumsum(of_each * each, axis=1)[:, last]], axis=1) for each in (hits, others)
        )
        rate = _over(false, (part @ found.images)[:, None])
        share = _over(true, (part @ found.boxes)[:, None])
        # Rates rise along a row, so the last one allowed has the highest share.
        allowed = [np.maximum((rate <= limit + 1e-12).sum(axis=1) - 1, 0) for limit in RATES]
        return np.stack([share[np.arange(len(part)), each] for each in allowed], axis=1)

    return _by_chunk(shares, weights)


def _ranked(scores: F64) -> tuple[Index, Index]:
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    return order, np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True)) if len(ranked) else order


def _marked(found: Detections, order: Index, false: tuple[Found, ...]) -> tuple[F64, F64]:
    outcomes = found.outcomes[order]
    return (outcomes == Found.BOX).astype(np.float64), np.isin(outcomes, false).astype(np.float64)


def _over(above: F64, below: F64) -> F64:
    below = np.broadcast_to(below, above.shape)
    return np.asarray(np.divide(above, below, out=np.full(above.shape, np.nan), where=below > 0))


def _by_chunk(measure: Callable[[F64], F64], weights: F64) -> F64:
    """A resample of many detections is large, so few at a time."""
    return np.concatenate([measure(weights[start : start + _CHUNK]) for start in range(0, len(weights), _CHUNK)])
