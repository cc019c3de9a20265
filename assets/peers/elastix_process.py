"""elastix in a process of its own: its ITK beside SimpleITK's and ANTs' in one process can crash it.

The process is no multiprocessing worker, for such a one first imports its parent's main module and all that it needs.
"""

import os
import subprocess
import sys
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from threading import Lock
from weakref import finalize

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]

WORKER = Path(__file__).with_name("elastix_worker.py")
THREADS = "ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"


class ElastixProcess:
    """A process that registers one pair after the other; it starts with the first, since loading elastix takes long.

    It ends with this object, or with the interpreter. Threads that share it take turns.
    """

    def __init__(self, script: Path = WORKER) -> None:
        """`script` is given a connection's descriptor; `assets.peers.elastix_worker` has the rest of the protocol."""
        self._script = script
        self._lock = Lock()
        self._child: _Child | None = None

    def register(self, fixed: F32, moving: F32) -> F32:
        """Displacement (2, H, W) in pixels, channel 0 x and 1 y, backward, of two (H, W) images of one size.

        Raises:
            RuntimeError: elastix refused the images, or its process ended; the next call starts another.
        """
        with self._lock:
            answer = self._ask(fixed, moving)
        if isinstance(answer, str):
            raise RuntimeError(f"elastix: expected to register a pair of {fixed.shape}, it answered {answer}")
        return answer

    def _ask(self, fixed: F32, moving: F32) -> F32 | str:
        child = self._child = self._child or _Child(self._script)
        try:
            child.link.send((fixed, moving))
            answer: F32 | str = child.link.recv()
        except BaseException as error:
            # Interrupted, too: the next pair must not get this one's answer.
            self._child = None
            code = child.end()
            if isinstance(error, (EOFError, OSError)):
                raise RuntimeError(
                    f"elastix: expected a displacement, its process ended with code {code}; "
                    "try the pair again, or leave the arm elastix out"
                ) from error
            raise
        return answer


class _Child:
    """A running script and the connection to it."""

    def __init__(self, script: Path) -> None:
        self.link, theirs = Pipe()
        # -P keeps the script's neighbors from hiding modules that ITK imports by the same names.
        command = [sys.executable, "-P", str(script), str(theirs.fileno())]
        nowhere = subprocess.DEVNULL
        self._process = subprocess.Popen(
            command,
            stdin=nowhere,
            stdout=nowhere,
            stderr=nowhere,
            env=os.environ | {THREADS: "1"},
            pass_fds=[theirs.fileno()],
        )
        theirs.close()
        self.end = finalize(self, _end, self.link, self._process)


def _end(link: Connection, process: subprocess.Popen[bytes]) -> int:
    """The code that the process ended with, by itself or, if it still ran, by being killed."""
    link.close()
    process.kill()
    return process.wait()
