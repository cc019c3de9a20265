"""Small arrays by row key, many rows in one object: a cache beside a manifest that can be made again at any time."""

from collections.abc import Callable, Collection, Sequence

import numpy as np

from resources.arrays import Arrays, CorruptArtifact, decode, decode_columns, encode
from resources.object_store import ObjectStore

KEYS = "keys"


def keyed_arrays(
    store: ObjectStore,
    path: str,
    version: str,
    keys: Sequence[str],
    present: Collection[str],
    compute: Callable[[Sequence[str]], Sequence[Arrays]],
) -> Arrays:
    """Arrays of some rows, from the cache where it has them; the others are computed and put there.

    Rows that are no longer present are taken out of it. A cache that is damaged or of another version is made anew.

    Args:
        store: where it lies.
        path: of the object.
        version: of what computes; another one's rows are not used.
        keys: rows that are wanted, each once and 32 hex digits, all of them present.
        present: keys of all rows that may stay in the cache.
        compute: arrays of each of some rows, alike in name, shape and kind; called only where rows are missing.

    Returns:
        Each array stacked over the rows (N, ...), in the order of `keys`; nothing where there is no key.
    """
    stored, held = _stored(store, path, version)
    known, allowed = set(held), set(present)
    missing = [key for key in keys if key not in known]
    fresh = compute(missing) if missing else []
    staying = [row for row, key in enumerate(held) if key in allowed]
    whole = _joined({name: array[staying] for name, array in stored.items()} if staying else {}, fresh)
    now = [*(held[row] for row in staying), *missing]
    if now != held:
        _write(store, path, version, now, whole)
    place = {key: row for row, key in enumerate(now)}
    wanted = [place[key] for key in keys]
    return {name: array[wanted] for name, array in whole.items()} if wanted else {}


def _joined(stored: Arrays, fresh: Sequence[Arrays]) -> Arrays:
    if not fresh:
        return stored
    added = {name: np.stack([arrays[name] for arrays in fresh]) for name in fresh[0]}
    return {name: np.concatenate([stored[name], array]) for name, array in added.items()} if stored else added


def _write(store: ObjectStore, path: str, version: str, keys: Sequence[str], arrays: Arrays) -> None:
    if not keys:
        store.delete(path)
        return
    digits = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(len(keys), -1)
    store.write(path, encode({**arrays, KEYS: digits}, {"version": version}))


def _stored(store: ObjectStore, path: str, version: str) -> tuple[Arrays, list[str]]:
    data = store.read_or_none(path)
    if data is None:
        return {}, []
    try:
        if decode_columns(data).get("version") != version:
            return {}, []
        arrays = decode(data)
    except CorruptArtifact:
        return {}, []
    keys = [bytes(key).hex() for key in arrays.pop(KEYS, ())]
    return (arrays, keys) if keys and all(array.shape[:1] == (len(keys),) for array in arrays.values()) else ({}, [])
