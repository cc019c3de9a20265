"""Where the arms of a protocol point: every drawn finding once, by the models of its fold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation_summary.resampling import mean_of
from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.smoothing import at_chosen_sigma
from assets.localisation_summary.summary import GUESS, RANDOM, Measured, Name, arm_rows, measured_arms
from assets.study.entries import ALL, Entry
from assets.study.member import Member
from assets.tables.localisation import LOCALISATION

Row = dict[str, Any]
SIDE = ("key", "reason", "artifact", "artifact_digest", "width", "height", "boxes_left_out", "threshold", "label")
LOCALISATION_COLUMNS = tuple(name for name in LOCALISATION.names if name not in SIDE)
# They rank the detections of all radiographs together, and scores of two folds have no common scale.
RANKED = ("ap_", "froc_", "false_positives")
# Columns of the study's table: the measure, its interval, and by how much it exceeds guesses that see no image.
MEASURES = ("pointing", "cl_10")
PRIORS = ("centre", "heatmap")
SEED = ", seed "


@dataclass(frozen=True)
class Localised:
    """Localisation over the folds of a protocol.

    Attributes:
        rows: as of the stage `localisation_summary`, by arm and seed, and for arms of several seeds their mean, whose
            seed is `ALL`; without measures that rank detections of several folds together.
        left_out: by arm and seed, or guess, which fold cohorts lack it, so that it is in no row.
    """

    rows: Sequence[Row] = ()
    left_out: Mapping[str, Sequence[str]] = field(default_factory=dict)


def localised(members: Sequence[Member], settings: SummarySettings) -> Localised:
    """Summary of localisation over the folds of a protocol, beside guesses.

    Arms are measured on the same findings, so one that a fold lacks is left out, and so are folds without any row.

    Args:
        members: fold cohorts of the protocol.
        settings: intervals and resamples.
    """
    tables = {
        # By the fold's own validation patients: they are tested in other folds.
        each.cohort: at_chosen_sigma(each.localised)[0]
        for each in members
        if each.localised is not None and len(each.localised)
    }
    if not tables:
        return Localised()
    names = {cohort: _names(table) for cohort, table in tables.items()}
    everywhere = set.intersection(*names.values())
    rows = pa.concat_tables(tables.values(), promote_options="default")
    keys = pc.binary_join_element_wise(rows["arm"], pc.cast(rows["seed"], pa.string()), SEED)
    kept = rows.filter(pc.is_in(keys, value_set=pa.array(sorted(everywhere), pa.string())))
    found = measured_arms(kept, settings)
    left_out = {
        name: [cohort for cohort, there in names.items() if name not in there]
        for name in sorted(set.union(*names.values()) - everywhere)
    }
    return Localised([] if found is None else _rows(found, settings), left_out)


def _rows(found: Measured, settings: SummarySettings) -> list[Row]:
    by_arm: dict[str, list[Name]] = {}
    for name in found.ordered:
        if not name[0].startswith(RANDOM):
            by_arm.setdefault(name[0], []).append(name)
    rows: list[Row] = []
    for names in by_arm.values():
        rows += _mean_rows(found, names, settings) if len(names) > 1 else []
        rows += [row for name in names for row in arm_rows(found, name, found.values[name], settings)]
    return [row for row in rows if not row["measure"].startswith(RANKED)]


def _mean_rows(found: Measured, seeds: Sequence[Name], settings: SummarySettings) -> list[Row]:
    """The mean of an arm's seeds on the same resamples of patients, beside the guesses of the first."""
    first = found.values[seeds[0]]
    means = {measure: mean_of([found.values[seed][measure] for seed in seeds]) for measure in first}
    return [{**row, "seed": ALL} for row in arm_rows(found, seeds[0], means, settings)]


def localisation_columns(entry: Entry, rows: Sequence[Row]) -> Row:
    """Columns of an entry's row in the study's table; several seeds have their mean.

    Args:
        entry: a line of the table.
        rows: of `localised`.
    """
    mine = [row for row in rows if row["arm"] == entry.arm]
    alone = len({row["seed"] for row in mine}) == 1
    own = {row["measure"]: row for row in mine if str(row["seed"]) == entry.seed or (alone and entry.seed == ALL)}
    columns: Row = {"boxes": next(iter(own.values()))["boxes"]} if own else {}
    for measure in MEASURES:
        if measure in own:
            columns |= _columns(measure, own[measure])
    return columns


def arms_only(rows: Sequence[Row]) -> list[Row]:
    """Rows of arms, without those of guesses."""
    return [row for row in rows if not row["arm"].startswith(GUESS)]


def _columns(measure: str, row: Row) -> Row:
    columns = {measure: row["value"], f"{measure}_low": row["low"], f"{measure}_high": row["high"]}
    for prior in PRIORS:
        columns |= {
            f"{measure}_{prior}": row.get(prior),
            f"{measure}_over_{prior}_low": row.get(f"{prior}_difference_low"),
            f"{measure}_over_{prior}_high": row.get(f"{prior}_difference_high"),
        }
    return columns


def _names(table: pa.Table) -> set[str]:
    pairs = table.select(["arm", "seed"]).group_by(["arm", "seed"]).aggregate([]).to_pylist()
    return {f"{row['arm']}{SEED}{row['seed']}" for row in pairs}
