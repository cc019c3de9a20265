import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pytest

from pipelines import status
from pipelines.settings import STAGE_SETTINGS
from pipelines.stages import STAGES
from pipelines.status import StatusRow, source_now, status_rows
from pipelines.versions import VERSIONS
from resources.catalogue import CatalogueError, Entry, entry_named
from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore

COUNTS = {"ok": 3, "needs_review": 1, "rejected": 2, "failed": 4, "seconds": 1.25}
SHARD = "phantom/0"


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
        "settings": found.settings(**declared).model_dump(),
        "parents": parents,
        "partition": partition_of(stage),
        "source": source_now("phantom") if stage == "radiographs" else "",
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
    assert [row.stage for row in rows] == [stage.name for stage in STAGES]
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


def lend(store: ObjectStore, content: int = 0) -> str:
    """Publish a segmenter of rsna that is the phantoms' present one."""
    pointer = read_pointer(store, Place("lung_segmenter", "phantom"))
    assert pointer is not None
    settings = STAGE_SETTINGS["lung_segmenter"](**entry_named("rsna").mapping["settings"]["lung_segmenter"])
    record = {
        "version": VERSIONS["lung_segmenter"],
        "settings": settings.model_dump(),
        "parents": {"lung_segmenter@phantom": pointer["digest"]},
        "partition": "rsna",
        **COUNTS,
    }
    return publish(store, Place("lung_segmenter", "rsna"), pa.table({"content": [content]}), record)


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


def test_sources_are_read_once_a_cohort_and_a_mask_table_in_passing(
    home: Path, local_store: ObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masks = tmp_path / "data" / "masks.csv"
    masks.parent.mkdir()
    masks.write_text("first")
    mapping = {
        "name": "three_shards",
        "root": str(masks.parent),
        "folders": {"well": "normal"},
        "normal_labels": ["normal"],
        "chexmask": {"table": masks.name, "id": "image_id"},
    }
    monkeypatch.setattr(status, "entry_named", lambda name: Entry(tmp_path, name, mapping))
    opened: list[str] = []
    whole = ObjectStore.open

    def counted(self: ObjectStore, path: str) -> AbstractContextManager[BinaryIO]:
        opened.append(path)
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "open", counted)
    before = source_now("three_shards")
    settings = STAGE_SETTINGS["radiographs"]().model_dump()
    for shard in range(3):
        place = Place("radiographs", f"three_shards/{shard}")
        record = {"version": VERSIONS["radiographs"], "settings": settings, "parents": {}, **COUNTS}
        record |= {"partition": place.partition, "source": before}
        publish(local_store, place, pa.table({"content": [shard]}), record)
    opened.clear()
    assert [row.state for row in status_rows("three_shards", local_store)[:3]] == ["fresh"] * 3
    assert opened == [masks.name]
    masks.write_text("other")
    assert [row.state for row in status_rows("three_shards", local_store)[:3]] == ["stale"] * 3


def test_shards_are_shown_one_by_one(home: Path, local_store: ObjectStore) -> None:
    rows = status_rows("three_shards", local_store)
    shards = [row.partition for row in rows if row.stage == "radiographs"]
    assert shards == ["three_shards/0", "three_shards/1", "three_shards/2"]
    assert [row.partition for row in rows if row.stage == "evaluation"] == ["three_shards"]


def test_an_unknown_cohort_is_refused(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(CatalogueError, match="no cohort is named"):
        status_rows("nobody", local_store)


def test_changed_sources_make_the_radiographs_stale(finished: ObjectStore) -> None:
    complete(finished, "radiographs", source="digest of another table")
    row = by_stage(finished)["radiographs"]
    assert row.state == "stale"
    assert "changed" in row.why
