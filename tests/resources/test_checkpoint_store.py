import re

import pytest
import torch

from resources.checkpoint_store import CheckpointStore
from resources.object_store import ObjectStore


def test_a_training_without_checkpoint_begins_anew(store: ObjectStore) -> None:
    assert CheckpointStore(store, "ab").load() is None


def test_the_last_checkpoint_comes_back_and_is_cleared(store: ObjectStore) -> None:
    checkpoints = CheckpointStore(store, "ab")
    checkpoints.save({"step": torch.tensor(1)})
    state = {"step": torch.tensor(5), "network/w": torch.rand(3, 2).T, "history": torch.zeros(2, dtype=torch.float64)}
    checkpoints.save(state)
    found = checkpoints.load()
    assert found is not None
    assert found.keys() == state.keys()
    assert all(torch.equal(found[name], state[name]) and found[name].dtype == state[name].dtype for name in state)
    assert store.find("") == {"checkpoints/ab.safetensors"}
    checkpoints.clear()
    checkpoints.clear()
    assert checkpoints.load() is None


def test_trainings_do_not_take_each_others_checkpoints(local_store: ObjectStore) -> None:
    CheckpointStore(local_store, "ab").save({"step": torch.tensor(1)})
    assert CheckpointStore(local_store, "cd").load() is None


@pytest.mark.parametrize("damage", [b"", b"half", b"\xff" * 100])
def test_an_unreadable_checkpoint_begins_anew(local_store: ObjectStore, damage: bytes) -> None:
    checkpoints = CheckpointStore(local_store, "ab")
    local_store.write(checkpoints.path, damage)
    assert checkpoints.load() is None


def test_a_cut_off_checkpoint_begins_anew(local_store: ObjectStore) -> None:
    checkpoints = CheckpointStore(local_store, "ab")
    checkpoints.save({"weights": torch.zeros(100)})
    local_store.write(checkpoints.path, local_store.read(checkpoints.path)[:-1])
    assert checkpoints.load() is None


def test_a_checkpoint_says_what_it_is_of_and_another_trainings_is_dropped(store: ObjectStore) -> None:
    said: list[str] = []
    mine = CheckpointStore(store, "ab", {"method": "cut", "plan": "01"}, said.append)
    mine.save({"step": torch.tensor(3)})
    found = mine.load()
    assert found is not None
    assert int(found["step"]) == 3
    assert said == []
    assert CheckpointStore(store, "ab", {"method": "cut", "plan": "02"}, said.append).load() is None
    assert said == ["the checkpoint is dropped and its training begins anew: it is of another training (plan differ)"]
    assert mine.load() is None
    assert len(said) == 1


def test_a_checkpoint_without_such_a_note_is_of_another_training(local_store: ObjectStore) -> None:
    CheckpointStore(local_store, "ab").save({"step": torch.tensor(3)})
    assert CheckpointStore(local_store, "ab").load() is not None
    assert CheckpointStore(local_store, "ab", {"plan": "01"}).load() is None


@pytest.mark.parametrize("damage", [b"", b"half", b"\xff" * 100])
def test_an_unreadable_checkpoint_is_dropped_with_one_line(local_store: ObjectStore, damage: bytes) -> None:
    said: list[str] = []
    checkpoints = CheckpointStore(local_store, "ab", say=said.append)
    local_store.write(checkpoints.path, damage)
    assert checkpoints.load() is None
    assert local_store.find("checkpoints") == set()
    (line,) = said
    assert line.startswith("the checkpoint is dropped and its training begins anew: it is not readable")


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    checkpoints = CheckpointStore(local_store, "ab", say=said.append)
    checkpoints.try_to_save({"step": torch.tensor(1)})

    def full(self: ObjectStore, path: str, data: bytes) -> None:
        raise OSError(28, "no space is left for the store")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "write", full)
        checkpoints.try_to_save({"step": torch.tensor(2)})
        with pytest.raises(OSError, match="no space is left"):
            checkpoints.save({"step": torch.tensor(2)})
    found = checkpoints.load()
    assert found is not None
    assert int(found["step"]) == 1
    (line,) = said
    assert re.search("could not be written, the one before is kept and the training goes on: .*no space", line)


def test_room_is_asked_for_where_the_system_tells(local_store: ObjectStore, s3_store: ObjectStore) -> None:
    CheckpointStore(local_store, "ab").require_room(1)
    with pytest.raises(OSError, match=r"the store, for checkpoints, needs \d+ MiB"):
        CheckpointStore(local_store, "ab").require_room(2**59)
    CheckpointStore(s3_store, "ab").require_room(2**59)
