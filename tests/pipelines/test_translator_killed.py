"""A training of each method is killed at a random step and goes on: its artefact has the bytes of one that was not."""

import os
import random
import signal
import time
from pathlib import Path
from typing import get_args

import pytest
from safetensors import safe_open

from assets.translation.arms import Gan
from resources.arrays import decode
from resources.object_store import ObjectStore
from tests.pipelines.processes import in_child, started
from tests.pipelines.translator_bench import checkpoints, lay_out, place, rows_of, train

pytestmark = pytest.mark.timeout(600)
METHODS = get_args(Gan)
STEPS = 8
PATIENCE_SECONDS = 240
# Another one each time; to repeat a run, set the variable to what it printed.
SEED = int(os.environ.get("PSEUDOPAIR_TEST_SEED", time.time_ns() % 10**6))


def run(root: str) -> None:
    arms = [f"none/{method}" for method in METHODS]
    train(root, arms=arms, steps=STEPS, ema_decay=0.9, pool_size=3)


def standing(store: ObjectStore) -> tuple[str, int]:
    """Method and step of the newest checkpoint that lies there."""
    found = ("", -1)
    for path in checkpoints(store):
        try:
            with safe_open(Path(store.root) / path, framework="pt") as held:
                found = max(found, (held.metadata()["method"], int(held.get_tensor("step"))), key=order)
        except FileNotFoundError:
            continue
    return found


def order(reached: tuple[str, int]) -> tuple[int, int]:
    return (METHODS.index(reached[0]) if reached[0] in METHODS else -1, reached[1])


def kill_at(store: ObjectStore, reached: tuple[str, int]) -> tuple[str, int]:
    """Train in a process of its own and kill it (SIGKILL) once it has come so far; how far it had come."""
    process = started(run, store.root)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while order(standing(store)) < order(reached):
        assert process.is_alive(), "the training ended first"
        assert time.monotonic() < deadline, "not reached in time"
        time.sleep(0.002)
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    return standing(store)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("whole")))
    lay_out(store)
    assert in_child(run, store.root) == 0
    return store


@pytest.mark.parametrize("half", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_training_killed_at_a_random_step_ends_with_the_same_weights(
    tmp_path: Path, whole: ObjectStore, half: int
) -> None:
    drawn = random.Random(SEED + half)
    methods = METHODS[3 * half : 3 * half + 3]
    aim = (drawn.choice(methods), drawn.randrange(1, STEPS - 1))
    print(f"PSEUDOPAIR_TEST_SEED={SEED}: to be killed at {aim}")
    store = ObjectStore(str(tmp_path))
    lay_out(store)
    print(f"killed at {kill_at(store, aim)}")
    assert store.read_or_none(f"{place('translator').folder}/CURRENT.json") is None
    left = standing(store)
    assert in_child(run, store.root) == 0
    assert checkpoints(store) == []
    for row, expected in zip(rows_of(store), rows_of(whole), strict=True):
        assert (row["status"], row["arm"], row["key"]) == ("ok", expected["arm"], expected["key"])
        assert store.read(row["artifact"]) == whole.read(expected["artifact"]), (left, row["arm"])
        assert any(name.startswith("weights.") for name in decode(store.read(row["artifact"])))
