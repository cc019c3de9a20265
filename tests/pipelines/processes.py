"""Processes of their own that begin at once: forked from a server that has loaded libraries and run nothing."""

import multiprocessing
import os
import runpy
import signal
import sys
import time
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext, ForkServerProcess
from pathlib import Path
from typing import Any

PATIENCE_SECONDS = 480
# Threads of the tests stay out of it.
PROCESSES: ForkServerContext = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.pipelines.preloaded"])


class Running:
    """`python -m MODULE ARGUMENTS` or `python -c CODE` in a process of its own; all that it prints is kept.

    Attributes:
        process: where it runs.
    """

    def __init__(self, line: tuple[str, ...], environment: dict[str, str], printed: Path) -> None:
        """Begin.

        Args:
            line: what follows `python`.
            environment: all variables of the process.
            printed: file that takes what it prints.
        """
        printed.parent.mkdir(parents=True, exist_ok=True)
        printed.touch()
        self._printed = printed
        self.process = PROCESSES.Process(target=_apart, args=(line, environment, printed))
        self.process.start()

    def printed(self) -> str:
        """What it has printed so far."""
        return self._printed.read_text(encoding="utf-8")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        assert self.process.pid is not None
        if self.process.is_alive():
            os.kill(self.process.pid, number)

    def wait_until(self, reached: Callable[[], bool], interval: float = 0.1) -> None:
        """Wait until something is reached, which must be before it ends."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not reached():
            assert self.process.is_alive(), self.printed()
            assert time.monotonic() < deadline, f"not reached in time:\n{self.printed()}"
            time.sleep(interval)

    def end(self, patience: float = PATIENCE_SECONDS) -> tuple[int, str]:
        """Wait until it ends; exit status, negative where a signal ended it, and all that it printed."""
        self.process.join(patience)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
            raise AssertionError(f"still running after {patience} s:\n{self.printed()}")
        return self.process.exitcode, self.printed()


def in_child(target: Callable[..., None], *arguments: Any, environment: Mapping[str, str] | None = None) -> int:  # noqa: ANN401
    """Call a function in a process of its own; the exit status, negative where a signal ended it."""
    process = started(target, *arguments, environment=environment)
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def started(
    target: Callable[..., None],
    *arguments: Any,  # noqa: ANN401
    environment: Mapping[str, str] | None = None,
) -> ForkServerProcess:
    """Begin a call in a process of its own, with some variables changed."""
    process = PROCESSES.Process(target=_call, args=(target, arguments, environment or {}))
    process.start()
    return process


def _call(target: Callable[..., None], arguments: tuple[Any, ...], environment: Mapping[str, str]) -> None:
    os.environ.update(environment)
    target(*arguments)


def _apart(line: tuple[str, ...], environment: dict[str, str], printed: Path) -> None:
    """Become what a process is that has just been started: with variables, outputs and arguments of its own."""
    with printed.open("ab") as stream:
        for descriptor in (1, 2):
            os.dup2(stream.fileno(), descriptor)
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
    sys.stderr = open(2, "w", encoding="utf-8", buffering=1, closefd=False)  # noqa: SIM115
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    switch, what, *arguments = line
    sys.argv = [switch, *arguments]
    if switch == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(what, {"__name__": "__main__"})
