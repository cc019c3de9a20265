"""One number per radiograph from its anomaly map."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from assets.scoring.anomaly_map import AnomalyMaps
from assets.scoring.settings import ScoringSettings

F32 = npt.NDArray[np.float32]
ScoreName = Literal["score_mean", "score_top5", "score_mean_positive", "score_top5_positive"]
SCORE_NAMES: tuple[ScoreName, ...] = get_args(ScoreName)


@dataclass(frozen=True)
class Score:
    """The anomaly scores of one radiograph, in units of an image in [0, 1]; the attributes are table columns.

    Attributes:
        score_mean: mean of |x - G(x)| over the lungs.
        score_top5: mean of its highest share of lung pixels (5 % unless the settings say otherwise).
        score_mean_positive: mean of max(0, x - G(x)) over the lungs.
        score_top5_positive: mean of the highest share of the positive part.
    """

    score_mean: float
    score_top5: float
    score_mean_positive: float
    score_top5_positive: float


def score_radiographs(maps: AnomalyMaps, settings: ScoringSettings) -> list[Score]:
    """Scores of every radiograph of a batch, in its order.

    Raises:
        ValueError: a row has no lung pixel; such a radiograph must be set aside before it is scored.
    """
    scores = []
    for row, (absolute, positive, lungs) in enumerate(zip(maps.absolute, maps.positive, maps.lungs, strict=True)):
        if not lungs.any():
            raise ValueError(f"row {row} has no lung pixel to score; set the radiograph aside first")
        inside, inside_positive = absolute[lungs], positive[lungs]
        scores.append(
            Score(
                score_mean=mean(inside),
                score_top5=top_mean(inside, settings.top_share),
                score_mean_positive=mean(inside_positive),
                score_top5_positive=top_mean(inside_positive, settings.top_share),
            )
        )
    return scores


def mean(values: F32) -> float:
    """Mean of (K,) lung pixels, summed in float64; ValueError where there are none."""
    if values.size == 0:
        raise ValueError("values must hold at least one lung pixel, got none")
    return float(values.mean(dtype=np.float64))


def top_mean(values: F32, share: float) -> float:
    """Mean of the ceil(share * K) highest of (K,) lung pixels.

    Raises:
        ValueError: no value, or a share outside (0, 1].
    """
    if not 0 < share <= 1:
        raise ValueError(f"share must be in (0, 1], got {share}")
    # a share times a count can miss its integer by rounding: 0.05 * 60 is 3.0000000000000004
    count = max(1, math.ceil(share * values.size - 1e-9))
    return mean(np.sort(values)[-count:])
