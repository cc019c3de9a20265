import os
import socket
import subprocess
import sys

import dagster as dg
import pytest

from pipelines.run import PROCESS_TAG, RunFailed, close_dead_runs, launches
from pipelines.stages import STAGE_NAMES


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
    assert [launch.partition for launch in launches("phantom", "reference_lung")] == ["phantom/0", "phantom"]


def test_an_unknown_stage_is_refused_with_those_there_are() -> None:
    with pytest.raises(RunFailed, match="the stages are: radiographs"):
        list(launches("phantom", "nosuch"))
