"""A process of its own that work is handed to: it can be ended at any moment, a training in its threads, too."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext, SpawnProcess
from typing import Any, Protocol, Self

# What is under way may still say that it was ended; all that is finished lies in the store by then.
GRACE_SECONDS = 10.0
# Nothing of this process is inherited: threads of torch would not survive a fork.
PROCESSES: SpawnContext = multiprocessing.get_context("spawn")


class OutOfTime(RuntimeError):
    """The work was not done in time, and was ended."""


class WorkFailed(RuntimeError):
    """The work raised an error; the message is its own."""


class Work(Protocol):
    """A function that can be imported by name, with arguments that can be sent."""

    def __call__(self, *arguments: Any) -> Any:  # noqa: ANN401
        """Do the work."""


class Worker:
    """Does one piece of work after the other in another process, begun with the first, ended with the block."""

    def __init__(self) -> None:
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def call(self, seconds: float | None, work: Work, *arguments: Any) -> Any:  # noqa: ANN401
        """Have something done.

        Args:
            seconds: it is ended after this time, none for no limit.
            work: what is to be done.
            arguments: its arguments.

        Raises:
            OutOfTime: it took longer.
            WorkFailed: it raised an error, or its process died.
        """
        pipe = self._begun()
        pipe.send((work, arguments))
        if not pipe.poll(None if seconds is None else max(0.0, seconds)):
            self.end()
            raise OutOfTime
        try:
            done, result = pipe.recv()
        except EOFError:
            self.end()
            raise WorkFailed("its process ended without a word; was the memory too small?") from None
        if not done:
            raise WorkFailed(result)
        return result

    def end(self) -> None:
        """End the process and all that it has started."""
        if self._process is None or self._pipe is None or self._process.pid is None:
            return
        process, self._process = self._process, None
        self._signal(process, os.kill, signal.SIGINT)
        self._pipe.close()
        process.join(GRACE_SECONDS)
        self._signal(process, getattr(os, "killpg", os.kill), signal.SIGKILL if hasattr(signal, "SIGKILL") else 15)
        process.join()

    def _signal(self, process: SpawnProcess, send: Callable[[int, int], None], number: int) -> None:
        if process.pid is not None:
            try:
                send(process.pid, number)
            except ProcessLookupError:
                return

    def _begun(self) -> Connection:
        if self._process is None or self._pipe is None or not self._process.is_alive():
            self._pipe, other = PROCESSES.Pipe()
            self._process = PROCESSES.Process(target=_serve, args=(other,))
            self._process.start()
            other.close()
        return self._pipe


def _serve(pipe: Connection) -> None:
    if hasattr(os, "setsid"):
        # An interrupt from the terminal is for the one who hands out the work; and what this starts ends with it.
        os.setsid()
    # A shell starts what it puts into the background with interrupts ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    while True:
        try:
            work, arguments = pipe.recv()
            pipe.send(_done(work, arguments))
        except (EOFError, OSError, KeyboardInterrupt):
            return


def _done(work: Work, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
    try:
        return True, work(*arguments)
    except KeyboardInterrupt:
        return False, "it was ended from outside"
    except Exception as error:
        return False, str(error) or type(error).__name__


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(1)
