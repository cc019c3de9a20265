"""Fold cohorts read from the store: what counts of each, and why the rest does not."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from assets.alignments import peers_among
from assets.evaluation.report_rows import shortcut_results
from assets.evaluation.scored import SCORED_COLUMNS, ScoredArm, scored_arms
from assets.evaluation.settings import EvaluationSettings
from assets.study.fold_arm import FoldArm
from assets.study.localised import LOCALISATION_COLUMNS
from assets.study.member import ArmSeed, Aside, Costs, Member
from assets.translation.arms import is_gan, parse_arm
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from resources.manifests import Place, read_manifest, read_pointer, require_current
from resources.partitions import SHARDS_BY_COHORT
from resources.stage_run import MUST_RETRAIN
from resources.study_run import StudyRun

Row = dict[str, Any]
PEER_STAGE = "peer_registered"
ASIDE_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
# A manifest of any of them is recorded as read, whether or not the member counts: another one is another table.
READ = ("translator", "evaluation", "shortcut_audit", "localisation_summary", "leak_control")
TRANSLATOR_COLUMNS = (
    "arm",
    "method",
    "seed",
    "status",
    "reason",
    "steps",
    "seconds",
    "trained_normal",
    "trained_abnormal",
    "settings",
)


def read_member(run: StudyRun, cohort: str) -> Member:
    """A fold cohort as it stands; what is missing or made from something older has a problem instead of results."""
    for stage in READ:
        pointer = read_pointer(run.store, Place(stage, cohort))
        if pointer:
            run.parents[str(Place(stage, cohort))] = pointer["digest"]
    problem = _problem(run, cohort)
    trained = _trained(run, cohort)
    absent = {(row["arm"], row["seed"]): _why_not_scored(row, problem) for row in trained}
    if problem:
        return Member(cohort, problem, absent=absent)
    evaluation = read_pointer(run.store, Place("evaluation", cohort)) or {}
    settings = EvaluationSettings.model_validate(evaluation["settings"])
    rows = _read(run, Place("evaluation", cohort)).to_pylist()
    headline = {row["method"]: row["score"] for row in rows if row["headline"]}
    scored = pa.concat_tables([_ok(run, Place("anomaly_maps", key)) for key in SHARDS_BY_COHORT[cohort]])
    return Member(
        cohort,
        arms=_fold_arms(scored, headline, settings),
        absent=absent,
        costs={(row["arm"], row["seed"]): _costs(row) for row in trained if row["status"] == "ok"},
        shortcuts=shortcut_results(_read(run, Place("shortcut_audit", cohort)).to_pylist()),
        tested=_tested(run, cohort),
        aside=tuple(_aside(run, cohort)),
        leaks=_leaks(run, cohort),
        localised=_localised(run, cohort),
    )


def _problem(run: StudyRun, cohort: str) -> str:
    """Why a fold cohort's results don't count, empty where they do."""
    if cohort not in SHARDS_BY_COHORT:
        return "not begun"
    place = Place("evaluation", cohort)
    pointer = read_pointer(run.store, place)
    if run.store.read_or_none(f"{place.folder}/FAILED.json") is not None:
        return "its evaluation failed, see `pseudopair status`"
    if pointer is None:
        return "not evaluated yet"
    if pointer.get(MUST_RETRAIN):
        return f"to be trained again: {pointer[MUST_RETRAIN]}"
    for parent, digest in pointer["parents"].items():
        current = read_pointer(run.store, Place(*parent.split("@", 1)))
        if current is None or current["digest"] != digest:
            return f"evaluated from an older {parent}"
    return ""


def _why_not_scored(row: Row, problem: str) -> str:
    if row["status"] != "ok":
        return str(row["reason"])
    return problem or "trained, not scored yet"


def _trained(run: StudyRun, cohort: str) -> list[Row]:
    table = read_manifest(run.store, Place("translator", cohort), TRANSLATOR_COLUMNS)
    return [] if table is None else table.to_pylist()


def _fold_arms(scored: pa.Table, headline: Mapping[str, str], settings: EvaluationSettings) -> dict[ArmSeed, FoldArm]:
    validation, test = (
        {(arm.arm, arm.seed): arm for arm in scored_arms(scored, split, settings.patient_score)}
        for split in ("validation", "test")
    )
    return {key: _fold_arm(validation.get(key), arm, headline[arm.method]) for key, arm in test.items()}


def _fold_arm(validation: ScoredArm | None, test: ScoredArm, score: str) -> FoldArm:
    side = test.patients(score)
    return FoldArm(score, side.none() if validation is None else validation.patients(score), side)


def _costs(row: Row) -> Costs:
    images = row["trained_normal"] + row["trained_abnormal"]
    method = parse_arm(row["arm"]).method
    if not row["steps"] or not is_gan(method):
        return Costs(images, row["seconds"])
    batch = resolved(TranslationSettings.model_validate(json.loads(row["settings"])), method).batch
    # a step sees a batch of each class
    return Costs(images, row["seconds"], row["steps"], 2 * batch * row["steps"] / images if images else None)


def _leaks(run: StudyRun, cohort: str) -> list[Row]:
    table = read_manifest(run.store, Place("leak_control", cohort))
    return [] if table is None else table.to_pylist()


def _localised(run: StudyRun, cohort: str) -> pa.Table | None:
    """Rows of every shard, None where one has not run, or from other maps than those of now."""
    tables = []
    for shard in SHARDS_BY_COHORT[cohort]:
        place, maps = Place("localisation", shard), Place("anomaly_maps", shard)
        pointer, current = read_pointer(run.store, place), read_pointer(run.store, maps)
        if pointer is None or current is None or pointer["parents"].get(str(maps)) != current["digest"]:
            return None
        tables.append(_read(run, place, LOCALISATION_COLUMNS))
    return pa.concat_tables(tables)


def _tested(run: StudyRun, cohort: str) -> dict[str, int]:
    tables = [_ok(run, Place("registered_radiographs", key), ("domain", "split")) for key in SHARDS_BY_COHORT[cohort]]
    return dict(_by_domain(pa.concat_tables(tables)))


def _aside(run: StudyRun, cohort: str) -> Iterator[Aside]:
    for stage in ASIDE_STAGES:
        tables = [_read(run, Place(stage, key), ("domain", "split", "status")) for key in SHARDS_BY_COHORT[cohort]]
        rows = pa.concat_tables(tables)
        found = _by_domain(rows.filter(pc.not_equal(rows["status"], "ok")))
        yield from (Aside(stage, domain, count) for domain, count in found)
    yield from _aside_by_peers(run, cohort)


def _aside_by_peers(run: StudyRun, cohort: str) -> Iterator[Aside]:
    """Nothing is read, nor recorded as read, where the cohort makes no peer's frame."""
    pointers = {key: read_pointer(run.store, Place(PEER_STAGE, key)) for key in SHARDS_BY_COHORT[cohort]}
    made = [key for key, pointer in pointers.items() if pointer and pointer["rows"]]
    if not made:
        return
    rows = pa.concat_tables([_read(run, Place(PEER_STAGE, key), ("domain", "split", "status", "arm")) for key in made])
    left_out = rows.filter(pc.not_equal(rows["status"], "ok"))
    for peer in peers_among(left_out["arm"].to_pylist()):
        found = _by_domain(left_out.filter(pc.equal(left_out["arm"], peer)))
        yield from (Aside(PEER_STAGE, domain, count, peer) for domain, count in found)


def _by_domain(rows: pa.Table) -> list[tuple[str, int]]:
    """Test radiographs by class."""
    counted = rows.filter(pc.equal(rows["split"], "test")).group_by("domain").aggregate([([], "count_all")])
    return sorted((row["domain"], row["count_all"]) for row in counted.to_pylist())


def _ok(run: StudyRun, place: Place, columns: tuple[str, ...] = SCORED_COLUMNS) -> pa.Table:
    table = _read(run, place, (*columns, "status"))
    return table.filter(pc.equal(table["status"], "ok")).select(list(columns))


def _read(run: StudyRun, place: Place, columns: tuple[str, ...] | None = None) -> pa.Table:
    pointer, table = require_current(run.store, place, columns)
    run.parents[str(place)] = pointer["digest"]
    return table
