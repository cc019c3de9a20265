import errno
import json
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.commands.common import prepare
from pipelines.gc import DAY, find_garbage, remove
from pipelines.gc_needs import GarbageError
from resources.fitted import FittedModel, keep_or_fit
from resources.home import STORE_VARIABLE
from resources.incremental import Outcome, Task, refresh, row_key
from resources.manifests import Place, publish, read_pointer, require_current, table_bytes
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from tests.pipelines.small_run import DECLARATION, NAMES, place, run_stages

MASKS, FIELDS = Place("lung_masks", "phantom/0"), Place("prealigned_radiographs", "phantom/0")
COLUMNS = ("key", "status", "reason", "artifact", "artifact_digest")
SCHEMA = pa.schema([(name, pa.string()) for name in COLUMNS])
KEEP = 10


def task(stage: str, name: str) -> Task:
    outcome = Outcome({}, {"array": np.full(2, ord(name[0]), np.uint8)})
    return Task(row_key(stage, "1", {}, [name]), {}, lambda: outcome)


def made(store: ObjectStore, where: Place, names: Sequence[str], parents: dict[str, str] | None = None) -> int:
    """Run a stage on rows of these names; how many it computed."""
    done = refresh(store, where, [task(where.stage, name) for name in names], lambda line: None)
    publish(store, where, done.table(SCHEMA), {"parents": parents or {}, "pictures": ["a sheet"]})
    store.write(where.picture("a sheet"), b"png")
    return done.computed


def collected(store: ObjectStore, days: float, keep_days: int = KEEP) -> int:
    """Collect as if so many days had passed; how many objects went."""
    garbage = find_garbage(store, keep_days, time.time() + days * DAY)
    removed, busy = remove(store, garbage)
    assert (removed.paths, busy) == (garbage.paths, [])
    return sum(line[2] for line in garbage.lines())


def whole(store: ObjectStore) -> bool:
    """Whether every current manifest can be read and all its artefacts are there."""
    present = store.find("")
    pointers = [path for path in present if path.endswith("CURRENT.json")]
    for path in pointers:
        _, stage, *partition, _ = path.split("/")
        _, table = require_current(store, Place(stage, "/".join(partition)))
        assert set(table["artifact"].to_pylist()) - {""} <= present
    return bool(pointers)


def test_only_what_no_manifest_needs_any_more_goes_and_only_once(store: ObjectStore) -> None:
    made(store, MASKS, ["a", "b"])
    made(store, MASKS, ["b", "c"])
    assert collected(store, KEEP - 1) == 0
    # the first manifest and the artefact of a
    assert collected(store, KEEP + 1) == 2
    assert whole(store)
    assert collected(store, KEEP + 1) == 0
    assert made(store, MASKS, ["b", "c"]) == 0


def test_what_was_current_within_the_days_is_taken_up_again_without_work(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a", "b"])
    _aged(local_store, 100)
    made(local_store, MASKS, ["c"])
    assert collected(local_store, KEEP - 1) == 0
    assert made(local_store, MASKS, ["a", "b"]) == 0


def test_a_manifest_that_a_current_one_was_made_from_stays_with_its_artefacts(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    digest = require_current(local_store, MASKS)[0]["digest"]
    made(local_store, FIELDS, ["x"], {str(MASKS): digest})
    made(local_store, MASKS, ["b"])
    assert collected(local_store, 99) == 0
    made(local_store, FIELDS, ["y"], {str(MASKS): require_current(local_store, MASKS)[0]["digest"]})
    assert collected(local_store, 99) == 4
    assert whole(local_store)


def test_a_manifest_that_is_borrowed_by_its_digest_stays(local_store: ObjectStore) -> None:
    lender, borrower = Place("translator", "phantom"), Place("translator", "rsna")
    made(local_store, lender, ["a"])
    digest = require_current(local_store, lender)[0]["digest"]
    record = {"parents": {}, "settings": {"borrow_from": f"phantom@{digest[:8]}"}}
    publish(local_store, borrower, require_current(local_store, lender)[1], record)
    made(local_store, lender, ["b"])
    assert collected(local_store, 99) == 0
    # Borrowed by name, the present one counts.
    publish(local_store, borrower, pa.table({"artifact": [""]}), {**record, "settings": {"borrow_from": "phantom"}})
    assert collected(local_store, 99) == 3
    assert whole(local_store)


def test_artefacts_of_other_places_that_a_manifest_names_stay(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    lent = local_store.find(f"{MASKS.folder}/artifacts")
    table = pa.table({"artifact": [""], "normal_artifact": sorted(lent)})
    publish(local_store, Place("pseudo_pairs", "phantom"), table, {"parents": {}})
    made(local_store, MASKS, ["b"])
    collected(local_store, 99)
    assert lent <= local_store.find("")


def test_leftovers_of_killed_runs_go_after_a_day_and_what_is_younger_never(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    left = [f"{MASKS.folder}/artifacts/ab/.x.safetensors.0123", MASKS.picture("of another day"), "checkpoints/.y.01"]
    orphan, checkpoint = MASKS.artifact("ab" * 16), "checkpoints/0a.safetensors"
    caches = [f"{MASKS.folder}/sharpness/{name}.json" for name in ("0a", "0b")]
    for path in (*left, orphan, checkpoint, *caches):
        local_store.write(path, b"x")
    _aged(local_store, 0.1, caches[0])
    assert collected(local_store, 0.5, 1) == 0
    assert collected(local_store, 1.5, KEEP) == len(left)
    assert not set(left) & set(local_store.stamps(""))
    assert collected(local_store, KEEP + 1, KEEP) == 3
    assert not {orphan, checkpoint, caches[0]} & local_store.find("")
    assert caches[1] in local_store.find("")


def test_what_is_not_of_the_store_is_told_and_stays(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    strange = ["notes.txt", "stages/lung_masks/phantom/0/artifacts/readme.md", "checkpoints/old/x.safetensors", "a/.b"]
    kept = ["withdrawn/0123456789abcdef01234567.json", "withdrawn/.x", f"{MASKS.folder}/FAILED.json"]
    for path in (*strange, *kept):
        local_store.write(path, b"x")
    assert find_garbage(local_store, 1, time.time() + 99 * DAY).unknown == sorted(strange)
    assert collected(local_store, 99) == 0
    assert {*strange, *kept} <= set(local_store.stamps(""))


@pytest.mark.parametrize("damage", ["pointer", "parents", "manifest", "absent", "altered"])
def test_nothing_goes_where_what_is_needed_cannot_be_told(local_store: ObjectStore, damage: str) -> None:
    made(local_store, MASKS, ["a"])
    path = MASKS.manifest(require_current(local_store, MASKS)[0]["digest"])
    if damage == "absent":
        local_store.delete(path)
    elif damage == "altered":
        local_store.write(path, table_bytes(pa.table({"artifact": ["another"]})))
    elif damage == "parents":
        pointer = {**require_current(local_store, MASKS)[0], "parents": None}
        local_store.write(f"{MASKS.folder}/CURRENT.json", json.dumps(pointer).encode())
    else:
        local_store.write(path if damage == "manifest" else f"{MASKS.folder}/CURRENT.json", b"{}")
    with pytest.raises(GarbageError, match="cannot be read; nothing was removed"):
        find_garbage(local_store, KEEP)


def test_a_place_that_is_published_to_meanwhile_is_left_alone(store: ObjectStore) -> None:
    made(store, MASKS, ["a"])
    made(store, FIELDS, ["a"])
    made(store, MASKS, ["b"])
    made(store, FIELDS, ["b"])
    garbage = find_garbage(store, KEEP, time.time() + 99 * DAY)
    assert made(store, MASKS, ["a"]) == 0
    removed, busy = remove(store, garbage)
    assert busy == [MASKS]
    assert removed.lines() == [line for line in garbage.lines() if line[0] == FIELDS.stage]
    assert len(removed.lines()) < len(garbage.lines())
    assert whole(store)
    assert made(store, FIELDS, ["a"]) == 1


def test_what_a_run_has_taken_up_but_not_yet_published_stays(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    _aged(local_store, 100)
    made(local_store, MASKS, ["b"])
    _aged(local_store, 50)
    garbage = find_garbage(local_store, KEEP)
    again = refresh(local_store, MASKS, [task(MASKS.stage, "a")], lambda line: None)
    assert (again.computed, again.resumed) == (0, 1)
    # One collection had found it out before, and one comes now.
    remove(local_store, garbage)
    collected(local_store, 0)
    publish(local_store, MASKS, again.table(SCHEMA), {"parents": {}})
    assert whole(local_store)


def test_a_fitted_model_that_is_taken_up_stays(local_store: ObjectStore) -> None:
    place = Place("registration_model", "phantom")
    arrays = {"weight": np.zeros(2, np.float32)}

    def model() -> FittedModel:
        return keep_or_fit(local_store, place, "recipe", ["ab" * 16], lambda key: Outcome({}, arrays))

    model()
    _aged(local_store, 100)
    again = model()
    assert not again.computed
    collected(local_store, 0)
    assert local_store.find(place.folder) == {again.row["artifact"]}


def test_places_of_shards_that_are_no_longer_declared_go_once_nothing_current_was_made_from_them(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = SHARDS_BY_COHORT["phantom"]
    old, model = Place("lung_masks", "phantom/9"), Place("reference_lung", "phantom")
    source, strange = Place("radiographs", "phantom/9"), Place("lung_masks", "elsewhere/9")
    assert old.partition not in shards
    made(local_store, source, ["a"])
    made(local_store, old, ["a"], {str(source): require_current(local_store, source)[0]["digest"]})
    made(local_store, model, ["m"], {str(old): require_current(local_store, old)[0]["digest"]})
    made(local_store, strange, ["a"])
    local_store.write(f"{old.folder}/FAILED.json", b"{}")
    local_store.write(f"{old.folder}/sharpness/0a.json", b"{}")
    _aged(local_store, 50)
    assert collected(local_store, 0) == 0
    made(local_store, model, ["m", "n"], {})
    with monkeypatch.context() as declared:
        declared.setitem(SHARDS_BY_COHORT, "phantom", [*shards, old.partition, source.partition])
        assert collected(local_store, 0) == 0
    assert collected(local_store, 0, 60) == 0
    gone = find_garbage(local_store, KEEP)
    assert {path for paths in gone.paths.values() for path in paths} == {
        *local_store.find(old.folder),
        *local_store.find(source.folder),
    }
    collected(local_store, 0)
    assert local_store.find(old.folder) == local_store.find(source.folder) == set()
    assert local_store.find(strange.folder)
    assert whole(local_store)


def test_a_place_is_removed_pointer_first(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    old = Place("lung_masks", "phantom/9")
    made(local_store, old, ["a", "b"])
    _aged(local_store, 50)
    garbage, delete, left = find_garbage(local_store, KEEP), ObjectStore.delete, [1]

    def crash_after_one(self: ObjectStore, path: str) -> None:
        if not left:
            raise KeyboardInterrupt
        left.pop()
        delete(self, path)

    monkeypatch.setattr(ObjectStore, "delete", crash_after_one)
    with pytest.raises(KeyboardInterrupt):
        remove(local_store, garbage)
    assert read_pointer(local_store, old) is None


@pytest.fixture
def at_home(home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv(STORE_VARIABLE, local_store.root)
    return local_store


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING])
def test_the_command_waits_for_the_end_of_runs(at_home: ObjectStore, status: dg.DagsterRunStatus) -> None:
    made(at_home, MASKS, ["a"])
    at_home.write(MASKS.picture("of another day"), b"x")
    _aged(at_home, 50)
    prepare()
    with dg.DagsterInstance.get() as instance:
        run_id = "00000000-0000-4000-8000-000000000001"
        tags = {"dagster/partition": "phantom/0"}
        instance.add_run(dg.DagsterRun("job", run_id=run_id, status=status, tags=tags))
        refused = CliRunner().invoke(app, ["gc", "--keep-days", "1"])
        assert (refused.exit_code, "under way" in refused.output) == (1, True)
        assert CliRunner().invoke(app, ["gc", "--keep-days", "1", "--dry-run"]).exit_code == 0
        assert MASKS.picture("of another day") in at_home.find("")
        instance.delete_run(run_id)
    done = CliRunner().invoke(app, ["gc", "--keep-days", "1"])
    assert (done.exit_code, "removed: 1 objects" in done.output) == (0, True)
    assert MASKS.picture("of another day") not in at_home.find("")


@pytest.mark.parametrize("method", ["stamps", "delete"])
def test_the_command_says_of_a_storage_that_fails(
    at_home: ObjectStore, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    made(at_home, MASKS, ["a"])
    at_home.write(MASKS.picture("of another day"), b"x")
    _aged(at_home, 50)

    def fail(self: ObjectStore, path: str) -> None:
        raise OSError(errno.EIO, "no answer")

    monkeypatch.setattr(ObjectStore, method, fail)
    done = CliRunner().invoke(app, ["gc", "--keep-days", "1"])
    assert done.exit_code == 1
    assert isinstance(done.exception, SystemExit)
    assert "no answer" in done.output


def test_a_run_may_be_going_on_so_a_day_is_kept_at_least(local_store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="at least 1 day"):
        find_garbage(local_store, 0)


def test_figures_are_told_by_stage(local_store: ObjectStore) -> None:
    made(local_store, MASKS, ["a"])
    size = sum(
        local_store.stamps(f"{MASKS.folder}/artifacts")[path][0]
        for path in local_store.find(MASKS.folder)
        if path.endswith(".safetensors")
    )
    made(local_store, MASKS, ["b"])
    local_store.write("checkpoints/ab.safetensors", bytes(2**20))
    lines = {line[:2]: line[2:] for line in find_garbage(local_store, 1, time.time() + 9 * DAY).lines()}
    assert lines[("checkpoints", "checkpoint")] == (1, 1.0)
    assert lines[("lung_masks", "artifact")] == (1, size / 2**20)
    assert lines[("lung_masks", "manifest")][0] == 1


@given(
    runs=st.lists(st.tuples(st.lists(st.sampled_from("abcd"), unique=True), st.integers(0, 20)), min_size=1, max_size=5)
)
@settings(max_examples=25, deadline=None)
def test_whatever_was_run_before_what_is_current_stays_whole(
    runs: list[tuple[list[str], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    store = ObjectStore(str(tmp_path_factory.mktemp("store")))
    for names, days in runs:
        made(store, MASKS, names)
        _aged(store, days)
        collected(store, 0)
        assert whole(store)
        assert made(store, MASKS, names) == 0
    assert collected(store, 0) == 0


def _aged(store: ObjectStore, days: float, path: str = "") -> None:
    """Make objects older than they are."""
    for name, (_, written) in store.stamps("").items():
        if name.startswith(path):
            os.utime(Path(store.root) / name, (written - days * DAY,) * 2)


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on which the cheap stages have run, nobody's to change."""
    root = tmp_path_factory.mktemp("ready") / "store"
    run_stages(str(root))
    return root


def test_real_stages_compute_nothing_after_it_and_go_back_to_a_setting_of_the_last_days(
    ready: Path, tmp_path: Path
) -> None:
    shutil.copytree(ready, tmp_path / "store")
    store = ObjectStore(str(tmp_path / "store"))
    before = _computed(store)
    rougher: dict[str, Any] = json.loads(json.dumps(DECLARATION))
    rougher["settings"]["prealigned_radiographs"] = {"row_smoothing": 0.01}
    run_stages(store.root, declaration=rougher)
    assert _computed(store) == {**dict.fromkeys(NAMES, 0), "prealigned_radiographs": before["prealigned_radiographs"]}
    assert collected(store, KEEP - 1) == 0
    run_stages(store.root)
    assert set(_computed(store).values()) == {0}
    assert collected(store, KEEP + 1) > 0
    assert whole(store)
    run_stages(store.root)
    assert set(_computed(store).values()) == {0}


def _computed(store: ObjectStore) -> dict[str, int]:
    return {name: (read_pointer(store, place(name)) or {})["computed"] for name in NAMES}
