import base64
import socket
from pathlib import Path

import dagster as dg
import pytest

from pipelines.forget.event_log import compact, delete_runs, going, report_manifests
from resources.dagster_shapes import picture
from resources.manifests import Place
from resources.object_store import ObjectStore
from tests.lineage.made_up import MadeUp

PNG = bytes(range(256)) * 40
# A piece: a database lays a long text out over pages of its own.
EMBEDDED = base64.b64encode(PNG)[:1024]
PIECE = 64
PARTITIONS = dg.StaticPartitionsDefinition(["made/0", "made/1"])


@dg.asset(partitions_def=PARTITIONS)
def lung_masks(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    context.log.info("a line of the log")
    return dg.MaterializeResult(metadata={"sheet": picture(PNG), "of": context.partition_key})


@dg.asset(partitions_def=PARTITIONS, name="translator")
def watched(context: dg.AssetExecutionContext) -> dg.MaterializeResult:  # type: ignore[type-arg]
    event = dg.AssetObservation(context.asset_key, partition=context.partition_key, metadata={"panel": picture(PNG)})
    context.log_event(event)
    if context.run.tags.get("stop"):
        raise dg.Failure("stopped after it was seen", allow_retries=False)
    return dg.MaterializeResult(metadata={"of": context.partition_key})


def bytes_of(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def pictured(folder: Path) -> bool:
    data = bytes_of(folder)
    return any(EMBEDDED[start : start + PIECE] in data for start in range(0, len(EMBEDDED), PIECE))


def test_runs_go_with_their_pictures_and_others_stay(local_store: ObjectStore, tmp_path: Path) -> None:
    made = MadeUp(local_store, shards=2, stored=lambda index: False).publish()
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        runs = {
            key: dg.materialize([lung_masks], instance=instance, partition_key=key).run_id
            for key in ("made/0", "made/1")
        }
        assert pictured(tmp_path)
        place = Place("lung_masks", "made/1")
        assert delete_runs(instance, [place]) == [runs["made/1"]]
        assert pictured(tmp_path)
        report_manifests(instance, made.store, [place])
        compact(instance)
        assert [run.run_id for run in instance.get_runs()] == [runs["made/0"]]
        event = instance.get_latest_materialization_event(dg.AssetKey("lung_masks"))
        assert event is not None
        assert event.asset_materialization is not None
        assert event.asset_materialization.partition == "made/1"
        # A second time there is nothing to be deleted, though the event that was reported is there.
        assert delete_runs(instance, [place]) == []
        assert delete_runs(instance, [Place("lung_masks", "made/0")]) == [runs["made/0"]]
        report_manifests(instance, made.store, [Place("lung_masks", "made/0")])
        compact(instance)
        assert not pictured(tmp_path)


@pytest.mark.parametrize("stopped", [False, True])
def test_what_was_seen_of_a_training_goes_with_its_run(
    local_store: ObjectStore, tmp_path: Path, *, stopped: bool
) -> None:
    made = MadeUp(local_store, shards=2, stored=lambda index: False).publish()
    place = Place("translator", "made/1")
    with dg.instance_for_test(temp_dir=str(tmp_path)) as instance:
        tags = {"stop": "yes"} if stopped else {}
        run = dg.materialize([watched], instance=instance, partition_key="made/1", tags=tags, raise_on_error=False)
        assert run.success is not stopped
        wanted = dg.AssetRecordsFilter(dg.AssetKey("translator"), asset_partitions=["made/1"])
        # Once, though the event is told and then handed over by the step.
        assert len(instance.fetch_observations(wanted, limit=9).records) == 1
        assert pictured(tmp_path)
        assert delete_runs(instance, [place]) == [run.run_id]
        report_manifests(instance, made.store, [place])
        compact(instance)
        assert instance.fetch_observations(wanted, limit=9).records == []
        assert not pictured(tmp_path)


@pytest.mark.parametrize(("partition", "found"), [("made/1", True), ("made", True), ("mad/1", False), ("", False)])
def test_a_run_of_the_cohort_is_seen(partition: str, found: bool) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/partition": partition} if partition else {}
        run_id = "00000000-0000-4000-8000-000000000001"
        instance.add_run(dg.DagsterRun("job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags))
        assert going(instance, ["made"]) == ([run_id] if found else [])


def test_a_run_whose_process_is_gone_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        tags = {"dagster/partition": "made", "pseudopair/process": f"{socket.gethostname()}:999999999"}
        run_id = "00000000-0000-4000-8000-000000000001"
        instance.add_run(dg.DagsterRun("job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags))
        assert going(instance, ["made"]) == []
