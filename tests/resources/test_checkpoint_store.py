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
