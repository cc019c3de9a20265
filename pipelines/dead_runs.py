"""Runs that this machine launched in process and whose process is gone: no launcher watches over them."""

import os
import socket

import dagster as dg

RUN_TAG = "pseudopair/run"
PROCESS_TAG = "pseudopair/process"
GOING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]


def process_tags(tag: str) -> dict[str, str]:
    """Tags of the runs that belong together, with the process that they live and die with."""
    return {RUN_TAG: tag, PROCESS_TAG: _process(os.getpid())}


def group_tag(run_id: str) -> str:
    """Tag of the runs that a run launches."""
    return run_id[:12]


def close_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """Report runs as failed whose process on this machine is gone: nobody else would ever do it.

    Returns:
        Ids of the runs closed.
    """
    host = _process(0).partition(":")[0]
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=GOING)):
        where, _, pid = run.tags.get(PROCESS_TAG, "").partition(":")
        if where == host and pid and not _tags_are_copied(run) and not _alive(int(pid)):
            instance.report_run_failed(run, "its process ended without a word; finished rows are kept, run again")
            # Else the next training would wait for ever for the pool's slot that the dead one holds.
            instance.event_log_storage.free_concurrency_slots_for_run(run.run_id)
            dead.append(run.run_id)
    return dead


def _tags_are_copied(run: dg.DagsterRun) -> bool:
    """Whether a run was executed again and has not said yet in which process: Dagster copies the first one's tags."""
    return run.parent_run_id is not None and run.tags.get(RUN_TAG) != group_tag(run.run_id)


def _process(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}"


def _alive(pid: int) -> bool:
    if os.name == "nt":
        # Signal 0 is a keyboard interrupt there; a run that died stays for its owner to end in the UI.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
