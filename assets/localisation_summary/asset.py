"""Summary of localisation: every arm of a cohort with intervals, beside guesses, and its worst misses."""

from collections.abc import Callable, Mapping

import dagster as dg
import pyarrow as pa

from assets.localisation.asset_pictures import Drawn
from assets.localisation.settings import LocalisationSettings
from assets.localisation_summary.preview import froc_chart, localisation_chart
from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.smoothing import at_chosen_sigma
from assets.localisation_summary.summary import GUESS, counted_rows, summary_rows
from assets.localisation_summary.verdict import above_guesses
from assets.localisation_summary.worst import worst_misses
from assets.pairing.asset_frames import ARM_FRAMES_OF_COHORT
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.tables.localisation import LOCALISATION_SUMMARY
from resources.dagster_shapes import PICTURE_BYTES, column_schema, table
from resources.incremental import Refreshed
from resources.manifests import fingerprint
from resources.partitions import COHORTS, all_shards_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import upstream_settings
from resources.unchanged import unchanged

VERSION = "3"
SHOWN = ("pointing", "cl_10", "energy", "ap_10", "froc_1", "aupro", "dice")
KINDS = {"arm": "string", "seed": "int", "measure": "string"} | dict.fromkeys(
    (
        *("value", "low", "high", "surest_sigma"),
        *("centre", "centre_difference_low", "heatmap", "heatmap_difference_low", "random"),
    ),
    "float",
)


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        *ARM_FRAMES_OF_COHORT,
        "registration_model",
        "normal_maps",
        all_shards_of("anomaly_maps"),
        all_shards_of("localisation"),
    ],
    group_name="evaluation",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(SummarySettings),
    metadata=column_schema(LOCALISATION_SUMMARY),
    check_specs=[
        dg.AssetCheckSpec(
            "above_guesses",
            asset="localisation_summary",
            description="An arm points at findings better than the centre of the lungs, training boxes or random maps",
        )
    ],
)
def localisation_summary(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Boxes localised, pointing game, free-response curve and pixel measures of every arm on test radiographs."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(SummarySettings)
        measured, sigmas = at_chosen_sigma(run.table("localisation"))
        done = unchanged(run, LOCALISATION_SUMMARY) or _done(run, measured, sigmas, settings)
        rows: list[Row] = done.rows
        arms = [row for row in rows if not row["arm"].startswith(GUESS)]
        metadata = {"arms": table([_rounded(row) for row in arms if row["measure"] in SHOWN], KINDS)}
        verdict = above_guesses(rows)
        check = dg.AssetCheckResult(
            check_name="above_guesses",
            passed=verdict.passed,
            severity=dg.AssetCheckSeverity.WARN,
            metadata=verdict.figures,
        )
        return run.finish(done, LOCALISATION_SUMMARY, metadata, _pictures(run, rows, measured), [check])


def _done(run: StageRun, measured: pa.Table, sigmas: Mapping[str, float], settings: SummarySettings) -> Refreshed:
    found = [{**row, "surest_sigma": sigmas.get(row["method"])} for row in summary_rows(measured, settings)]
    status = {"status": "ok", "reason": "", "artifact": "", "artifact_digest": ""}
    rows = [{**row, "key": fingerprint([run.version, row]), **status} for row in found]
    known = run.known_keys()
    fresh = sum(row["key"] not in known for row in rows)
    return Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0)


def _rounded(row: Row) -> Row:
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def _pictures(run: StageRun, rows: list[Row], measured: pa.Table) -> Callable[[], dict[str, bytes]]:
    """What draws the charts and each arm's worst misses; all that it reads is read at once."""
    arms = [row for row in rows if not row["arm"].startswith(GUESS)]
    if not arms:
        return dict
    settings = upstream_settings(run, "localisation", LocalisationSettings)
    source = Drawn.of(run, settings)

    def draw() -> dict[str, bytes]:
        misses = {f"worst {arm}": worst for arm, worst in worst_misses(counted_rows(measured)).items()}
        charts = {"localisation": localisation_chart(arms), "froc": froc_chart(rows)}
        return {
            **{name: to_png(chart, PICTURE_BYTES) for name, chart in charts.items()},
            **source.sheets(misses, settings),
        }

    return draw
