"""The last checkpoint of a training, replaced atomically: a killed training goes on where it stood."""

from dataclasses import dataclass

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from resources.object_store import ObjectStore


@dataclass(frozen=True)
class CheckpointStore:
    """One checkpoint a training, named by the key of what is being trained."""

    store: ObjectStore
    key: str

    @property
    def path(self) -> str:
        """Path below the store's root."""
        return f"checkpoints/{self.key}.safetensors"

    def load(self) -> dict[str, torch.Tensor] | None:
        """The state of an interrupted training; None to begin anew (no checkpoint, or an unreadable one)."""
        data = self.store.read_or_none(self.path)
        if data is None:
            return None
        try:
            return dict(load(data))
        except SafetensorError:
            return None

    def save(self, state: dict[str, torch.Tensor]) -> None:
        """Replace the checkpoint."""
        self.store.write(self.path, bytes(save({name: value.contiguous() for name, value in state.items()})))

    def clear(self) -> None:
        """Drop the checkpoint once its model is stored."""
        self.store.delete(self.path)
