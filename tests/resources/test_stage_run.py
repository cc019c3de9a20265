from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest
from pydantic import BaseModel

from resources.incremental import Outcome, Task
from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS, SHARDS_BY_COHORT
from resources.stage_pictures import drawn_pictures
from resources.stage_run import RETRY_TAG, StageRun, Store, stage_run
from resources.stage_settings import upstream_settings

SCHEMA = pa.schema([("key", pa.string()), ("status", pa.string())])


def published(store: ObjectStore, stage: str, key: str, parents: dict[str, str]) -> str:
    rows = [{"key": key, "status": "ok"}, {"key": "r", "status": "needs_review"}, {"key": "f", "status": "failed"}]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    return publish(store, Place(stage, "phantom/0"), table, {"parents": parents})


def run_of(store: ObjectStore, stage: str, **other: Any) -> StageRun:  # noqa: ANN401 (any field of StageRun)
    return StageRun(store, stage, "1", "phantom/0", "phantom", {}, {}, "run", lambda line: None, **other)


def test_only_ok_rows_go_downstream_and_the_manifest_read_is_recorded(local_store: ObjectStore) -> None:
    digest = published(local_store, "radiographs", "a", {})
    run = run_of(local_store, "lung_masks")
    assert [row["key"] for row in run.ok("radiographs", "phantom/0")] == ["a"]
    assert run.parents == {"radiographs@phantom/0": digest}


def test_a_stage_made_from_an_older_manifest_is_refused_by_name(local_store: ObjectStore) -> None:
    old = published(local_store, "radiographs", "a", {})
    published(local_store, "lung_masks", "m", {"radiographs@phantom/0": old})
    published(local_store, "radiographs", "b", {})
    run = run_of(local_store, "prealigned_radiographs")
    run.rows("radiographs", "phantom/0")
    message = "lung_masks@phantom/0 was made from an older radiographs@phantom/0; .* `pseudopair run phantom`"
    with pytest.raises(dg.Failure, match=message):
        run.rows("lung_masks", "phantom/0")


def test_a_stage_made_from_the_current_manifest_is_read(local_store: ObjectStore) -> None:
    digest = published(local_store, "radiographs", "a", {})
    published(local_store, "lung_masks", "m", {"radiographs@phantom/0": digest})
    assert run_of(local_store, "prealigned_radiographs").rows("lung_masks", "phantom/0")


def test_pictures_are_drawn_again_only_for_another_manifest_or_other_settings(local_store: ObjectStore) -> None:
    drawn: list[str] = []

    def draw() -> dict[str, bytes]:
        drawn.append("once")
        return {"masks": b"png"}

    place = Place("lung_masks", "phantom/0")
    pointer = {"digest": "d", "settings": {"size": 64}, "pictures": ["masks"]}
    assert drawn_pictures(local_store, place, None, "d", {"size": 64}, draw) == {"masks": b"png"}
    assert drawn_pictures(local_store, place, pointer, "d", {"size": 64}, draw) == {"masks": b"png"}
    assert len(drawn) == 1
    drawn_pictures(local_store, place, pointer, "another", {"size": 64}, draw)
    drawn_pictures(local_store, place, pointer, "d", {"size": 128}, draw)
    assert len(drawn) == 3
    local_store.delete("stages/lung_masks/phantom/0/pictures/masks.png")
    drawn_pictures(local_store, place, pointer, "d", {"size": 64}, draw)
    assert len(drawn) == 4


def test_the_pointer_of_another_stage_is_left_alone(local_store: ObjectStore) -> None:
    published(local_store, "radiographs", "a", {})
    assert read_pointer(local_store, Place("lung_masks", "phantom/0")) is None


@pytest.mark.parametrize(("tags", "wanted"), [({}, False), ({RETRY_TAG: "true"}, True)])
def test_a_runs_tag_asks_for_failed_rows_again(tmp_path: Path, tags: dict[str, str], wanted: bool) -> None:
    seen: list[bool] = []

    @dg.asset(partitions_def=SHARDS)
    def probe(context: dg.AssetExecutionContext, store: Store) -> None:
        with stage_run(context, store, "1") as run:
            seen.append(run.retry_failed)

    resources = {"store": Store(root=str(tmp_path))}
    assert dg.materialize([probe], partition_key="phantom/0", resources=resources, tags=tags).success
    assert seen == [wanted]


@pytest.mark.parametrize("retry", [False, True])
def test_failed_rows_are_computed_again_only_when_asked_for(local_store: ObjectStore, retry: bool) -> None:
    calls: list[str] = []

    def fails() -> Outcome:
        calls.append("called")
        raise ValueError("no luck")

    task = Task("0" * 32, {}, fails)
    schema = pa.schema([(name, pa.string()) for name in ("key", "status", "reason", "artifact", "artifact_digest")])
    done = run_of(local_store, "lung_masks").refresh([task])
    publish(local_store, Place("lung_masks", "phantom/0"), done.table(schema), {})
    run_of(local_store, "lung_masks", retry_failed=retry).refresh([task])
    assert len(calls) == 1 + retry


class Mode(BaseModel):
    mode: str = "rows"


def test_settings_of_an_upstream_stage_are_those_that_it_was_run_with(local_store: ObjectStore) -> None:
    table = pa.Table.from_pylist([{"key": "a", "status": "ok"}], schema=SCHEMA)
    run = run_of(local_store, "registration_model")
    with pytest.raises(dg.Failure, match="phantom/0 differ or are missing"):
        upstream_settings(run, "prealigned_radiographs", Mode)
    publish(local_store, Place("prealigned_radiographs", "phantom/0"), table, {"settings": {"mode": "box"}})
    assert upstream_settings(run, "prealigned_radiographs", Mode) == Mode(mode="box")


def test_shards_that_were_run_with_different_settings_are_refused(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SHARDS_BY_COHORT, "phantom", ["phantom/0", "phantom/1"])
    table = pa.Table.from_pylist([{"key": "a", "status": "ok"}], schema=SCHEMA)
    for shard, mode in (("phantom/0", "box"), ("phantom/1", "rows")):
        publish(local_store, Place("prealigned_radiographs", shard), table, {"settings": {"mode": mode}})
    with pytest.raises(dg.Failure, match="phantom/1 differ or are missing"):
        upstream_settings(run_of(local_store, "registration_model"), "prealigned_radiographs", Mode)


def test_keys_of_an_altered_manifest_are_not_known(local_store: ObjectStore) -> None:
    digest = published(local_store, "lung_masks", "a", {})
    run = run_of(local_store, "lung_masks")
    assert run.known_keys() == {"a", "r", "f"}
    local_store.write(run.place.manifest(digest), b"another")
    assert run.known_keys() == set()
