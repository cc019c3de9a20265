"""From measured radiographs to rows of the summary: arm by measure, beside guesses."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation_summary.measures import Cohort, measured
from assets.localisation_summary.resampling import Sampled, mean_of, patient_weights
from assets.localisation_summary.settings import SummarySettings
from assets.tables.localisation import CHANCES

F64 = npt.NDArray[np.float64]
Name = tuple[str, int]

GUESS = "chance/"
RANDOM = "chance/random_"
UNDEFINED = "not defined on these radiographs"


@dataclass(frozen=True)
class Guesses:
    """What guesses come to on the same radiographs.

    Attributes:
        fixed: measures of the centre of the lungs and, where there are training boxes, of their heat map.
        random: (measures, median smoothness) of the random maps by their width.
    """

    fixed: dict[str, dict[str, F64]]
    random: dict[float, tuple[dict[str, F64], float]]

    def beside(self, smoothness: float) -> tuple[dict[str, dict[str, F64]], float | None]:
        """Measures by guess for an arm whose maps are so smooth, and the width of its random maps."""
        known = {width: own for width, (_, own) in self.random.items() if own > 0}
        if not (known and smoothness > 0):
            return self.fixed, None
        nearest = min(known, key=lambda width: abs(math.log(known[width] / smoothness)))
        return {**self.fixed, "random": self.random[nearest][0]}, nearest


def counted_rows(rows: pa.Table, split: str = "test") -> pa.Table:
    """Usable rows of normal radiographs and of findings: abnormal ones, or any where no abnormal one is drawn."""
    tested = rows.filter(pc.and_(pc.equal(rows["status"], "ok"), pc.equal(rows["split"], split)))
    drawn = pc.not_equal(tested["truth"], "normal")
    abnormal = pc.and_(drawn, pc.equal(tested["domain"], "abnormal"))
    wanted = abnormal if pc.any(abnormal).as_py() else drawn
    return tested.filter(pc.or_(wanted, pc.invert(drawn)))


@dataclass(frozen=True)
class Measured:
    """All arms measured on the same radiographs.

    Attributes:
        ordered: rows by arm and seed, guesses among them.
        values: measures on all patients and on each resample, (R + 1,), by arm and seed.
        smoothness: median by arm and seed.
        guesses: what they are compared with.
        counts: of boxes and radiographs.
    """

    ordered: dict[Name, pa.Table]
    values: dict[Name, dict[str, F64]]
    smoothness: dict[Name, float]
    guesses: Guesses
    counts: dict[str, int]


def summary_rows(rows: pa.Table, settings: SummarySettings) -> list[dict[str, Any]]:
    """Rows of the summary of a cohort; none where no finding is drawn or no arm was scored.

    All arms are measured on the radiographs that every arm has.

    Args:
        rows: of the localisation stage, all shards.
        settings: of the stage.
    """
    found = measured_arms(rows, settings)
    if found is None:
        return []
    shown = {name: found.values[name] for name in found.ordered if not name[0].startswith(RANDOM)}
    shown |= {(f"{RANDOM}{width:g}", 0): means for width, (means, _) in found.guesses.random.items()}
    return [row for name, own in shown.items() for row in arm_rows(found, name, own, settings)]


def measured_arms(rows: pa.Table, settings: SummarySettings) -> Measured | None:
    """Every arm on the radiographs that all arms have; None where no finding is drawn or no arm was scored."""
    counted = counted_rows(rows)
    by_arm = _by_arm(counted)
    if not any(not arm.startswith(GUESS) for arm, _ in by_arm):
        return None
    cohort = _cohort(counted, len(by_arm), settings)
    if not cohort.drawn.any():
        return None
    ordered = {name: cohort.of_arm(table) for name, table in by_arm.items()}
    values = {name: measured(table, cohort, settings) for name, table in ordered.items()}
    smooth = {name: _median(table["smoothness"]) for name, table in ordered.items()}
    first = next(iter(ordered.values()))
    counts = {
        "boxes": int(pc.sum(pc.list_value_length(first["boxes"])).as_py() or 0),
        "images": int(cohort.drawn.sum()),
        "normals": int((~cohort.drawn).sum()),
        "left_out": pc.count_distinct(counted["radiograph_id"]).as_py() - len(cohort.ids),
    }
    return Measured(ordered, values, smooth, _guesses(values, smooth), counts)


def _by_arm(rows: pa.Table) -> dict[Name, pa.Table]:
    names = rows.select(["arm", "seed"]).group_by(["arm", "seed"]).aggregate([]).to_pylist()
    return {
        (arm, seed): rows.filter(pc.and_(pc.equal(rows["arm"], arm), pc.equal(rows["seed"], seed)))
        for arm, seed in sorted((row["arm"], row["seed"]) for row in names)
    }


def _cohort(rows: pa.Table, arms: int, settings: SummarySettings) -> Cohort:
    columns = ["radiograph_id", "patient", "truth"]
    per_id = rows.select(columns).group_by(columns).aggregate([([], "count_all")])
    common = per_id.filter(pc.equal(per_id["count_all"], arms)).sort_by("radiograph_id").combine_chunks()
    drawn = pc.not_equal(common["truth"], "normal").to_numpy(zero_copy_only=False).astype(np.bool_)
    names, patients = np.unique(common["patient"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)
    with_findings = np.bincount(patients, drawn, len(names)) > 0
    weights = patient_weights(with_findings, settings.resamples, settings.bootstrap_seed)
    return Cohort(common["radiograph_id"].combine_chunks(), patients.astype(np.intp), drawn, weights)


def _guesses(values: dict[Name, dict[str, F64]], smooth: dict[Name, float]) -> Guesses:
    fixed = {name: values[(f"{GUESS}{name}", 0)] for name in CHANCES if (f"{GUESS}{name}", 0) in values}
    random: dict[float, tuple[dict[str, F64], float]] = {}
    for arm in dict.fromkeys(arm for arm, _ in values if arm.startswith(RANDOM)):
        draws = [name for name in values if name[0] == arm]
        means = {measure: mean_of([values[name][measure] for name in draws]) for measure in values[draws[0]]}
        width = float(arm.removeprefix(RANDOM))
        random[width] = (means, float(np.mean([smooth[name] for name in draws])))
    return Guesses(fixed, random)


def arm_rows(measured: Measured, name: Name, values: dict[str, F64], settings: SummarySettings) -> list[dict[str, Any]]:
    """Rows of an arm by measure, beside guesses; a measure that is not defined has none.

    Args:
        measured: all arms.
        name: of the arm.
        values: its measures, or those of several of its seeds together.
        settings: of the stage.
    """
    (arm,) = measured.ordered[name].select(["arm", "alignment", "method", "seed", "split"]).slice(0, 1).to_pylist()
    guessed = arm["arm"].startswith(GUESS)
    beside, width = ({}, None) if guessed else measured.guesses.beside(measured.smoothness[name])
    found = []
    for measure, resampled in values.items():
        own = Sampled.of(resampled)
        if math.isnan(own.value):
            continue
        low, high = own.interval(settings.confidence)
        row = {**arm, "measure": measure, "value": own.value, "low": low, "high": high, "random_sigma": width}
        for guess, theirs in beside.items():
            row |= _against(guess, own, Sampled.of(theirs[measure]), settings)
        found.append({**row, **measured.counts})
    return found


def _against(guess: str, own: Sampled, theirs: Sampled, settings: SummarySettings) -> dict[str, float | None]:
    if math.isnan(theirs.value):
        return {}
    difference = own.minus(theirs)
    low, high = difference.interval(settings.confidence)
    return {
        guess: theirs.value,
        f"{guess}_difference": difference.value,
        f"{guess}_difference_low": low,
        f"{guess}_difference_high": high,
    }


def _median(values: pa.ChunkedArray) -> float:
    known = values.drop_null().to_numpy()
    return float(np.median(known)) if len(known) else math.nan
