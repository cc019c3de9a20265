from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import StageRun

SCHEMA = pa.schema([("key", pa.string()), ("status", pa.string())])


def published(store: ObjectStore, stage: str, key: str, parents: dict[str, str]) -> str:
    table = pa.Table.from_pylist([{"key": key, "status": "ok"}], schema=SCHEMA)
    return publish(store, Place(stage, "phantom/0"), table, {"parents": parents})


def run_of(store: ObjectStore, stage: str, **other: Any) -> StageRun:  # noqa: ANN401 (any field of StageRun)
    return StageRun(store, stage, "1", "phantom/0", "phantom", {}, {}, "run", lambda line: None, **other)


def test_reading_records_which_manifest_was_read(local_store: ObjectStore) -> None:
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
    with pytest.raises(dg.Failure, match="lung_masks@phantom/0 was made from an older radiographs@phantom/0"):
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

    run = run_of(local_store, "lung_masks", settings_used={"size": 64})
    pointer = {"digest": "d", "settings": {"size": 64}, "pictures": ["masks"]}
    assert run._drawn(None, "d", draw) == {"masks": b"png"}
    assert run._drawn(pointer, "d", draw) == {"masks": b"png"}
    assert len(drawn) == 1
    run._drawn(pointer, "another", draw)
    run._drawn({**pointer, "settings": {"size": 128}}, "d", draw)
    assert len(drawn) == 3
    local_store.delete("stages/lung_masks/phantom/0/pictures/masks.png")
    run._drawn(pointer, "d", draw)
    assert len(drawn) == 4


def test_the_pointer_of_another_stage_is_left_alone(local_store: ObjectStore) -> None:
    published(local_store, "radiographs", "a", {})
    assert read_pointer(local_store, Place("lung_masks", "phantom/0")) is None
