"""The table of a study: what its fold cohorts have scored, pooled, compared and reported."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import dagster as dg

from assets.evaluation.report_model import Picture
from assets.evaluation.settings import EvaluationSettings
from assets.localisation_summary.settings import SummarySettings
from assets.pictures import to_png
from assets.study.analysis import Analysis, analysed
from assets.study.asset_members import READ, read_member
from assets.study.asset_pictures import failure_sheets, member_pictures
from assets.study.entries import ALL
from assets.study.markdown import markdown
from assets.study.preview import roc_curves, study_forest
from assets.study.report import Shown, finding, render_study
from assets.study.rows import study_rows
from assets.study.settings import StudyError, StudyFile, parse_study
from assets.tables.study import STUDY_TABLE
from resources.catalogue import CatalogueError, entry_named, read_entry
from resources.dagster_shapes import PICTURE_BYTES, column_schema, table
from resources.incremental import Refreshed
from resources.manifests import Place, read_pointer
from resources.partitions import STUDIES, folds_of
from resources.stage_run import Store
from resources.studies import study_named
from resources.study_run import StudyRun, study_run

VERSION = "2"
PACKAGES = ("dagster", "torch", "numpy", "scikit-learn", "scipy", "pyarrow")
AREAS = "Areas by arm with intervals; ticks are seeds, the dashed line is the strongest shortcut"
FAILURES = (
    "Test radiographs of one fold, abnormal ones with the lowest score first, then normal ones with the highest; the "
    "number is the share of the other class on the wrong side of it"
)
MARKDOWN, REPORT = "table.md", "report.html"
SHOWN = {"protocol": "string", "arm": "string", "folds_scored": "int", "reason": "string"} | dict.fromkeys(
    ("auc", "auc_low", "auc_high", "seed_mean", "difference", "p", "p_holm", "shortcut_auc", "seconds"), "float"
)


@dg.asset(
    partitions_def=STUDIES,
    deps=[folds_of(stage) for stage in READ],
    group_name="study",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    metadata=column_schema(STUDY_TABLE),
)
def study_table(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Arms x seeds of a study over its folds: intervals, comparisons, shortcuts, costs, and why some are absent."""
    study = _study(context.partition_key)
    cohorts = {protocol.name: study.fold_cohorts(protocol) for protocol in study.protocols}
    everyone = [cohort for names in cohorts.values() for cohort in names]
    with study_run(context, store, VERSION, everyone) as run:
        run.settings_used = study.model_dump(mode="json")
        members = {name: [read_member(run, cohort) for cohort in names] for name, names in cohorts.items()}
        analysis = analysed(
            study,
            members,
            EvaluationSettings.model_validate(_declared(study, "evaluation")),
            SummarySettings.model_validate(_declared(study, "localisation_summary")),
        )
        rows = study_rows(analysis)
        figures = run.kept_pictures() or {**_figures(analysis), **failure_sheets(run, analysis)}
        shown = Shown(_created(run), _pictures(run, figures, analysis), run.parents, _versions())
        report = render_study(analysis, rows, shown)
        run.store.write(f"{run.place.folder}/{MARKDOWN}", markdown(analysis, rows).encode())
        run.store.write(f"{run.place.folder}/{REPORT}", report.encode())
        known = run.known_keys()
        fresh = sum(row["key"] not in known for row in rows)
        return run.finish(
            Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0),
            STUDY_TABLE,
            _metadata(run, analysis, rows),
            lambda: figures,
        )


def _study(name: str) -> StudyFile:
    try:
        return parse_study(study_named(name).mapping)
    except (StudyError, CatalogueError) as error:
        raise dg.Failure(f"study {name}: {error}", allow_retries=False) from None


def _declared(study: StudyFile, stage: str) -> dict[str, Any]:
    """A stage's settings as all fold cohorts have them."""
    # Models that the cohort itself has taken since are none of its folds'.
    declared = read_entry(entry_named(study.cohort).path).mapping.get("settings") or {}
    return {**declared.get(stage, {}), **study.settings.get(stage, {})}


def _figures(analysis: Analysis) -> dict[str, bytes]:
    drawn = {f"roc {protocol.name}": roc_curves(analysis, protocol.name) for protocol in analysis.study.protocols}
    drawn["forest"] = study_forest(analysis)
    return {name: to_png(figure, PICTURE_BYTES) for name, figure in drawn.items() if figure is not None}


def _pictures(run: StudyRun, figures: Mapping[str, bytes], analysis: Analysis) -> list[Picture]:
    told = [("forest", "Areas", AREAS, True)]
    for protocol in analysis.study.protocols:
        title = f"ROC curves of protocol {protocol.name}, mean over {protocol.folds} folds"
        told.append((f"roc {protocol.name}", title, title, False))
    for protocol in analysis.study.protocols:
        title = f"What the best arm of protocol {protocol.name} misjudges most"
        told.append((f"failures {protocol.name}", title, FAILURES, True))
    shown = [Picture(title, text, figures[name], wide) for name, title, text, wide in told if name in figures]
    return [*shown, *member_pictures(run, analysis)]


def _created(run: StudyRun) -> str:
    pointers = [read_pointer(run.store, Place(*place.split("@", 1))) for place in run.parents]
    days = sorted({str(pointer["created_at"])[:10] for pointer in pointers if pointer})
    return f"manifests: {', '.join(days)}" if days else ""


def _versions() -> dict[str, str]:
    return {name: version(name) for name in PACKAGES}


def _metadata(run: StudyRun, analysis: Analysis, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    problems = [
        {"cohort": member.cohort, "problem": member.problem}
        for members in analysis.members.values()
        for member in members
        if member.problem
    ]
    return {
        "finding": finding(analysis, rows),
        "arms": table([row for row in rows if row["seed"] == ALL], SHOWN),
        "markdown": dg.MetadataValue.md(markdown(analysis, rows)),
        "report": run.store.uri(f"{run.place.folder}/{REPORT}"),
        "members_missing": table(problems, {"cohort": "string", "problem": "string"}),
    }
