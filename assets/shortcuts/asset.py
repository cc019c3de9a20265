"""The shortcut audit: what separates the classes of a cohort without seeing disease."""

from collections.abc import Sequence
from functools import partial

import dagster as dg

from assets.evaluation.settings import patient_score_of
from assets.pairing.asset_frames import FRAMES_OF_COHORT
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.shortcuts.asset_described import described
from assets.shortcuts.audit import audit
from assets.shortcuts.preview import shortcut_bars
from assets.shortcuts.rows import strongest, table_rows
from assets.shortcuts.settings import ShortcutSettings
from assets.tables.scores import SHORTCUTS
from resources.dagster_shapes import PICTURE_BYTES, column_schema, table
from resources.incremental import Refreshed
from resources.partitions import COHORTS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "2"
SHOWN = {
    "name": "string",
    "kind": "string",
    "positives": "int",
    "negatives": "int",
    "reason": "string",
} | dict.fromkeys(("auc", "low", "high"), "float")


@dg.asset(
    partitions_def=COHORTS,
    deps=[*FRAMES_OF_COHORT, "registration_model"],
    group_name="evaluation",
    kinds={"scikitlearn", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(ShortcutSettings),
    metadata=column_schema(SHORTCUTS),
    check_specs=[
        dg.AssetCheckSpec(
            "shortcuts_weak", asset="shortcut_audit", description="Nothing separates the classes without seeing disease"
        )
    ],
)
def shortcut_audit(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """AUC on test patients of border, outline, histogram, view, sex, age, lung size, brightness and warp."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ShortcutSettings)
        run.settings_used |= {"patient_score": patient_score_of(run.mapping)}
        done = unchanged(run, SHORTCUTS) or _audited(run, settings)
        rows = done.rows
        return run.finish(
            done,
            SHORTCUTS,
            {"audit": table(rows, SHOWN)},
            partial(_pictures, rows, settings),
            [shortcuts_weak(rows, settings.limit)],
        )


def _audited(run: StageRun, settings: ShortcutSettings) -> Refreshed:
    rows = table_rows(audit(described(run, settings), settings))
    known = run.known_keys()
    fresh = sum(row["key"] not in known for row in rows)
    return Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0)


def shortcuts_weak(rows: Sequence[Row], limit: float) -> dg.AssetCheckResult:
    """Check that no shortcut is stronger than the limit; passed where none is defined, as in a cohort of one class."""
    best = strongest(rows)
    told = (
        {"note": "no shortcut is defined"}
        if best is None
        else {"strongest": best["name"], **{name: best[name] for name in ("kind", "auc", "low", "high")}}
    )
    return dg.AssetCheckResult(
        check_name="shortcuts_weak",
        passed=best is None or best["strength"] <= limit,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"limit": limit, **{name: value for name, value in told.items() if value is not None}},
    )


def _pictures(rows: Sequence[Row], settings: ShortcutSettings) -> dict[str, bytes]:
    return {"shortcuts": to_png(shortcut_bars(rows, settings.limit), PICTURE_BYTES)} if rows else {}
