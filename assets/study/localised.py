"""Where the arms of a protocol point: every drawn finding once, by the models of its fold."""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.summary import GUESS, summary_rows
from assets.study.entries import ALL, Entry
from assets.study.member import Member
from assets.tables import LOCALISATION

Row = dict[str, Any]
SIDE = ("key", "reason", "artifact", "artifact_digest", "width", "height", "boxes_left_out", "threshold", "label")
LOCALISATION_COLUMNS = tuple(name for name in LOCALISATION.names if name not in SIDE)
# They rank the detections of all radiographs together, and scores of two folds have no common scale.
RANKED = ("ap_", "froc_", "false_positives")
# Columns of the study's table: the measure, its interval, and by how much it exceeds the centre of the lungs.
MEASURES = ("pointing", "cl_10")


def localised(members: Sequence[Member], settings: SummarySettings) -> list[Row]:
    """Summary of localisation over the folds of a protocol: arm and seed by measure, beside guesses.

    Arms that a fold lacks are left out, and so are folds without any drawn finding.

    Args:
        members: fold cohorts of the protocol.
        settings: intervals and resamples.

    Returns:
        Rows as of the stage `localisation_summary`, without measures that rank detections of several folds together;
        none where no finding is drawn.
    """
    tables = [member.localised for member in members if member.localised is not None and len(member.localised)]
    if not tables:
        return []
    everywhere = set.intersection(*(_names(table) for table in tables))
    rows = pa.concat_tables(tables, promote_options="default")
    names = pc.binary_join_element_wise(rows["arm"], pc.cast(rows["seed"], pa.string()), " ")
    kept = rows.filter(pc.is_in(names, value_set=pa.array(sorted(everywhere), pa.string())))
    return [row for row in summary_rows(kept, settings) if not row["measure"].startswith(RANKED)]


def localisation_columns(entry: Entry, rows: Sequence[Row]) -> Row:
    """Columns of an entry's row in the study's table; several seeds have their mean and no interval."""
    mine = [row for row in rows if row["arm"] == entry.arm and entry.seed in (ALL, str(row["seed"]))]
    columns: Row = {"boxes": mine[0]["boxes"]} if mine else {}
    for measure in MEASURES:
        of_seeds = [row for row in mine if row["measure"] == measure]
        if of_seeds:
            columns |= _columns(measure, of_seeds)
    return columns


def arms_only(rows: Sequence[Row]) -> list[Row]:
    """Rows of arms, without those of guesses."""
    return [row for row in rows if not row["arm"].startswith(GUESS)]


def _columns(measure: str, rows: Sequence[Row]) -> Row:
    one = rows[0] if len(rows) == 1 else {}
    centres = [row["centre"] for row in rows if row.get("centre") is not None]
    return {
        measure: fmean(row["value"] for row in rows),
        f"{measure}_low": one.get("low"),
        f"{measure}_high": one.get("high"),
        f"{measure}_centre": fmean(centres) if centres else None,
        f"{measure}_over_centre_low": one.get("centre_difference_low"),
        f"{measure}_over_centre_high": one.get("centre_difference_high"),
    }


def _names(table: pa.Table) -> set[str]:
    pairs = table.select(["arm", "seed"]).group_by(["arm", "seed"]).aggregate([]).to_pylist()
    return {f"{row['arm']} {row['seed']}" for row in pairs}
