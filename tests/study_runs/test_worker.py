import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipelines.study.worker import OutOfTime, Worker, WorkFailed
from tests.study_runs import work

pytestmark = pytest.mark.timeout(240)
REPOSITORY = Path(__file__).resolve().parents[2]


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def wait_until_gone(*pids: int) -> None:
    deadline = time.monotonic() + 60
    while any(alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "still there"
        time.sleep(0.05)


def test_work_is_done_one_after_the_other_in_one_other_process() -> None:
    with Worker() as worker:
        assert worker.call(None, work.product, 6, 7) == 42
        first = worker.call(None, os.getpid)
        assert first != os.getpid()
        with pytest.raises(WorkFailed, match="the words of the error"):
            worker.call(None, work.fail, "the words of the error")
        assert worker.call(60, os.getpid) == first, "an error of the work is not the end of its process"
    wait_until_gone(first)


def test_work_that_takes_too_long_is_ended_with_all_that_it_started(tmp_path: Path) -> None:
    with Worker() as worker:
        first = worker.call(None, os.getpid)
        with pytest.raises(OutOfTime):
            worker.call(1, work.sleep_with_a_child, tmp_path / "child")
        wait_until_gone(first, int((tmp_path / "child").read_text(encoding="utf-8")))
        assert worker.call(None, work.product, 2, 3) == 6, "the next work gets another process"


def test_work_in_a_thread_that_nothing_interrupts_is_ended_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.study.worker.GRACE_SECONDS", 0.5)
    with Worker() as worker:
        first = worker.call(None, os.getpid)
        with pytest.raises(OutOfTime):
            worker.call(0.5, work.sleep_in_a_thread)
        wait_until_gone(first)


def test_a_process_that_dies_is_told_and_replaced() -> None:
    with Worker() as worker:
        with pytest.raises(WorkFailed, match="ended without a word"):
            worker.call(None, work.die)
        assert worker.call(None, work.product, 1, 1) == 1


def test_nothing_is_left_where_the_one_who_handed_out_the_work_is_killed(tmp_path: Path) -> None:
    child, ready = tmp_path / "child", tmp_path / "worker"
    code = (
        "from pathlib import Path\nfrom pipelines.study.worker import Worker\nfrom tests.study_runs import work\n"
        f"worker = Worker()\nworker.call(None, work.tell, Path({str(ready)!r}))\n"
        f"worker.call(None, work.sleep_with_a_child, Path({str(child)!r}))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=REPOSITORY)
    deadline = time.monotonic() + 120
    while not (child.exists() and child.read_text(encoding="utf-8")):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until_gone(*(int(path.read_text(encoding="utf-8")) for path in (ready, child)))


def test_a_worker_that_never_began_ends_at_once() -> None:
    with Worker() as worker:
        worker.end()


def test_a_study_in_the_background_of_a_shell_interrupts_its_work_all_the_same(tmp_path: Path) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with Worker() as worker:
            worker.call(None, work.tell, tmp_path / "worker")
            with pytest.raises(OutOfTime):
                worker.call(1, work.sleep_until_interrupted, tmp_path / "interrupted")
    finally:
        signal.signal(signal.SIGINT, before)
    assert (tmp_path / "interrupted").exists()
