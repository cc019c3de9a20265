"""Every current manifest of a store, read for an audit: with its table, or with what is wrong with it."""

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from resources.layout import known
from resources.manifests import Place, digest_of, table_from
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, cohort_of

# What checks look at; the rest of a large cohort's columns is not held.
COLUMNS = (
    *("key", "status", "artifact", "artifact_digest", "radiograph_id", "arm", "patient", "split", "label", "domain"),
    *("file_digest", "pair_id", "seed"),
    *(f"{side}_{name}" for side in ("abnormal", "normal") for name in ("id", "label", "patient", "file_digest")),
)


@dataclass(frozen=True)
class Stored:
    """The current manifest of a stage and partition.

    Attributes:
        place: stage and partition.
        pointer: its pointer record, empty where it cannot be read.
        table: the columns of its manifest that are checked, none where it cannot be trusted.
        problem: why not; empty where nothing is wrong.
    """

    place: Place
    pointer: dict[str, Any]
    table: pa.Table
    problem: str = ""

    @property
    def usable(self) -> pa.Table:
        """Rows that go downstream."""
        return self.table.filter(pc.equal(self.table["status"], "ok"))

    def has(self, *columns: str) -> bool:
        """Whether the manifest has all of some columns."""
        return set(columns) <= set(self.table.column_names)


def current(store: ObjectStore, names: set[str], cohort: str | None = None) -> Iterator[Stored]:
    """The current manifests of a cohort, or of all.

    Args:
        store: the object store.
        names: paths of all its objects.
        cohort: name of a cohort.
    """
    for path in sorted(names):
        found = known(path)
        if found.kind == "pointer" and found.place and cohort in (None, cohort_of(found.place.partition)):
            yield _read(store, found.place)


def is_declared(place: Place) -> bool:
    """Whether a place belongs to a shard that its cohort has, or to a cohort that no file here declares."""
    cohort = cohort_of(place.partition)
    return place.partition in (cohort, *SHARDS_BY_COHORT.get(cohort, [place.partition]))


def _read(store: ObjectStore, place: Place) -> Stored:
    pointer: dict[str, Any] = {}
    try:
        found = json.loads(store.read(f"{place.folder}/CURRENT.json"))
        pointer = {"parents": {}, **found, "digest": str(found["digest"])}
        if not isinstance(pointer["parents"], dict):
            return _wrong(place, {}, "its pointer cannot be read")
        data = store.read(place.manifest(pointer["digest"]))
        if digest_of(data) != pointer["digest"]:
            return _wrong(place, pointer, "its manifest was altered after it was written")
        table = table_from(data)
    except FileNotFoundError:
        return _wrong(place, pointer, "the manifest that its pointer names is missing")
    except OSError as error:
        return _wrong(place, pointer, f"it cannot be read ({os.strerror(error.errno or errno.EIO)})")
    except pa.ArrowException:
        return _wrong(place, pointer, "its manifest is no Parquet file")
    except (ValueError, KeyError, TypeError):
        return _wrong(place, {}, "its pointer cannot be read")
    if table.num_rows != pointer.get("rows"):
        return _wrong(place, pointer, f"its manifest has {table.num_rows} rows, its pointer says otherwise")
    return Stored(place, pointer, table.select([name for name in COLUMNS if name in table.column_names]))


def _wrong(place: Place, pointer: dict[str, Any], problem: str) -> Stored:
    return Stored(place, pointer, pa.table({}), problem)
