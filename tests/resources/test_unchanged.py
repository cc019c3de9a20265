from collections.abc import Callable
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from resources.incremental import Outcome, row_keys
from resources.manifests import Place, publish, read_pointer, require_current
from resources.object_store import ObjectStore
from resources.planned import Planned
from resources.stage_run import StageRun
from resources.unchanged import unchanged

SOURCES, MODEL = Place("radiographs", "phantom/0"), Place("lung_segmenter", "phantom")
ROW = [(name, pa.string()) for name in ("key", "status", "reason", "artifact", "artifact_digest")]
SCHEMA = pa.schema([("radiograph_id", pa.string()), *ROW, ("area", pa.float64())])


def upstream(store: ObjectStore, *names: str) -> None:
    """Radiographs of these names, and a model made from them."""
    rows = [{"radiograph_id": name, "key": name * 32, "status": "ok"} for name in names]
    digest = publish(store, SOURCES, pa.Table.from_pylist(rows), {"parents": {}})
    model(store, "m", digest)


def model(store: ObjectStore, key: str, digest: str) -> None:
    table = pa.table({"key": [key], "status": ["ok"]})
    publish(store, MODEL, table, {"parents": {str(SOURCES): digest}})


def open_run(store: ObjectStore, **other: Any) -> StageRun:  # noqa: ANN401
    fields = {"version": "1", "settings_used": {"size": 64}, **other}
    version = fields.pop("version")
    return StageRun(store, "lung_masks", version, "phantom/0", "phantom", {}, {}, "run", lambda line: None, **fields)


def outcome(name: str) -> Outcome:
    if name == "r":
        return Outcome(status="rejected", reason="no lung")
    status: Any = "needs_review" if name == "n" else "ok"
    return Outcome({"area": float(ord(name))}, {"lungs": np.full(2, ord(name))}, status, "odd" if name == "n" else "")


def whole_way(run: StageRun) -> dict[str, Any]:
    """Plan, compute and publish; the pointer."""
    sources = run.ok_table("radiographs", "phantom/0")
    names = sources["radiograph_id"].to_pylist()
    keys = row_keys(
        run.stage, run.version, run.settings_used, [sources["key"].to_pylist(), run.model("lung_segmenter")["key"]]
    )
    planned = Planned(keys, sources.select(["radiograph_id"]), lambda position: outcome(names[position]))
    run.finish(run.refresh_planned(planned, SCHEMA), SCHEMA, {}, lambda: {"masks": b"png"})
    return pointer(run)


def short_way(run: StageRun) -> dict[str, Any]:
    done = unchanged(run, SCHEMA)
    assert done is not None
    run.finish(done, SCHEMA, {}, lambda: {"masks": b"png"})
    return pointer(run)


def pointer(run: StageRun) -> dict[str, Any]:
    found = read_pointer(run.store, run.place)
    assert found is not None
    return {name: value for name, value in found.items() if name not in ("seconds", "created_at")}


def test_the_short_way_leaves_what_the_whole_way_would_have_left(store: ObjectStore) -> None:
    upstream(store, "a", "n", "r")
    assert unchanged(open_run(store), SCHEMA) is None
    first = whole_way(open_run(store))
    before = store.find("")
    assert first["computed"] == 3
    again = short_way(open_run(store))
    assert again == whole_way(open_run(store)) == {**first, "computed": 0, "reused": 3}
    assert store.find("") == before


def test_rows_can_be_had_by_few_columns(local_store: ObjectStore) -> None:
    upstream(local_store, "a", "r")
    whole_way(open_run(local_store))
    done = unchanged(open_run(local_store), SCHEMA)
    assert done is not None
    assert done.columns("status", "area") == [{"status": "ok", "area": 97.0}, {"status": "rejected", "area": None}]


def test_a_picture_that_is_gone_is_drawn_again(local_store: ObjectStore) -> None:
    upstream(local_store, "a")
    whole_way(open_run(local_store))
    local_store.delete(Place("lung_masks", "phantom/0").picture("masks"))
    assert short_way(open_run(local_store))["pictures"] == ["masks"]
    assert local_store.read(Place("lung_masks", "phantom/0").picture("masks")) == b"png"


def _artefact(store: ObjectStore) -> str:
    return str(require_current(store, Place("lung_masks", "phantom/0"))[1]["artifact"][0])


def _other_model(store: ObjectStore) -> None:
    model(store, "another", require_current(store, SOURCES)[0]["digest"])


def _altered(store: ObjectStore) -> None:
    place = Place("lung_masks", "phantom/0")
    found, table = require_current(store, place)
    publish(store, Place("elsewhere", "phantom"), table.slice(1), {})
    data = store.read(
        Place("elsewhere", "phantom").manifest(require_current(store, Place("elsewhere", "phantom"))[0]["digest"])
    )
    store.write(place.manifest(found["digest"]), data)


CHANGES: dict[str, Callable[[ObjectStore], object]] = {
    "another upstream manifest": lambda store: upstream(store, "a", "b"),
    "another model": _other_model,
    "an upstream stage that is gone": lambda store: store.delete(f"{MODEL.folder}/CURRENT.json"),
    "a missing artefact": lambda store: store.delete(_artefact(store)),
    "an altered manifest": _altered,
    "a missing manifest": lambda store: store.delete(
        Place("lung_masks", "phantom/0").manifest(require_current(store, Place("lung_masks", "phantom/0"))[0]["digest"])
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_not_taken_after(local_store: ObjectStore, change: str) -> None:
    upstream(local_store, "a", "n")
    whole_way(open_run(local_store))
    assert unchanged(open_run(local_store), SCHEMA) is not None
    CHANGES[change](local_store)
    run = open_run(local_store)
    assert unchanged(run, SCHEMA) is None
    assert run.parents == {}


@pytest.mark.parametrize("other", [{"settings_used": {"size": 32}}, {"version": "2"}, {"retry_failed": True}])
def test_it_is_not_taken_with_other_settings_or_version_or_where_rows_are_to_be_tried_again(
    local_store: ObjectStore, other: dict[str, Any]
) -> None:
    upstream(local_store, "a")
    whole_way(open_run(local_store))
    assert unchanged(open_run(local_store, **other), SCHEMA) is None


def test_it_is_not_taken_where_the_manifest_is_to_have_other_columns(local_store: ObjectStore) -> None:
    upstream(local_store, "a")
    whole_way(open_run(local_store))
    assert unchanged(open_run(local_store), SCHEMA.append(pa.field("new", pa.string()))) is None


def test_manifests_of_two_generations_are_refused_by_name(local_store: ObjectStore) -> None:
    upstream(local_store, "a")
    whole_way(open_run(local_store))
    table = require_current(local_store, MODEL)[1]
    publish(local_store, MODEL, table, {"parents": {str(SOURCES): "of another day"}})
    with pytest.raises(dg.Failure, match="lung_segmenter@phantom was made from an older radiographs@phantom/0"):
        unchanged(open_run(local_store), SCHEMA)
