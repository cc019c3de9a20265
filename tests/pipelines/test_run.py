import os
import socket
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from pipelines.run import PROCESS_TAG, RunFailed, close_dead_runs, launches, untrained_lender
from pipelines.stages import STAGE_NAMES
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


def test_launches_follow_the_stages_and_stop_where_told() -> None:
    every = [stage for launch in launches("phantom") for stage in launch.stages]
    assert tuple(every) == STAGE_NAMES
    assert [launch.partition for launch in launches("phantom", "reference_lung")] == ["phantom/0", "phantom"] * 2


def test_a_lender_is_run_first_only_where_it_has_no_segmenter_and_one_is_needed(
    home: Path, local_store: ObjectStore
) -> None:
    def lender(cohort: str, borrow_from: str | None, until: str | None = None) -> str | None:
        given = {} if borrow_from is None else {"lung_segmenter": {"borrow_from": borrow_from}}
        return untrained_lender(cohort, given, until, local_store)

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
        untrained_lender("rsna", {"lung_segmenter": {"borrow_from": lender}}, store=local_store)


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    with pytest.raises(RunFailed, match="the stages are: radiographs"):
        list(launches("phantom", "nosuch"))
