"""Work for the worker's tests; another process imports it by name."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path


def product(first: int, second: int) -> int:
    return first * second


def fail(words: str) -> None:
    raise ValueError(words)


def die() -> None:
    os._exit(3)


def tell(file: Path) -> None:
    file.write_text(str(os.getpid()), encoding="utf-8")


def sleep_with_a_child(file: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    file.write_text(str(child.pid), encoding="utf-8")
    child.wait()


def sleep_in_a_thread() -> None:
    thread = threading.Thread(target=time.sleep, args=(600,))
    thread.start()
    thread.join()


def sleep_until_interrupted(file: Path) -> None:
    try:
        time.sleep(600)
    except KeyboardInterrupt:
        file.touch()
        raise
