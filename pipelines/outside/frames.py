"""Arrays of artefacts as they are asked for, the latest kept in memory."""

from collections import OrderedDict
from typing import Any

import fsspec
from safetensors import SafetensorError, safe_open

from resources.arrays import Arrays, CorruptArtifact
from resources.manifests import read_artifact
from resources.object_store import ObjectStore

MIB = 2**20


class ArtifactReader:
    """Reads arrays of artefacts; each process that gets it by pickle or fork begins with an empty memory.

    Attributes:
        store: the object store.
        check: compare every artefact that is read with its manifest's digest; without, a local one is read in part.
        cache_mib: most that is kept in memory, MiB a process; 0 keeps nothing.
    """

    def __init__(self, store: ObjectStore, check: bool = True, cache_mib: float = 64.0) -> None:
        self.store = store
        self.check = check
        self.cache_mib = cache_mib
        # Asked once: the answer costs as much as opening a file.
        self._whole = check or not store.is_local
        self._kept: OrderedDict[tuple[str, tuple[str, ...]], Arrays] = OrderedDict()
        self._bytes = 0

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict(), "_bytes": 0}

    def read(self, artifact: str, digest: str, names: tuple[str, ...], optional: tuple[str, ...] = ()) -> Arrays:
        """Arrays of one artefact; they are shared with later readers and must not be changed.

        Args:
            artifact: its path in the store.
            digest: SHA-256 that its manifest holds.
            names: arrays that it must have.
            optional: arrays that are given if it has them.

        Raises:
            CorruptArtifact: missing, altered, or without one of the arrays.
        """
        key = (artifact, (*names, *optional))
        arrays = self._kept.get(key)
        if arrays is None:
            arrays = self._loaded(artifact, digest, (*names, *optional))
            lacking = sorted(set(names) - set(arrays))
            if lacking:
                raise CorruptArtifact(f"{artifact} holds no {', '.join(lacking)}; delete it and run its stage again")
            self._keep(key, arrays)
        else:
            self._kept.move_to_end(key)
        return arrays

    def _loaded(self, artifact: str, digest: str, names: tuple[str, ...]) -> Arrays:
        if self._whole:
            arrays = read_artifact(self.store, {"artifact": artifact, "artifact_digest": digest})
            return {name: arrays[name] for name in names if name in arrays}
        return _part(self.store, artifact, names)

    def _keep(self, key: tuple[str, tuple[str, ...]], arrays: Arrays) -> None:
        self._kept[key] = arrays
        self._bytes += _size(arrays)
        while self._kept and self._bytes > self.cache_mib * MIB:
            self._bytes -= _size(self._kept.popitem(last=False)[1])


def _part(store: ObjectStore, artifact: str, names: tuple[str, ...]) -> Arrays:
    """Some arrays of a local artefact, without reading the others."""
    path = fsspec.core.url_to_fs(store.uri(artifact), **store.options)[1]
    try:
        with safe_open(path, framework="numpy") as file:
            stored = set(file.keys())
            return {name: file.get_tensor(name) for name in names if name in stored}
    except FileNotFoundError:
        raise CorruptArtifact(f"{artifact} is missing; run its stage again, it comes back") from None
    except SafetensorError as error:
        raise CorruptArtifact(f"{artifact} is not readable ({error}); delete it and run its stage again") from error


def _size(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())
