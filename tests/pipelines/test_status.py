import json
import shutil
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import Result
from typer.testing import CliRunner

from pipelines import status
from pipelines.cli import app
from pipelines.lenders import stages_of
from pipelines.settings import STAGE_SETTINGS
from pipelines.stages import STAGES
from pipelines.status import UNREADABLE, WRONG_SETTINGS, StatusRow, begun_cohorts, sources_now, status_rows
from pipelines.versions import VERSIONS
from resources import catalogue
from resources.catalogue import CatalogueError, Entry, entry_named
from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, cohort_of

# What the audit and the leak control take from the evaluation.
BESIDE = {stage: {"patient_score": "mean"} for stage in ("shortcut_audit", "leak_control")}
COUNTS = {"ok": 3, "needs_review": 1, "rejected": 2, "failed": 4, "seconds": 1.25}
SHARD = "phantom/0"
CHANGED = "its declaration, table or files changed"


def partition_of(stage: str, cohort: str = "phantom") -> str:
    return next(item for item in STAGES if item.name == stage).partitions(cohort)[0]


def complete(store: ObjectStore, stage: str, content: int = 0, **changed: Any) -> str:  # noqa: ANN401
    """Publish a stage of the phantoms as a run would that read the present manifests of its parents."""
    found = next(item for item in STAGES if item.name == stage)
    declared = entry_named("phantom").mapping.get("settings", {}).get(stage, {})
    parents = {}
    for parent in found.reads:
        place = Place(parent, partition_of(parent))
        pointer = read_pointer(store, place)
        parents[str(place)] = pointer["digest"] if pointer else ""
    record = {
        "version": VERSIONS[stage],
        "settings": found.settings(**declared).model_dump() | BESIDE.get(stage, {}),
        "parents": parents,
        "partition": partition_of(stage),
        "source": (sources_now("phantom") or {})[SHARD] if stage == "radiographs" else "",
        **COUNTS,
        **changed,
    }
    table = pa.table({"stage": [stage], "content": [content]})
    return publish(store, Place(stage, partition_of(stage)), table, record)


@pytest.fixture
def finished(home: Path, local_store: ObjectStore) -> ObjectStore:
    """A store in which every stage of the phantoms is up to date."""
    for stage in STAGES:
        complete(local_store, stage.name)
    return local_store


def by_stage(store: ObjectStore) -> dict[str, StatusRow]:
    return {row.stage: row for row in status_rows("phantom", store)}


def states(store: ObjectStore) -> list[str]:
    return [row.state for row in status_rows("phantom", store)]


def test_fresh(finished: ObjectStore) -> None:
    rows = status_rows("phantom", finished)
    assert [row.stage for row in rows] == [stage.name for stage in stages_of({}, STAGES)]
    assert {row.state for row in rows} == {"fresh"}
    assert rows[0] == StatusRow("radiographs", SHARD, "fresh", "3", "7", "1.2", "")


def test_missing(home: Path, local_store: ObjectStore) -> None:
    assert states(local_store) == ["missing"] * len(STAGES)
    complete(local_store, "radiographs")
    assert states(local_store) == ["fresh"] + ["missing"] * (len(STAGES) - 1)
    assert by_stage(local_store)["lung_masks"].why == "never completed"


def test_a_changed_parent_makes_stale_what_read_it_and_all_that_follows(finished: ObjectStore) -> None:
    complete(finished, "lung_masks", content=1)
    rows = by_stage(finished)
    assert rows["radiographs"].state == rows["lung_masks"].state == "fresh"
    assert rows["reference_lung"].why == f"lung_masks@{SHARD} changed"
    assert rows["reference_lung"].state == "stale"
    # Evaluation reads what became stale, though what lung_masks says reached it by itself, too.
    unconcerned = ("radiographs", "lung_segmenter", "lung_masks")
    assert {row.state for name, row in rows.items() if name not in unconcerned} == {"stale"}
    complete(finished, "reference_lung")
    assert by_stage(finished)["reference_lung"].state == "fresh"


def test_staleness_travels_through_unchanged_manifests(finished: ObjectStore) -> None:
    complete(finished, "reference_lung", settings={"candidates": 1})
    rows = by_stage(finished)
    assert rows["reference_lung"].why.startswith("settings differ from the declaration: ")
    assert rows["prealigned_radiographs"].state == "stale"
    # The digest is the same; what it was made by is not.
    assert rows["prealigned_radiographs"].why == "reference_lung@phantom is not fresh"


def test_a_run_again_with_the_same_result_keeps_what_follows_fresh(finished: ObjectStore) -> None:
    complete(finished, "radiographs")
    assert set(states(finished)) == {"fresh"}


def test_a_changed_setting_is_named(finished: ObjectStore) -> None:
    pointer = read_pointer(finished, Place("lung_masks", SHARD))
    assert pointer is not None
    complete(finished, "lung_masks", settings={**pointer["settings"], "sources": ["pbtseg"], "window_low": 2.0})
    row = by_stage(finished)["lung_masks"]
    assert (row.state, row.why) == ("stale", "settings differ from the declaration: sources, window_low")


def test_another_way_to_condense_patients_makes_all_stale_that_is_compared_by_it(
    finished: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    declared = entry_named("phantom").mapping
    settings = {**declared["settings"], "evaluation": {"patient_score": "max"}}
    mapping = {**declared, "settings": settings}
    monkeypatch.setattr(status, "entry_named", lambda name: Entry(tmp_path, name, mapping))
    why = {row.stage: row.why for row in status_rows("phantom", finished) if row.state == "stale"}
    told = "settings differ from the declaration: patient_score"
    assert {stage for stage, reason in why.items() if reason == told} == {
        "shortcut_audit",
        "leak_control",
        "evaluation",
    }


def test_a_fold_that_has_some_of_its_arms_lends_them_and_its_borrower_is_fresh(
    finished: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    pointer = read_pointer(finished, Place("translator", "phantom"))
    assert pointer is not None
    complete(finished, "translator", content=1, settings={**pointer["settings"], "only": ["it_pr/pca/0"]})
    lend(finished, stage="translator")
    told = "translator@phantom is not fresh"
    assert [row.why for row in status_rows("rsna", finished) if row.stage == "translator"] == [told]
    monkeypatch.setattr(status, "FOLDS", frozenset({"phantom"}))
    assert [row.state for row in status_rows("rsna", finished) if row.stage == "translator"] == ["fresh"]
    # Asked for itself, it says what it lacks.
    assert by_stage(finished)["translator"].why == "only some of its trainings were asked for"
    complete(finished, "translator", content=1, version="0")
    lend(finished, stage="translator")
    assert [row.why for row in status_rows("rsna", finished) if row.stage == "translator"] == [told]


def test_a_changed_version_is_named(finished: ObjectStore) -> None:
    complete(finished, "lung_masks", version="0")
    row = by_stage(finished)["lung_masks"]
    assert (row.state, row.why) == ("stale", f"algorithm version 0 → {VERSIONS['lung_masks']}")


def test_a_failure_is_shown_with_its_reason_and_the_last_counts(finished: ObjectStore) -> None:
    failure = {"run_id": "x", "error": "ValueError: no lung"}
    finished.write(f"stages/lung_masks/{SHARD}/FAILED.json", json.dumps(failure).encode())
    rows = by_stage(finished)
    assert rows["lung_masks"] == StatusRow("lung_masks", SHARD, "failed", "3", "7", "1.2", "ValueError: no lung")
    assert rows["reference_lung"].why == f"lung_masks@{SHARD} is not fresh"


def test_a_parent_that_is_gone_makes_stale(finished: ObjectStore) -> None:
    finished.delete(f"stages/radiographs/{SHARD}/CURRENT.json")
    rows = by_stage(finished)
    assert rows["radiographs"].state == "missing"
    assert rows["lung_segmenter"].why == f"radiographs@{SHARD} changed"
    assert rows["lung_masks"].state == "stale"


def lend(store: ObjectStore, content: int = 0, stage: str = "lung_segmenter") -> str:
    """Publish a model of rsna that is the phantoms' present one."""
    pointer = read_pointer(store, Place(stage, "phantom"))
    assert pointer is not None
    settings = STAGE_SETTINGS[stage](**entry_named("rsna").mapping["settings"].get(stage, {}))
    record = {
        "version": VERSIONS[stage],
        "settings": settings.model_dump(),
        "parents": {f"{stage}@phantom": pointer["digest"]},
        "partition": "rsna",
        **COUNTS,
    }
    return publish(store, Place(stage, "rsna"), pa.table({"content": [content]}), record)


def borrower(store: ObjectStore) -> StatusRow:
    return next(row for row in status_rows("rsna", store) if row.stage == "lung_segmenter")


def test_a_borrowed_model_is_stale_once_the_lender_trained_anew(finished: ObjectStore) -> None:
    lend(finished)
    assert borrower(finished).state == "fresh"
    complete(finished, "lung_segmenter", content=1)
    assert (borrower(finished).state, borrower(finished).why) == ("stale", "lung_segmenter@phantom changed")
    lend(finished)
    assert borrower(finished).state == "fresh"


def test_a_borrowed_model_is_stale_while_the_lenders_is(finished: ObjectStore) -> None:
    lend(finished)
    complete(finished, "radiographs", content=1)
    assert (borrower(finished).state, borrower(finished).why) == ("stale", "lung_segmenter@phantom is not fresh")
    complete(finished, "lung_segmenter")
    assert borrower(finished).state == "fresh"


def test_without_a_name_every_cohort_that_was_begun_is_shown(finished: ObjectStore) -> None:
    assert {row.partition for row in status_rows(store=finished)} == {"phantom", SHARD}


@pytest.fixture
def files(home: Path, local_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of a cohort of files in three shards whose radiographs are up to date."""
    folder = tmp_path / "data" / "well"
    folder.mkdir(parents=True)
    for number in range(12):
        (folder / f"{number}.png").write_bytes(b"first")
    mapping = {
        "name": "three_shards",
        "root": str(folder.parent),
        "folders": {"well": "normal"},
        "normal_labels": ["normal"],
        "shards": 3,
    }
    monkeypatch.setattr(status, "entry_named", lambda name: Entry(tmp_path, name, mapping))
    settings = STAGE_SETTINGS["radiographs"]().model_dump()
    for shard, source in (sources_now("three_shards") or {}).items():
        record = {"version": VERSIONS["radiographs"], "settings": settings, "parents": {}, **COUNTS}
        record |= {"partition": shard, "source": source}
        publish(local_store, Place("radiographs", shard), pa.table({"content": [shard]}), record)
    return folder


def stale_shards(store: ObjectStore) -> list[str]:
    rows = status_rows("three_shards", store)
    assert {row.why for row in rows if row.stage == "radiographs" and row.state == "stale"} <= {CHANGED}
    return [row.partition for row in rows if row.stage == "radiographs" and row.state == "stale"]


def test_sources_are_listed_once_a_cohort_and_no_file_is_read(
    files: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed: list[str] = []
    whole = ObjectStore.stats

    def counted(self: ObjectStore, folder: str) -> Any:  # noqa: ANN401
        listed.append(folder)
        return whole(self, folder)

    monkeypatch.setattr(ObjectStore, "stats", counted)
    monkeypatch.setattr(Path, "read_bytes", None)
    assert stale_shards(local_store) == []
    assert listed == [""]


def test_a_file_that_came_or_was_replaced_makes_its_shard_stale_and_no_other(
    files: Path, local_store: ObjectStore
) -> None:
    (files / "new.png").write_bytes(b"first")
    (came,) = stale_shards(local_store)
    (files / "new.png").unlink()
    assert stale_shards(local_store) == []
    replaced: set[str] = set()
    for path in sorted(files.iterdir()):
        path.write_bytes(b"another")
        (shard,) = set(stale_shards(local_store)) - replaced or {""}
        replaced.add(shard)
        if len(replaced) == 3:
            break
    assert came in replaced


def test_a_root_that_cannot_be_read_is_said(files: Path, local_store: ObjectStore) -> None:
    shutil.rmtree(files.parent)
    rows = [row for row in status_rows("three_shards", local_store) if row.stage == "radiographs"]
    assert {row.why for row in rows} == {"its declaration, table or files cannot be read"}


def test_shards_are_shown_one_by_one(home: Path, local_store: ObjectStore) -> None:
    rows = status_rows("three_shards", local_store)
    shards = [row.partition for row in rows if row.stage == "radiographs"]
    assert shards == ["three_shards/0", "three_shards/1", "three_shards/2"]
    assert [row.partition for row in rows if row.stage == "evaluation"] == ["three_shards"]


def test_an_unknown_cohort_is_refused(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(CatalogueError, match="no cohort is named"):
        status_rows("nobody", local_store)


@pytest.mark.parametrize(
    ("text", "said"),
    [(None, "no cohort is named 'phantom'"), ("name: [broken", r"phantom\.yaml: not readable as YAML")],
)
def test_a_cohort_whose_file_is_gone_or_broken_is_said_and_hides_no_other(
    finished: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, text: str | None, said: str
) -> None:
    shard = SHARDS_BY_COHORT["nih"][0]
    (tmp_path / "nih.yaml").write_text(cohort_file("nih").read_text(encoding="utf-8"), encoding="utf-8")
    if text:
        (tmp_path / "phantom.yaml").write_text(text, encoding="utf-8")
    publish(finished, Place("radiographs", shard), pa.table({"content": [0]}), {"version": "0", **COUNTS})
    monkeypatch.setattr(catalogue, "folders", lambda: [tmp_path])
    rows = status_rows(store=finished, sources=lambda cohort: None)
    mine = [row for row in rows if cohort_of(row.partition) == "phantom"]
    assert {(row.state, row.why) for row in mine} == {("stale", UNREADABLE)}
    assert len(mine) == len(STAGES)
    other = next(row for row in rows if row.partition == shard and row.stage == "radiographs")
    assert (other.state, other.why) == ("stale", f"algorithm version 0 → {VERSIONS['radiographs']}")
    assert sources_now("phantom") is None
    with pytest.raises(CatalogueError, match=said):
        status_rows("phantom", finished)


@pytest.mark.parametrize("settings", ["fast", {"lung_masks": "fast"}, {"lung_masks": {"window_low": "much"}}])
def test_settings_that_are_none_are_said(
    finished: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: object
) -> None:
    mapping = {**entry_named("phantom").mapping, "settings": settings}
    monkeypatch.setattr(status, "entry_named", lambda name: Entry(tmp_path, name, mapping))
    row = next(row for row in status_rows(store=finished, sources=lambda cohort: None) if row.stage == "lung_masks")
    assert (row.state, row.why) == ("stale", WRONG_SETTINGS)


def cohort_file(name: str) -> Path:
    return entry_named(name).path


def test_changed_sources_make_the_radiographs_stale(finished: ObjectStore) -> None:
    complete(finished, "radiographs", source="digest of another table")
    row = by_stage(finished)["radiographs"]
    assert (row.state, row.why) == ("stale", CHANGED)


def test_what_must_be_trained_again_is_stale_with_the_reason(finished: ObjectStore) -> None:
    complete(finished, "translator", must_retrain="trained on a patient who was withdrawn")
    rows = by_stage(finished)
    assert rows["translator"].why == "trained on a patient who was withdrawn"
    assert rows["pseudo_pairs"].state == "fresh"
    assert rows["anomaly_maps"].why == "normal_maps@phantom is not fresh"


def test_begun_cohorts_are_those_with_any_radiographs(home: Path, local_store: ObjectStore) -> None:
    assert begun_cohorts(local_store) == []
    publish(local_store, Place("radiographs", "three_shards/2"), pa.table({"content": [0]}), COUNTS)
    publish(local_store, Place("lung_masks", "nih/00"), pa.table({"content": [0]}), COUNTS)
    assert begun_cohorts(local_store) == ["three_shards"]


def test_the_largest_cohort_is_judged_in_seconds_and_each_pointer_is_read_once(
    home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHARDS_BY_COHORT, "nih", [f"nih/{shard:02d}" for shard in range(64)])
    digests: dict[str, str] = {}
    for stage in STAGES:
        settings = stage.settings(**entry_named("nih").mapping.get("settings", {}).get(stage.name, {})).model_dump()
        for key in stage.partitions("nih"):
            parents = [f"{name}@{at}" for name in stage.reads for at in parent_keys(name, stage.level, key)]
            settings |= BESIDE.get(stage.name, {})
            record = {"version": VERSIONS[stage.name], "settings": settings, "partition": key, **COUNTS}
            record |= {"source": "s", "parents": {parent: digests[parent] for parent in parents}}
            if stage.name == "lung_segmenter":
                record["parents"] = {}
            place = Place(stage.name, key)
            digests[str(place)] = place.partition
            pointer = {"digest": digests[str(place)], **record}
            local_store.write(f"{place.folder}/CURRENT.json", json.dumps(pointer).encode())
    asked: list[str] = []
    whole = ObjectStore.read_or_none

    def counted(self: ObjectStore, path: str) -> bytes | None:
        asked.append(path)
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read_or_none", counted)
    began = time.process_time()
    rows = status_rows("nih", local_store, lambda cohort: dict.fromkeys(SHARDS_BY_COHORT["nih"], "s"))
    seconds = time.process_time() - began
    levels = [stage.level for stage in STAGES]
    assert len(rows) == 64 * levels.count("shard") + levels.count("cohort")
    assert {row.state for row in rows} == {"fresh"}
    assert len(asked) == len(set(asked)) == 2 * len(rows)
    assert seconds < 3


def parent_keys(parent: str, level: str, partition: str) -> list[str]:
    """Partitions of an upstream stage that a partition of nih reads."""
    found = next(stage for stage in STAGES if stage.name == parent)
    return [partition] if (found.level, level) == ("shard", "shard") else found.partitions("nih")


def test_a_remote_store_is_not_asked_one_thing_after_the_other(
    home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_once, most = [0], [0]
    guard = threading.Lock()
    whole = ObjectStore.read_or_none

    def slow(self: ObjectStore, path: str) -> bytes | None:
        with guard:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        time.sleep(0.01)
        with guard:
            at_once[0] -= 1
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read_or_none", slow)
    status_rows("three_shards", local_store)
    assert most[0] > 8


def test_status_on_s3(home: Path, s3_store: ObjectStore) -> None:
    for stage in STAGES[:2]:
        complete(s3_store, stage.name)
    assert states(s3_store) == ["fresh"] * 2 + ["missing"] * (len(STAGES) - 2)


def command(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["status", *arguments])


@pytest.fixture
def installed(finished: ObjectStore, home: Path, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv("PSEUDOPAIR_STORE", finished.root)
    monkeypatch.setenv("PSEUDOPAIR_DATA", str(home))
    return finished


def test_the_command_prints_json_lines_with_every_field(installed: ObjectStore) -> None:
    done = command("phantom", "--json")
    assert done.exit_code == 0
    assert [json.loads(line) for line in done.output.splitlines()] == [
        asdict(row) for row in status_rows("phantom", installed)
    ]


def test_the_command_checks_only_where_asked(installed: ObjectStore) -> None:
    assert command("phantom", "--check").exit_code == 0
    complete(installed, "lung_masks", content=1)
    assert command("phantom").exit_code == 0
    done = command("phantom", "--check")
    assert (done.exit_code, "stale" in done.output) == (1, True)


def test_the_command_refuses_an_unknown_cohort(installed: ObjectStore) -> None:
    assert command("nobody").exit_code == 1
