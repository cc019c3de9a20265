"""The manifests as lineage reads them: single columns of many, single rows of few, each pointer once."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore

Row = dict[str, Any]
RADIOGRAPHS = "radiographs"
# Requests at once; a store throttles many.
READERS = 16

A = TypeVar("A")
B = TypeVar("B")


@dataclass
class Reader:
    """Manifests of one store.

    Attributes:
        store: the object store.
    """

    store: ObjectStore
    _pointers: dict[Place, Row | None] = field(default_factory=dict)

    def shards(self) -> list[str]:
        """Partition keys of all radiographs in the store, of declared cohorts and others."""
        cohorts = self._folders(f"stages/{RADIOGRAPHS}")
        found = self.together(
            cohorts, lambda name: [f"{name}/{shard}" for shard in self._folders(f"stages/{RADIOGRAPHS}/{name}")]
        )
        return [shard for shards in found for shard in shards]

    def _folders(self, folder: str) -> list[str]:
        fs, base = fsspec.core.url_to_fs(self.store.root, **self.store.options)
        try:
            found = fs.ls(f"{base.rstrip('/')}/{folder}", detail=True)
        except FileNotFoundError:
            return []
        return sorted(str(item["name"]).rstrip("/").rpartition("/")[2] for item in found if item["type"] == "directory")

    def pointer(self, place: Place) -> Row | None:
        """Pointer of a place, None where it never completed."""
        if place not in self._pointers:
            self._pointers[place] = read_pointer(self.store, place)
        return self._pointers[place]

    def table(self, place: Place, columns: Sequence[str] | None = None, digest: str = "") -> pa.Table | None:
        """Columns of a manifest: the current one, or one by its digest; None where it is not there."""
        with self._manifest(place, digest) as file:
            if file is None:
                return None
            known = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
            return file.read(columns=known, use_threads=False)

    def rows(self, place: Place, column: str, values: Iterable[str]) -> list[Row]:
        """Whole rows whose column has one of the values, in the manifest's order."""
        wanted, found = set_of(values), list[Row]()
        with self._manifest(place) as file:
            if file is None or column not in file.schema_arrow.names:
                return []
            for group in range(file.num_row_groups):
                known = file.read_row_group(group, columns=[column], use_threads=False)[column]
                hits = pc.indices_nonzero(pc.is_in(known, wanted))
                if len(hits):
                    found += _taken(file, group, hits).to_pylist()
        return found

    @contextmanager
    def _manifest(self, place: Place, digest: str = "") -> Iterator[pq.ParquetFile | None]:
        pointer = self.pointer(place)
        wanted = digest or (pointer["digest"] if pointer else "")
        with ExitStack() as stack:
            try:
                stream = stack.enter_context(self.store.open(place.manifest(wanted))) if wanted else None
            except FileNotFoundError:
                stream = None
            # On this thread alone; see resources.manifests.table_from.
            yield stack.enter_context(pq.ParquetFile(stream, pre_buffer=False)) if stream else None

    def together(self, items: Sequence[A], work: Callable[[A], B]) -> list[B]:
        """Work on every item, results in order; side by side where the store is remote and keeps one waiting."""
        if len(items) < 2 or self.store.is_local:
            return [work(item) for item in items]
        with ThreadPoolExecutor(min(READERS, len(items))) as pool:
            return list(pool.map(work, items))

    def model(self, stage: str, cohort: str) -> Row | None:
        """The single row of a cohort's model, None where there is none."""
        table = self.table(Place(stage, cohort))
        return None if table is None or table.num_rows == 0 else dict(table.slice(0, 1).to_pylist()[0])


def _taken(file: pq.ParquetFile, group: int, hits: pa.Array) -> pa.Table:
    """Rows of a row group, read a column at a time: a few of many rows need no room for all."""
    names = file.schema_arrow.names
    columns = [file.read_row_group(group, columns=[name], use_threads=False)[name].take(hits) for name in names]
    return pa.Table.from_arrays(columns, names=names)


def set_of(values: Iterable[str]) -> pa.Array:
    """Texts as an array without doubles.

    It is put together from its bytes: pyarrow's own constructors load pandas where that is installed, which takes
    longer than all the reading.
    """
    texts = [value.encode() for value in sorted(set(values))]
    ends = np.cumsum([0, *map(len, texts)], dtype=np.int32)
    return pa.StringArray.from_buffers(len(texts), pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(texts)))


def cohort_of(partition: str) -> str:
    """Cohort of a shard or cohort key; that of resources.partitions would load Dagster."""
    return partition.partition("/")[0]
