"""Removals that are cut off or asked for again, and runs that go on beside them."""

from typing import Any

import dagster as dg
import pytest

from pipelines.forget import removal
from pipelines.forget.event_log import PARTITION_TAG
from pipelines.forget.layout import Layout, layout
from pipelines.forget.purge import purge
from pipelines.forget.removal import Removed, find_theirs, remove
from pipelines.forget.schemas import SCHEMAS
from pipelines.forget.theirs import ForgetError
from resources.incremental import Refreshed
from resources.manifests import Place, read_artifact, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS
from resources.stage_run import StageRun, Store, stage_run
from resources.tombstones import Tombstone, tombstone_of, tombstones, withdrawn, write_tombstone
from tests.lineage.forgetting import (
    FITTED,
    REFERENCE,
    TRAINED,
    contents,
    forgotten,
    forgotten_before,
    litter,
    open_run,
)
from tests.lineage.made_up import MadeUp
from tests.lineage.scan import traces


def dg_id(number: int) -> str:
    return f"00000000-0000-4000-8000-{number:012d}"


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
