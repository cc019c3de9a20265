"""The last checkpoint of a training, replaced atomically: a killed training goes on where it stood."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import fsspec
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from resources.free_space import require_room
from resources.object_store import ObjectStore


@dataclass(frozen=True)
class CheckpointStore:
    """One checkpoint a training, named by the key of what is being trained.

    Attributes:
        store: the object store.
        key: hexadecimal.
        about: what the training is, kept with the checkpoint; one of another training is not taken up.
        say: one line for the log.
    """

    store: ObjectStore
    key: str
    about: Mapping[str, str] = field(default_factory=dict)
    say: Callable[[str], None] | None = None

    @property
    def path(self) -> str:
        """Path below the store's root."""
        return f"checkpoints/{self.key}.safetensors"

    def load(self) -> dict[str, torch.Tensor] | None:
        """The state of an interrupted training; None to begin anew (no checkpoint, an unreadable one, or another's)."""
        data = self.store.read_or_none(self.path)
        if data is None:
            return None
        try:
            state = dict(load(data))
        except SafetensorError as error:
            self.discard(f"it is not readable ({error})")
            return None
        found = _about(data)
        odd = [name for name, value in self.about.items() if found.get(name) != value]
        if odd:
            self.discard(f"it is of another training ({', '.join(odd)} differ)")
            return None
        return state

    def save(self, state: Mapping[str, torch.Tensor]) -> None:
        """Replace the checkpoint.

        Raises:
            OSError: the disk is full, or the storage failed; the checkpoint is as it was.
        """
        whole = {name: value.contiguous() for name, value in state.items()}
        self.store.write(self.path, bytes(save(whole, metadata=dict(self.about) or None)))

    def try_to_save(self, state: Mapping[str, torch.Tensor]) -> None:
        """Replace the checkpoint, or say why that is not possible; the training goes on with the last good one."""
        try:
            self.save(state)
        except OSError as error:
            self._tell(f"a checkpoint could not be written, the one before is kept and the training goes on: {error}")

    def discard(self, reason: str) -> None:
        """Drop a checkpoint that nothing can be done with, and say so."""
        self._tell(f"the checkpoint is dropped and its training begins anew: {reason}")
        self.clear()

    def clear(self) -> None:
        """Drop the checkpoint once its model is stored."""
        self.store.delete(self.path)

    def require_room(self, size: int) -> None:
        """Find out before a training that a checkpoint and the one that replaces it will fit; remote stores tell not.

        Raises:
            OSError: they will not.
        """
        if self.store.is_local:
            _, folder = fsspec.core.url_to_fs(self.store.root)
            require_room(Path(folder), 2 * size, "the store, for checkpoints,")

    def _tell(self, line: str) -> None:
        if self.say is not None:
            self.say(line)


def _about(data: bytes) -> dict[str, str]:
    """Metadata of readable safetensors bytes."""
    length = int.from_bytes(data[:8], "little")
    found: dict[str, str] = json.loads(data[8 : 8 + length]).get("__metadata__") or {}
    return found
