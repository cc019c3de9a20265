from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save

from resources.arrays import decode, decode_columns, encode
from resources.object_store import ObjectStore
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
MARK = 123.0
AFTER_EVERY_STEP = ("--set", "translator.checkpoint_minutes=0")


def temporary(store: ObjectStore) -> list[str]:
    fs, root = store._resolve("")
    return [name for name in fs.find(root) if name.rpartition("/")[2].startswith(".")]


def test_a_run_killed_among_its_rows_goes_on_where_it_stood(empty: Installation, reference: Installation) -> None:
    place = empty.place("lung_masks")

    def some_masks_are_there() -> bool:
        return len(empty.store.find(f"{place.folder}/artifacts")) >= 3

    empty.kill_when(some_masks_are_there, "run", "tiny")
    assert empty.store.read_or_none(f"{place.folder}/CURRENT.json") is None
    empty.run("tiny", "--until", "lung_masks")
    pointer = empty.pointer("lung_masks")
    assert pointer["resumed"] >= 3
    assert pointer["computed"] >= 1
    assert pointer["resumed"] + pointer["computed"] == pointer["planned"]
    assert empty.digests("lung_masks") == reference.digests("lung_masks")


def checkpoints(store: ObjectStore) -> list[str]:
    return sorted(store.find("checkpoints"))


def about(store: ObjectStore, path: str) -> dict[str, str]:
    """What a checkpoint says of its training."""
    with safe_open(Path(store.root) / path, framework="pt") as held:
        found: dict[str, str] = held.metadata()
    return found


def test_a_training_killed_between_its_steps_goes_on_from_its_checkpoint(
    finished: Installation, reference: Installation
) -> None:
    trained = next(row for row in finished.rows("translator") if row["arm"] == "it_dpr/cut")
    finished.store.delete(trained["artifact"])

    def some_steps_are_done() -> bool:
        found = [finished.store.read_or_none(path) for path in checkpoints(finished.store)]
        return any(data is not None and int(load(data)["step"]) >= 10 for data in found)

    finished.kill_when(some_steps_are_done, "run", "tiny", *AFTER_EVERY_STEP)
    assert not finished.store.find(trained["artifact"])
    (path,) = checkpoints(finished.store)
    state = load(finished.store.read(path))
    assert 10 <= int(state["step"]) < trained["steps"]
    # A mark in the history: it comes out at the end only if the training really was taken up from here.
    kept = torch.tensor(MARK)
    state["history/learning_rate"][0] = kept
    finished.store.write(path, save(state, metadata=about(finished.store, path)))

    finished.run("tiny", "--until", "translator", *AFTER_EVERY_STEP)
    assert checkpoints(finished.store) == []
    data, expected = finished.store.read(trained["artifact"]), reference.store.read(trained["artifact"])
    arrays, columns = decode(data), decode_columns(data)
    column = columns["history_columns"].index("learning_rate")
    history = arrays["history"].copy()
    assert history[0, column] == MARK
    history[0, column] = decode(expected)["history"][0, column]
    # But for the mark, and the setting that it was trained with, every byte is that of the uninterrupted training.
    settings = decode_columns(expected)["settings"]
    assert encode({**arrays, "history": history}, {**columns, "settings": settings}) == expected
