"""Areas of translators on registered and on unregistered radiographs, compared on the same test patients."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.evaluation.bootstrap import bootstrap_areas, percentile_interval
from assets.evaluation.roc import delong
from assets.scoring.score import SCORE_NAMES

F64 = npt.NDArray[np.float64]
Row = Mapping[str, Any]
ALIGNMENTS = ("it_dpr", "none")


@dataclass(frozen=True)
class Gain:
    """Mean over the seeds on registered and on unregistered data, and their difference over resampled patients.

    Attributes:
        registered: mean of the seeds' figures.
        unregistered: likewise.
        by_seed: difference of each seed.
        low: lower end of the difference's 95 % interval.
        high: upper end.
        p_value: two-sided, of no difference; at least 2 / (resamples + 1).
    """

    registered: float
    unregistered: float
    by_seed: tuple[float, ...]
    low: float
    high: float
    p_value: float


@dataclass(frozen=True)
class Result:
    """A method's gain by registration: image AUC and pixel AUC of the lesions inside the lungs."""

    method: str
    patients: int
    image: Gain
    pixel: Gain

    def figures(self) -> dict[str, Any]:
        """As plain numbers."""
        return asdict(self)


def best_score(rows: Iterable[Row]) -> str:
    """The image score with the highest validation AUC, the mean over all arms and seeds; one that every row has."""
    arms: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row["split"] == "validation":
            arms.setdefault((row["arm"], row["seed"]), []).append(row)
    members = [row for arm in arms.values() for row in arm]
    known = [score for score in SCORE_NAMES if all(row.get(score) is not None for row in members)]
    areas = {
        score: np.mean([delong([[row[score] for row in arm]], _labels(arm))[0][0] for arm in arms.values()])
        for score in known
    }
    return max(known, key=lambda score: float(areas[score]))


def comparison(rows: Sequence[Row], method: str, score: str, resamples: int, rng: np.random.Generator) -> Result:
    """Registered against unregistered, over the test patients that every arm and seed has scored."""
    seeds = sorted({row["seed"] for row in rows if row["method"] == method})
    columns = [_scored(rows, alignment, method, seed) for alignment in ALIGNMENTS for seed in seeds]
    ids = sorted(set.intersection(*(set(column) for column in columns)))
    table = [[column[name] for name in ids] for column in columns]
    scores = np.array([[row[score] for row in column] for column in table], dtype=np.float64)
    labels = _labels(table[0])
    lesions = [
        place
        for place, rows_of_one in enumerate(zip(*table, strict=True))
        if all(row["lesion_auc"] is not None for row in rows_of_one)
    ]
    pixel = np.array([[column[place]["lesion_auc"] for place in lesions] for column in table], dtype=np.float64)
    areas, _ = delong(scores, labels)
    drawn = pixel[:, rng.integers(len(lesions), size=(resamples, len(lesions)))].mean(axis=2)
    return Result(
        method,
        len(ids),
        _gain(areas, bootstrap_areas(scores, labels, resamples, rng)),
        _gain(pixel.mean(axis=1), drawn.T),
    )


def print_table(results: Iterable[Result], score: str) -> None:
    """One line a method and measure."""
    print(f"image score: {score}, chosen on validation")
    print(f"{'method':<10} {'measure':<8} {'registered':>10} {'none':>6} {'difference [95 % interval]':>28} {'p':>7}")
    for result in results:
        for name, gain in (("image", result.image), ("pixel", result.pixel)):
            difference = f"{gain.registered - gain.unregistered:+.3f} [{gain.low:+.3f}, {gain.high:+.3f}]"
            seeds = ", ".join(f"{value:+.3f}" for value in gain.by_seed)
            print(
                f"{result.method:<10} {name:<8} {gain.registered:>10.3f} {gain.unregistered:>6.3f} {difference:>28} "
                f"{gain.p_value:>7.4f}  by seed {seeds}; {result.patients} patients"
            )


def _gain(areas: F64, samples: F64) -> Gain:
    half = len(areas) // 2
    drawn = (samples[:, :half] - samples[:, half:]).mean(axis=1)
    low, high = percentile_interval(drawn, 0.95)
    beyond = min(int((drawn <= 0).sum()), int((drawn >= 0).sum()))
    return Gain(
        float(areas[:half].mean()),
        float(areas[half:].mean()),
        tuple((areas[:half] - areas[half:]).tolist()),
        low,
        high,
        min(1.0, 2 * (beyond + 1) / (len(drawn) + 1)),
    )


def _scored(rows: Iterable[Row], alignment: str, method: str, seed: int) -> dict[str, Row]:
    wanted = ("test", alignment, method, seed)
    return {
        row["radiograph_id"]: row
        for row in rows
        if (row["split"], row["alignment"], row["method"], row["seed"]) == wanted
        and row["domain"] in ("normal", "abnormal")
    }


def _labels(rows: Iterable[Row]) -> list[bool]:
    return [row["domain"] == "abnormal" for row in rows]
