import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from assets.peers.elastix_process import THREADS, WORKER, ElastixProcess

Started = Callable[[str], ElastixProcess]
FIXED, MOVING = np.full((4, 6), 5, np.float32), np.full((4, 6), 2, np.float32)


@pytest.fixture
def started(tmp_path: Path) -> Started:
    """A process whose script answers with what an expression of the pair gives."""

    def with_answer(expression: str) -> ElastixProcess:
        script = tmp_path / "worker.py"
        body = f"""
            import os, sys, time
            from multiprocessing.connection import Connection
            with Connection(int(sys.argv[1])) as link:
                while True:
                    fixed, moving = link.recv()
                    print("said"), print("warned", file=sys.stderr)
                    link.send({expression})
        """
        script.write_text(dedent(body))
        return ElastixProcess(script)

    return with_answer


def test_the_pair_arrives_in_order_and_the_answer_returns_in_silence(
    started: Started, capfd: pytest.CaptureFixture[str]
) -> None:
    np.testing.assert_array_equal(started("fixed - moving").register(FIXED, MOVING), FIXED - MOVING)
    assert capfd.readouterr() == ("", "")


def test_one_process_serves_all_calls_with_one_thread_of_itk(started: Started) -> None:
    process = started(f"moving * 0 + [os.getpid(), int(os.environ['{THREADS}']), 0, 0, 0, 0]")
    first, second = (process.register(FIXED, MOVING)[0, :2] for _ in range(2))
    assert first[0] == second[0] != os.getpid()
    assert first[1] == 1


def test_a_sentence_is_an_error_and_the_process_goes_on(started: Started) -> None:
    process = started("'RuntimeError: too small' if moving.sum() == 0 else moving")
    with pytest.raises(RuntimeError, match=r"elastix: .* \(4, 6\), it answered RuntimeError: too small"):
        process.register(FIXED, np.zeros_like(MOVING))
    np.testing.assert_array_equal(process.register(FIXED, MOVING), MOVING)


def test_a_process_that_ends_is_told_and_another_is_started(started: Started) -> None:
    process = started("os._exit(3) if moving.sum() == 0 else moving")
    np.testing.assert_array_equal(process.register(FIXED, MOVING), MOVING)
    with pytest.raises(RuntimeError, match="its process ended with code 3"):
        process.register(FIXED, np.zeros_like(MOVING))
    np.testing.assert_array_equal(process.register(FIXED, MOVING), MOVING)


def test_an_interrupted_call_leaves_no_answer_to_the_next(started: Started, monkeypatch: pytest.MonkeyPatch) -> None:
    process = started("moving")
    process.register(FIXED, MOVING)
    child = process._child
    assert child is not None

    def interrupted() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(child.link, "recv", interrupted)
    with pytest.raises(KeyboardInterrupt):
        process.register(FIXED, np.zeros_like(MOVING))
    np.testing.assert_array_equal(process.register(FIXED, MOVING), MOVING)


def test_the_process_ends_with_its_owner(started: Started) -> None:
    process = started("moving * 0 + os.getpid()")
    child = int(process.register(FIXED, MOVING)[0, 0])
    os.kill(child, 0)
    del process
    with pytest.raises(ProcessLookupError):
        os.kill(child, 0)


def test_the_worker_imports_nothing_of_this_project_nor_what_brings_another_itk() -> None:
    code = (
        f"import runpy, sys; runpy.run_path({str(WORKER)!r}); "
        "print([n for n in ('assets', 'SimpleITK', 'torch', 'ants', 'cv2') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
