"""A run that is interrupted ends at the next step of what trains in its threads, and its checkpoints are kept."""

import os
import signal
import time
from pathlib import Path

import pytest

from resources.manifests import read_pointer
from resources.object_store import ObjectStore
from tests.pipelines.processes import started
from tests.pipelines.translator_bench import checkpoints, lay_out, place, train

pytestmark = pytest.mark.timeout(300)
ARMS = ["none/cut", "none/cyclegan"]
# Of a training that would take an hour.
ENDS_WITHIN_SECONDS = 30.0


def run(root: str) -> None:
    train(root, arms=ARMS, steps=100_000, checkpoint_minutes=0, threads=2)


def test_an_interrupt_ends_trainings_side_by_side(tmp_path: Path) -> None:
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    process = started(run, store.root)
    try:
        while len(checkpoints(store)) < len(ARMS):
            assert process.is_alive(), "it ended before it was interrupted"
            time.sleep(0.05)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGINT)
        process.join(ENDS_WITHIN_SECONDS)
        assert process.exitcode is not None, "its trainings go on"
    finally:
        process.kill()
        process.join()
    assert process.exitcode != 0
    assert len(checkpoints(store)) == len(ARMS), "what is done is kept"
    assert read_pointer(store, place("translator")) is None, "nothing is published"
