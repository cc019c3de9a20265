"""Looking for traces of a patient in every byte of a store, whatever it is packed in."""

import io
import json
from collections.abc import Iterable

import numpy as np
import pyarrow.parquet as pq

from pipelines.forget.theirs import Theirs
from resources.arrays import decode
from resources.manifests import Place, read_pointer, table_from
from resources.object_store import ObjectStore

SMALLEST = 64


def pixels_of(store: ObjectStore, found: Theirs, places: Iterable[Place]) -> list[bytes]:
    """Bytes of every array of a patient's artefacts; those too small to be told from others aside."""
    arrays: list[bytes] = []
    for place in places:
        pointer = read_pointer(store, place)
        table = table_from(store.read(place.manifest(pointer["digest"]))) if pointer else None
        for row in table.filter(found.rows(table)).to_pylist() if table else []:
            data = store.read_or_none(row["artifact"]) if row["artifact"] else None
            arrays += [np.ascontiguousarray(value).tobytes() for value in decode(data).values()] if data else []
    return [each for each in arrays if len(each) >= SMALLEST and len(set(each)) > 1]


def traces(store: ObjectStore, found: Theirs, pixels: list[bytes]) -> list[str]:
    """Objects outside `withdrawn/` that hold a pseudonym, id, digest, key or array of the patient."""
    tokens = {found.patient, *found.radiographs, *found.files, *found.keys}
    needles = [*(token.encode() for token in tokens), *(bytes.fromhex(token) for token in tokens), *pixels]
    paths = [path for path in store.stamps("") if not path.startswith("withdrawn/")]
    return [path for path in sorted(paths) if _traced(path, store.read(path), tokens, needles)]


def _traced(path: str, data: bytes, tokens: set[str], needles: list[bytes]) -> bool:
    if any(token in path for token in tokens) or any(needle in data for needle in needles):
        return True
    if not path.endswith(".parquet"):
        return False
    # Its pages are compressed, so the bytes alone tell nothing.
    text = json.dumps(pq.read_table(io.BytesIO(data)).to_pylist(), default=str)
    return any(token in text for token in tokens)
