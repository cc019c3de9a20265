import json
from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.pictures import to_png
from pipelines.forget import removal
from pipelines.forget.event_log import PARTITION_TAG
from pipelines.forget.layout import Layout, layout
from pipelines.forget.purge import purge
from pipelines.forget.removal import Removed, find_theirs, remove
from pipelines.forget.rewriting import UNNAMED
from pipelines.forget.schemas import SCHEMAS, as_written
from pipelines.forget.theirs import ForgetError, Theirs
from pipelines.lineage.fitted_on import FITTED_STAGES, fitted_keys
from pipelines.stages import STAGE_NAMES
from resources.arrays import encode
from resources.fitted import keep_or_fit
from resources.incremental import Outcome, Refreshed
from resources.manifests import Place, publish, read_artifact, read_pointer, require_current, table_bytes
from resources.object_store import ObjectStore
from resources.partitions import SHARDS
from resources.removals import removals
from resources.stage_run import MUST_RETRAIN, StageRun, Store, stage_run
from resources.tombstones import Tombstone, tombstone_of, tombstones, withdrawn, write_tombstone
from tests.lineage.made_up import MadeUp
from tests.lineage.scan import pixels_of, traces
from tests.lineage.test_answer import rewrite

# Patients: the reference lung's own, one who trained, one who validated, one who was tested.
REFERENCE, TRAINED, VALIDATED, TESTED = 0, 3, 14, 17
FITTED = {f"{stage}@made" for stage in FITTED_STAGES}


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def places_of(store: ObjectStore) -> list[Place]:
    return [place for place in layout(store).objects if read_pointer(store, place)]


def litter(made: MadeUp, index: int) -> None:
    """Leave what runs leave besides rows: earlier manifests, orphans, thumbnails, pictures, a killed writer's file."""
    store, shard, key = made.store, made.shard(index), made.key("registered_radiographs", index)
    arrays = made.arrays("registered_radiographs", index)
    png = to_png(np.repeat((arrays["image"] >> 8).astype(np.uint8)[..., None], 3, axis=2))
    for stage in ("lung_masks", "registered_radiographs"):
        rewrite(store, Place(stage, shard), lambda row: {**row, "reason": "looked at"})
        store.write(f"stages/{stage}/{shard}/pictures/sheet.png", png)
    store.write(Place("lung_masks", shard).artifact("f" * 32), encode(arrays, {}))
    store.write(f"{Place('registered_radiographs', shard).folder}/artifacts/ab/.{key}.0123", encode(arrays, {}))
    store.write(f"stages/radiographs/{shard}/index/files.json", made.file(index).encode())
    store.write(f"stages/pseudo_pairs/made/descriptors/{shard}.safetensors", encode({key: arrays["image"]}, {}))
    store.write("stages/evaluation/made/report.html", made.name(index)[:6].encode() + png)
    store.write("checkpoints/0.safetensors", encode({"pool": arrays["image"]}, {}))
    failure = (
        f'{{"run_id": "1", "error": "{Place("lung_masks", shard).artifact(made.key("lung_masks", index))} missing"}}'
    )
    store.write(f"stages/prealigned_radiographs/{shard}/FAILED.json", failure.encode())


def forgotten(made: MadeUp, instance: dg.DagsterInstance, index: int) -> tuple[Theirs, list[bytes], Removed]:
    found = find_theirs(made.store, [made.patient(index)])
    pixels = pixels_of(made.store, found, places_of(made.store))
    return found, pixels, remove(made.store, instance, found)


def contents(store: ObjectStore) -> dict[str, Any]:
    return {str(place): require_current(store, place) for place in places_of(store)}


@pytest.mark.parametrize("index", [REFERENCE, TRAINED, TESTED])
def test_nothing_of_a_removed_patient_is_left(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    litter(made, index)
    before = traces(made.store, *(seen := forgotten_before(made, index)))
    # The scan sees every kind of trace, or it proves nothing.
    for part in ("manifests/", "artifacts/", "index/", "descriptors/", "checkpoints/", "FAILED.json", "/."):
        assert any(part in path for path in before), part
    remove(made.store, instance, seen[0])
    assert traces(made.store, *seen) == []
    left = made.store.stamps("stages")
    mine = [path for path in left if f"/{made.shard(index)}/" in path or path.split("/")[2:3] == ["made"]]
    assert [path for path in mine if path.endswith((".png", ".html"))] == []
    assert (
        "failed before a patient withdrew"
        in made.store.read(f"stages/prealigned_radiographs/{made.shard(index)}/FAILED.json").decode()
    )


def forgotten_before(made: MadeUp, index: int) -> tuple[Theirs, list[bytes]]:
    found = find_theirs(made.store, [made.patient(index)])
    return found, pixels_of(made.store, found, places_of(made.store))


@pytest.mark.parametrize("index", [REFERENCE, TRAINED, TESTED])
def test_everything_of_everybody_else_stays(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    before = contents(made.store)
    found, _, _ = forgotten(made, instance, index)
    after = contents(made.store)
    assert before.keys() - after.keys() == ({"reference_lung@made"} if index == REFERENCE else set())
    for name, (pointer, table) in after.items():
        others = [row for row in before[name][1].to_pylist() if not _names(row, made, index)]
        if name.partition("@")[0] not in FITTED_STAGES:
            assert table.to_pylist() == others
            # The next run's manifest, byte by byte.
            stage, _, partition = name.partition("@")
            data = made.store.read(Place(stage, partition).manifest(pointer["digest"]))
            assert data == table_bytes(pa.Table.from_pylist(others, SCHEMAS[stage])), name
        for row in table.to_pylist():
            if row["artifact"]:
                read_artifact(made.store, row)
    assert dict(found.counts)["radiographs"] == 1


def _names(row: dict[str, Any], made: MadeUp, index: int) -> bool:
    return made.patient(index) in (row.get("patient"), row.get("abnormal_patient"), row.get("normal_patient"))


@pytest.mark.parametrize("index", [TRAINED, TESTED])
def test_what_is_untouched_stays_fresh(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    forgotten(made, instance, index)
    now = {name: pointer["digest"] for name, (pointer, _) in contents(made.store).items()}
    for pointer, table in contents(made.store).values():
        assert {parent: now[parent] for parent in pointer["parents"]} == pointer["parents"]
        assert pointer["rows"] == table.num_rows == pointer["planned"]
        assert pointer["ok"] == table["status"].to_pylist().count("ok")
        # What was drawn is to be drawn again.
        assert pointer["pictures"] == ["sheet"]


def marks(store: ObjectStore) -> set[str]:
    return {name for name, (pointer, _) in contents(store).items() if pointer.get(MUST_RETRAIN)}


def test_models_fitted_with_a_patient_are_marked_and_so_are_those_who_borrow_them(
    made: MadeUp, instance: dg.DagsterInstance
) -> None:
    _, _, removed = forgotten(made, instance, TRAINED)
    expected = {*FITTED, "lung_segmenter@other", "translator@made", "pseudo_pairs@made"}
    assert marks(made.store) == expected == set(removed.tombstone.models)


def test_a_patient_of_the_test_part_trained_no_model(made: MadeUp, instance: dg.DagsterInstance) -> None:
    before = contents(made.store)
    _, _, removed = forgotten(made, instance, TESTED)
    expected = {"pseudo_pairs@made", "evaluation@made", "registration_report@made"}
    assert marks(made.store) == expected == set(removed.tombstone.models)
    after = contents(made.store)
    for name in {*FITTED, "translator@made", "lung_segmenter@other"}:
        assert after[name][0]["digest"] == before[name][0]["digest"]


def test_normal_maps_are_marked_though_nothing_was_scored_yet(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("normal_maps", "made")
    for path in [path for path in made.store.stamps("stages") if "/anomaly_maps/" in path or "/evaluation/" in path]:
        made.store.delete(path)
    publish(made.store, place, SCHEMAS["normal_maps"].empty_table(), {"parents": {}, "settings": {}, "version": "1"})
    _, _, removed = forgotten(made, instance, VALIDATED)
    assert str(place) in marks(made.store)
    assert str(place) in removed.tombstone.models


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({"patience": 2}, True),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": [4, 8]}, True),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": [4]}, False),
        ({"arms": ["none/pca"], "checked_images": 0, "pca_components": [4, 8]}, False),
        ({"arms": ["none/cut"], "checked_images": 8, "pca_components": [4, 8]}, False),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": 32}, False),
    ],
)
def test_a_translator_that_validation_chose_is_marked_for_any_patient(
    made: MadeUp, instance: dg.DagsterInstance, settings: dict[str, Any], chosen: bool
) -> None:
    place = Place("translator", "made")
    path = f"{place.folder}/CURRENT.json"
    pointer = json.loads(made.store.read(path))
    made.store.write(path, json.dumps({**pointer, "settings": settings}).encode())
    forgotten(made, instance, TESTED)
    assert (str(place) in marks(made.store)) == chosen


def test_the_reference_that_is_the_patient_is_not_kept(made: MadeUp, instance: dg.DagsterInstance) -> None:
    _, _, removed = forgotten(made, instance, REFERENCE)
    assert read_pointer(made.store, Place("reference_lung", "made")) is None
    assert "reference_lung@made" in removed.tombstone.models


def test_the_next_run_fits_such_a_model_anew_and_keeps_the_others(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("registration_model", "made")
    rows = require_current(made.store, Place("prealigned_radiographs", made.shard(0)))[1].to_pylist()
    rows += require_current(made.store, Place("prealigned_radiographs", made.shard(1)))[1].to_pylist()
    train = [row for row in rows if row["split"] == "train"]

    def computed() -> bool:
        present = [row["key"] for row in train if row["key"] not in gone]
        return keep_or_fit(made.store, place, "r", present, lambda key: Outcome({}, {"w": np.ones(1)})).computed

    gone: set[str] = set()
    assert not computed()
    forgotten(made, instance, TESTED)
    assert not computed()
    found, _, _ = forgotten(made, instance, TRAINED)
    gone |= found.keys
    row = require_current(made.store, place)[1].to_pylist()[0]
    assert "0" * 32 in fitted_keys(made.store, row)
    assert computed()


def test_the_same_pixels_under_another_name_and_in_another_cohort_go_too(
    made: MadeUp, instance: dg.DagsterInstance
) -> None:
    place = Place("radiographs", "other/0")

    def twin(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "radiograph_id": made.name(TRAINED)} if row["row"] == 6 else row

    rewrite(made.store, place, twin)
    found, _, removed = forgotten(made, instance, TRAINED)
    assert found.cohorts == ("made", "other")
    assert made.name(TRAINED) not in require_current(made.store, place)[1]["radiograph_id"].to_pylist()
    assert removed.tombstone.counts["radiographs"] == 2


def test_a_removal_may_be_limited_to_a_cohort_whose_ids_are_its_own(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("radiographs", "other/0")
    rewrite(made.store, place, lambda row: {**row, "patient": made.patient(TRAINED)} if row["row"] == 6 else row)
    before = read_pointer(made.store, place)
    found = find_theirs(made.store, [made.patient(TRAINED)], "made")
    remove(made.store, instance, found, "made")
    after = read_pointer(made.store, place)
    assert before is not None
    assert after is not None
    assert before["digest"] == after["digest"]
    assert made.patient(TRAINED) in withdrawn(made.store, "made").patients
    assert made.patient(TRAINED) not in withdrawn(made.store, "other").patients
    assert find_theirs(made.store, [made.patient(TRAINED)]).cohorts == ("made", "other")


class Cut(BaseException):
    """The process ends here."""


def cut_after(monkeypatch: pytest.MonkeyPatch, operations: int) -> None:
    left = [operations]

    def counted(name: str) -> Any:  # noqa: ANN401
        method = getattr(ObjectStore, name)

        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401
            if left[0] == 0:
                raise Cut
            left[0] -= 1
            return method(*arguments, **options)

        return call

    for name in ("write", "replace", "delete"):
        monkeypatch.setattr(ObjectStore, name, counted(name))


@pytest.mark.parametrize(
    ("index", "operations"),
    [(REFERENCE, 4), (REFERENCE, 40), *((TRAINED, operations) for operations in (0, 1, 3, 5, 8, 13, 20, 30, 55))],
)
def test_a_removal_that_is_cut_off_anywhere_is_completed_by_the_next(
    made: MadeUp, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, index: int, operations: int
) -> None:
    litter(made, index)
    seen = forgotten_before(made, index)
    with monkeypatch.context() as patched:
        cut_after(patched, operations)
        with pytest.raises(Cut):
            remove(made.store, instance, seen[0])
    if operations:
        # Whoever was to be removed stays out from the first moment.
        assert made.patient(index) in withdrawn(made.store).patients
    assert all(not stone.completed_at for stone in tombstones(made.store))
    again = remove(made.store, instance, find_theirs(made.store, [made.patient(index)])).tombstone
    assert traces(made.store, *seen) == []
    assert set(again.radiographs) == {made.name(index)}
    assert again.counts["radiographs"] == 1
    # Reference dropped in the first attempt is no longer there to be named by the second.
    fitted = FITTED - ({"reference_lung@made"} if index == REFERENCE else set())
    assert {*fitted, "lung_segmenter@other", "translator@made"} <= set(again.models)
    for _, table in contents(made.store).values():
        for row in table.to_pylist():
            if row["artifact"]:
                read_artifact(made.store, row)


def test_a_patient_whom_nothing_names_is_no_reason_for_a_tombstone(made: MadeUp) -> None:
    with pytest.raises(ForgetError, match="no manifest of the store names that patient"):
        find_theirs(made.store, ["0" * 24])
    with pytest.raises(ForgetError, match="no manifest of cohort other names that patient"):
        find_theirs(made.store, [made.patient(TRAINED)], "other")
    assert tombstones(made.store) == []


def test_a_manifest_that_cannot_be_read_may_name_anybody(made: MadeUp) -> None:
    path = Place("lung_masks", "made/0").manifest("0" * 64)
    made.store.write(path, b"garbled")
    with pytest.raises(ForgetError, match=f"{path} cannot be read"):
        find_theirs(made.store, [made.patient(TRAINED)])


def test_a_removal_may_be_asked_for_again(made: MadeUp, instance: dg.DagsterInstance) -> None:
    _, _, first = forgotten(made, instance, TRAINED)
    _, _, second = forgotten(made, instance, TRAINED)
    assert second.objects == 0
    assert replace_times(second) == replace_times(first)
    assert tombstone_of(made.store, made.patient(TRAINED)) == second.tombstone


def replace_times(removed: Removed) -> Any:  # noqa: ANN401
    return removed.tombstone.model_copy(update={"completed_at": ""})


def test_nobody_is_removed_under_a_run(made: MadeUp, instance: dg.DagsterInstance) -> None:
    tags = {PARTITION_TAG: made.shard(TRAINED)}
    instance.add_run(dg.DagsterRun("job", run_id=dg_id(1), status=dg.DagsterRunStatus.STARTED, tags=tags))
    before = contents(made.store)
    with pytest.raises(ForgetError, match=r"1 runs of made are under way .*nothing was removed"):
        forgotten(made, instance, TRAINED)
    assert contents(made.store).keys() == before.keys()
    assert tombstones(made.store) == []


def test_a_run_of_another_cohort_is_no_hindrance(made: MadeUp, instance: dg.DagsterInstance) -> None:
    tags = {PARTITION_TAG: "other/0"}
    instance.add_run(dg.DagsterRun("job", run_id=dg_id(1), status=dg.DagsterRunStatus.STARTED, tags=tags))
    assert forgotten(made, instance, TRAINED)[2].runs == ()


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.CANCELING])
def test_a_run_that_is_yet_to_start_or_to_end_is_waited_for(
    made: MadeUp, instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    tags = {PARTITION_TAG: "made"}
    instance.add_run(dg.DagsterRun("job", run_id=dg_id(1), status=status, tags=tags))
    with pytest.raises(ForgetError, match=r"under way or queued .*nothing was removed"):
        forgotten(made, instance, TRAINED)


def test_a_run_that_starts_while_the_tombstone_is_written_is_seen(
    made: MadeUp, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written(store: ObjectStore, tombstone: Tombstone) -> None:
        write_tombstone(store, tombstone)
        run = dg.DagsterRun("job", run_id=dg_id(1), status=dg.DagsterRunStatus.STARTED, tags={PARTITION_TAG: "made"})
        instance.add_run(run)

    before = made.store.stamps("stages")
    with monkeypatch.context() as patched:
        patched.setattr(removal, "write_tombstone", written)
        with pytest.raises(ForgetError, match="the patient stays out, but what is there is not removed yet"):
            forgotten(made, instance, TRAINED)
    assert made.store.stamps("stages") == before
    assert [stone.completed_at for stone in tombstones(made.store)] == [""]
    instance.delete_run(dg_id(1))
    assert forgotten(made, instance, TRAINED)[2].tombstone.completed_at


def test_what_is_written_during_a_removal_is_found_by_another_pass(
    made: MadeUp, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = forgotten_before(made, TRAINED)
    place = Place("registered_radiographs", made.shard(TRAINED))
    pointer = made.store.read(f"{place.folder}/CURRENT.json")
    whole = {path: made.store.read(path) for path in layout(made.store).objects[place]}
    late = [True]

    def purged(store: ObjectStore, places: Layout, partitions: tuple[str, ...]) -> int:
        deleted = purge(store, places, partitions)
        if late:
            late.clear()
            # A run of another machine, which had begun before, publishes what it has.
            for path, data in whole.items():
                store.write(path, data)
            store.write(f"{place.folder}/CURRENT.json", pointer)
        return deleted

    monkeypatch.setattr(removal, "purge", purged)
    remove(made.store, instance, seen[0])
    assert late == []
    assert traces(made.store, *seen) == []


def open_run(store: ObjectStore, cohort: str = "made") -> StageRun:
    """A run of a stage that has begun."""
    begun = removals(store, cohort)
    return StageRun(store, "lung_masks", "1", f"{cohort}/1", cohort, {}, {}, "run", lambda line: None, removals=begun)


def published(run: StageRun) -> None:
    run.finish(Refreshed([], 0, 0, 0, 0.0), SCHEMAS[run.stage], {})


def test_what_began_before_a_removal_publishes_nothing_and_what_begins_after_it_does(
    made: MadeUp, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    early, elsewhere, refused = open_run(made.store), open_run(made.store, "other"), []

    def purged(store: ObjectStore, places: Layout, partitions: tuple[str, ...]) -> int:
        for begin in (lambda: open_run(store), lambda: published(early)):
            with pytest.raises(dg.Failure, match=r"a patient is being removed from made, .* --list`"):
                begin()
            refused.append(begin)
        return purge(store, places, partitions)

    with monkeypatch.context() as patched:
        patched.setattr(removal, "purge", purged)
        forgotten(made, instance, TRAINED)
    assert refused
    before = read_pointer(made.store, early.place)
    with pytest.raises(dg.Failure, match="a patient was removed from made while lung_masks@made/1 ran") as failed:
        published(early)
    assert failed.value.allow_retries is False
    assert read_pointer(made.store, early.place) == before
    for run in (elsewhere, open_run(made.store)):
        published(run)
        assert (read_pointer(made.store, run.place) or {})["rows"] == 0


def test_a_removal_between_the_drawing_and_the_publishing_is_seen(made: MadeUp) -> None:
    run = open_run(made.store)
    before = read_pointer(made.store, run.place)

    def drawn() -> dict[str, bytes]:
        write_tombstone(made.store, Tombstone(patient="a" * 24, withdrawn_at="now", cohorts=("made",)))
        return {}

    with pytest.raises(dg.Failure, match="a patient is being removed from made"):
        run.finish(Refreshed([], 0, 0, 0, 0.0), SCHEMAS[run.stage], {}, drawn)
    assert read_pointer(made.store, run.place) == before


def test_a_stage_is_refused_before_it_begins_while_a_removal_is_not_complete(local_store: ObjectStore) -> None:
    began: list[str] = []

    @dg.asset(name="lung_masks", partitions_def=SHARDS)
    def stage(context: dg.AssetExecutionContext, store: Store) -> None:
        with stage_run(context, store, "1") as run:
            began.append(run.partition)

    def ran() -> bool:
        given = {"store": Store(root=local_store.root)}
        return dg.materialize([stage], partition_key="phantom/0", resources=given, raise_on_error=False).success

    stone = Tombstone(patient="a" * 24, withdrawn_at="2026-01-01T00:00:00+00:00", cohorts=("nih",))
    write_tombstone(local_store, stone)
    assert ran()
    write_tombstone(local_store, stone.model_copy(update={"cohorts": ("nih", "phantom")}))
    assert not ran()
    # The stage itself has not failed.
    assert local_store.stamps("stages") == {}
    write_tombstone(local_store, stone.model_copy(update={"cohorts": ("phantom",), "completed_at": "2026"}))
    assert ran()
    assert began == ["phantom/0"] * 2


def test_what_a_removal_marked_is_not_taken_as_it_is(made: MadeUp) -> None:
    run = open_run(made.store)
    pointer = {"settings": run.settings_used, "version": run.version}
    assert run.set_as(pointer)
    assert not run.set_as({**pointer, MUST_RETRAIN: "a patient withdrew"})


def test_every_stage_has_its_schema_and_other_columns_are_left_as_they_are() -> None:
    assert tuple(SCHEMAS) == (*STAGE_NAMES, "study_table")
    old = pa.table({"key": ["a"], "column of an earlier version": [1]})
    assert as_written("lung_masks", old).equals(old)
    assert as_written("no stage", old).equals(old)


def dg_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


def test_a_failed_training_no_longer_names_the_radiograph(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("translator", "made")
    names = sorted(find_theirs(made.store, [made.patient(TRAINED)]).radiographs)
    rewrite(made.store, place, lambda row: {**row, "reason": f"not finite; its batch had {names[0]}"})
    forgotten(made, instance, TRAINED)
    reasons = set(require_current(made.store, place)[1]["reason"].to_pylist())
    assert reasons == {UNNAMED}


def test_a_model_that_cannot_be_read_is_to_be_made_anew(made: MadeUp, instance: dg.DagsterInstance) -> None:
    row = require_current(made.store, Place("registration_peers", "made"))[1].to_pylist()[0]
    made.store.write(row["artifact"], b"garbled")
    _, _, removed = forgotten(made, instance, TESTED)
    assert "registration_peers@made" in removed.tombstone.models
    assert read_pointer(made.store, Place("registration_peers", "made")) is None


def test_a_remote_store_is_cleared_like_a_local_one(s3_store: ObjectStore, instance: dg.DagsterInstance) -> None:
    made = MadeUp(s3_store, stored=lambda index: index < 4).publish()
    litter(made, TRAINED)
    seen = forgotten_before(made, TRAINED)
    assert traces(s3_store, *seen)
    remove(s3_store, instance, seen[0])
    assert traces(s3_store, *seen) == []
