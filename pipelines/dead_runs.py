"""Runs that this machine launched in process and whose process is gone: no launcher watches over them."""

import os
import socket
from pathlib import Path

import dagster as dg

RUN_TAG = "pseudopair/run"
PROCESS_TAG = "pseudopair/process"
GOING = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING]
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
UNFINISHED = [dg.DagsterRunStatus.QUEUED, dg.DagsterRunStatus.NOT_STARTED, *GOING, dg.DagsterRunStatus.CANCELING]
# Field 22 of /proc/<pid>/stat, counted from behind the command's name, which may hold blanks.
STARTED_AT = 19


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
    host = socket.gethostname()
    dead = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        where, _, process = run.tags.get(PROCESS_TAG, "").partition(":")
        if where == host and process and not _tags_are_copied(run) and not _alive(process):
            instance.report_run_failed(run, "its process ended without a word; finished rows are kept, run again")
            dead.append(run.run_id)
    _free_slots_of_ended_runs(instance)
    return dead


def _free_slots_of_ended_runs(instance: dg.DagsterInstance) -> None:
    """Give back the pools' slots that ended runs still hold, as one that is interrupted does.

    Else the next training would wait for ever.
    """
    storage = instance.event_log_storage
    if not storage.supports_global_concurrency_limits:
        return
    pools = [storage.get_concurrency_info(pool) for pool in storage.get_concurrency_keys()]
    holders = {slot.run_id for pool in pools for slot in pool.claimed_slots}
    holders |= {step.run_id for pool in pools for step in pool.pending_steps}
    for run in instance.get_runs(dg.RunsFilter(run_ids=sorted(holders), statuses=ENDED)) if holders else ():
        storage.free_concurrency_slots_for_run(run.run_id)


def _tags_are_copied(run: dg.DagsterRun) -> bool:
    """Whether a run was executed again and has not said yet in which process: Dagster copies the first one's tags."""
    return run.parent_run_id is not None and run.tags.get(RUN_TAG) != group_tag(run.run_id)


def _process(pid: int) -> str:
    return f"{socket.gethostname()}:{pid}:{_started(pid)}"


def _started(pid: int) -> str:
    """When a process started, in ticks since the machine did; empty where the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return stat.rpartition(")")[2].split()[STARTED_AT]


def _alive(process: str) -> bool:
    number, _, began = process.partition(":")
    pid = int(number)
    if os.name == "nt":
        # Signal 0 is a keyboard interrupt there; a run that died stays for its owner to end in the UI.
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        # It is somebody else's; when it started is to be read all the same.
        pass
    # Ids are given again: another process may have it by now.
    return not began or _started(pid) in ("", began)
