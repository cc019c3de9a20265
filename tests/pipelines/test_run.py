import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from pipelines import dead_runs
from pipelines.dead_runs import PROCESS_TAG, RUN_TAG, close_dead_runs, group_tag, process_tags
from pipelines.launches import RunFailed, launches, stages_until, told
from pipelines.lenders import untrained_lender
from pipelines.stages import STAGE_NAMES, STAGES
from pipelines.versions import VERSIONS
from resources.manifests import Place, publish
from resources.object_store import ObjectStore


def _ended_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.mark.parametrize("alive", [True, False])
def test_only_runs_whose_process_is_gone_are_closed(alive: bool) -> None:
    @dg.op
    def nothing() -> None:
        return None

    @dg.job
    def idle() -> None:
        nothing()

    pid = os.getpid() if alive else _ended_process()
    with dg.instance_for_test() as instance:
        run = instance.create_run_for_job(
            idle, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: f"{socket.gethostname()}:{pid}"}
        )
        assert close_dead_runs(instance) == ([] if alive else [run.run_id])
        found = instance.get_run_by_id(run.run_id)
        assert found is not None
        assert (found.status == dg.DagsterRunStatus.FAILURE) is not alive


UNENDED = [dg.DagsterRunStatus.NOT_STARTED, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


@pytest.mark.parametrize("status", UNENDED)
@pytest.mark.parametrize("reused", [True, False])
def test_a_process_that_got_the_id_of_a_dead_one_keeps_no_run_alive(
    monkeypatch: pytest.MonkeyPatch, reused: bool, status: dg.DagsterRunStatus
) -> None:
    tags = process_tags("group")
    if reused:
        monkeypatch.setattr(dead_runs, "_started", lambda pid: "1")
    with dg.instance_for_test() as instance:
        idle = dg.JobDefinition(name="idle", graph_def=dg.GraphDefinition("idle"))
        run = instance.create_run_for_job(idle, status=status, tags=tags)
        assert close_dead_runs(instance) == ([run.run_id] if reused else [])


def test_the_start_of_a_process_is_told_where_there_is_proc() -> None:
    mine = dead_runs._started(os.getpid())
    assert mine.isdecimal() == Path("/proc/self/stat").exists()
    assert dead_runs._started(_ended_process()) == ""


@pytest.mark.parametrize("began", [True, False])
def test_a_run_executed_again_is_dead_only_once_it_has_named_its_own_process(began: bool) -> None:
    @dg.op
    def nothing() -> None:
        return None

    @dg.job
    def idle() -> None:
        nothing()

    with dg.instance_for_test() as instance:
        copied = {PROCESS_TAG: f"{socket.gethostname()}:{_ended_process()}", RUN_TAG: "the first one"}
        first = instance.create_run_for_job(idle, status=dg.DagsterRunStatus.FAILURE, tags=copied)
        again = instance.create_run_for_job(
            idle,
            status=dg.DagsterRunStatus.STARTED,
            tags=copied,
            parent_run_id=first.run_id,
            root_run_id=first.run_id,
        )
        if began:
            instance.add_run_tags(again.run_id, {RUN_TAG: group_tag(again.run_id)})
        assert close_dead_runs(instance) == ([again.run_id] if began else [])


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED])
def test_slots_of_ended_runs_are_given_back_and_no_others(status: dg.DagsterRunStatus) -> None:
    pools = {"concurrency": {"pools": {"default_limit": 1}}}
    with dg.instance_for_test(overrides=pools) as instance:
        idle = dg.JobDefinition(name="idle", graph_def=dg.GraphDefinition("idle"))
        run = instance.create_run_for_job(idle, status=status, tags=process_tags("group"))
        storage = instance.event_log_storage
        storage.initialize_concurrency_limit_to_default("training")
        assert storage.claim_concurrency_slot("training", run.run_id, "step").is_claimed
        close_dead_runs(instance)
        held = [slot.run_id for slot in storage.get_concurrency_info("training").claimed_slots]
        assert held == ([] if status in dead_runs.ENDED else [run.run_id])


def test_launches_follow_the_stages_and_stop_where_told() -> None:
    every = [stage for launch in launches("phantom") for stage in launch.stages]
    assert tuple(every) == STAGE_NAMES
    assert [launch.partition for launch in launches("phantom", stages_until("reference_lung"))] == [
        "phantom/0",
        "phantom",
    ] * 2


def test_a_lender_is_run_first_only_where_it_has_no_segmenter_and_one_is_needed(
    home: Path, local_store: ObjectStore
) -> None:
    def lender(cohort: str, borrow_from: str | None, until: str | None = None) -> str | None:
        given = {} if borrow_from is None else {"lung_segmenter": {"borrow_from": borrow_from}}
        return untrained_lender(cohort, given, stages_until(until), local_store)

    assert lender("rsna", None) == "shenzhen"
    assert lender("rsna", "phantom") == "phantom"
    assert lender("rsna", "") is None
    assert lender("phantom", None) is None
    assert lender("rsna", None, "radiographs") is None
    assert lender("rsna", None, "lung_segmenter") == "shenzhen"
    publish(local_store, Place("lung_segmenter", "shenzhen"), pa.table({"content": [0]}), {"version": "0"})
    assert lender("rsna", None) == "shenzhen"
    record = {"version": VERSIONS["lung_segmenter"]}
    publish(local_store, Place("lung_segmenter", "shenzhen"), pa.table({"content": [0]}), record)
    assert lender("rsna", None) is None


@pytest.mark.parametrize(
    ("lender", "message"),
    [
        ("nobody", "the lung segmenter of 'nobody', which is no cohort; there are: nih, phantom"),
        ("rsna", "of itself; leave lung_segmenter.borrow_from empty"),
        ("nih", "of nih, which itself borrows that of shenzhen; borrow that one"),
    ],
)
def test_an_impossible_lender_is_refused_before_anything_runs(
    home: Path, local_store: ObjectStore, lender: str, message: str
) -> None:
    with pytest.raises(RunFailed, match=message):
        untrained_lender("rsna", {"lung_segmenter": {"borrow_from": lender}}, STAGES, local_store)


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    with pytest.raises(RunFailed, match="the stages are: radiographs"):
        stages_until("nosuch")


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("dagster._core.definitions.events.Failure: no pair; mend the table\nmore", "no pair; mend the table"),
        ("FileNotFoundError: [Errno 2] No such file: '/data/doe_jane.png'", "FileNotFoundError"),
        ("resources.object_store.StoreConflict: stages/x: published meanwhile", "StoreConflict"),
        ("botocore.exceptions.ClientError: An error (404)\nStack: a.py", "ClientError"),
    ],
)
def test_the_words_of_an_error_that_no_stage_raised_on_purpose_stay_inside(message: str, words: str) -> None:
    assert told(message) == words
