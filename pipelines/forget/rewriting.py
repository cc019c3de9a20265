"""Manifests and pointers of a store written anew without a patient, and what stands on them kept fresh."""

import json
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.forget.layout import Layout
from pipelines.forget.schemas import as_written
from pipelines.forget.theirs import Theirs
from pipelines.lineage.reading import Reader
from resources.manifests import Place, pointer_version, read_pointer, table_from, write_manifest
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN

STATUSES = ("ok", "needs_review", "rejected", "failed")

UNNAMED = "failed on radiographs of which some were withdrawn; run the cohort again"


@dataclass
class Rewriting:
    """One removal's changes of pointers.

    Attributes:
        store: the artefact store.
        moved: place -> digests of its manifest before and after.
        barred: digests of marked manifests, which nobody may borrow any more.
    """

    store: ObjectStore
    moved: dict[str, tuple[str, str]] = field(default_factory=dict)
    barred: set[str] = field(default_factory=set)

    @property
    def reader(self) -> Reader:
        """The manifests as they are now."""
        return Reader(self.store)

    def is_marked(self, place: Place) -> bool:
        """Whether a removal has marked a place already, perhaps one that was cut off before it could tell."""
        pointer = read_pointer(self.store, place) or {}
        if MUST_RETRAIN in pointer:
            self.barred.add(pointer["digest"])
        return MUST_RETRAIN in pointer

    def mark(self, place: Place, why: str) -> None:
        """Say in a pointer why its stage is not fresh, where it has a pointer."""
        pointer = read_pointer(self.store, place)
        if pointer is not None and not self.is_marked(place):
            self.barred.add(pointer["digest"])
            self._point(place, {**pointer, MUST_RETRAIN: why})

    def publish_row(self, place: Place, row: dict[str, Any], why: str) -> None:
        """Replace the single row of a model, and mark it."""
        pointer = read_pointer(self.store, place)
        if pointer is None:
            return
        before = table_from(self.store.read(place.manifest(pointer["digest"])))
        table = pa.Table.from_pylist([row], schema=before.schema)
        self.barred.add(pointer["digest"])
        self._publish(place, pointer, table, {MUST_RETRAIN: why})
        self.is_marked(place)

    def drop(self, place: Place) -> None:
        """Take a place's pointer away: it has to be made anew before anything reads it."""
        self.barred.add((read_pointer(self.store, place) or {"digest": ""})["digest"])
        self.store.delete(f"{place.folder}/CURRENT.json")

    def without(self, place: Place, found: Theirs) -> None:
        """Publish a place's manifest without a patient's rows, where it has any."""
        pointer = read_pointer(self.store, place)
        if pointer is None:
            return
        table = table_from(self.store.read(place.manifest(pointer["digest"])))
        hit = found.rows(table)
        if pc.any(hit).as_py():
            kept = table.filter(pc.invert(hit)).combine_chunks()
            status = kept["status"].to_pylist()
            counts = {name: status.count(name) for name in STATUSES} | {"planned": kept.num_rows}
            self._publish(place, pointer, kept, counts)

    def unnamed(self, place: Place, found: Theirs) -> None:
        """Publish a place's manifest with other reasons where they name a patient's radiographs."""
        pointer = read_pointer(self.store, place)
        if pointer is None:
            return
        table = table_from(self.store.read(place.manifest(pointer["digest"])))
        reasons = table["reason"].to_pylist()
        told = [UNNAMED if any(name in (reason or "") for name in found.radiographs) else reason for reason in reasons]
        if told != reasons:
            column = pa.array(told, table.schema.field("reason").type)
            reworded = table.set_column(table.schema.get_field_index("reason"), "reason", column)
            self._publish(place, pointer, reworded, {})

    def follow(self, places: Layout) -> None:
        """Make pointers that were made from a rewritten manifest name the new one: what they hold is unchanged."""
        for place in places.objects:
            pointer = read_pointer(self.store, place)
            parents = dict(pointer["parents"]) if pointer else {}
            for parent, (before, after) in self.moved.items():
                if parents.get(parent) == before:
                    parents[parent] = after
            if pointer and parents != pointer["parents"]:
                self._point(place, {**pointer, "parents": parents})

    def _publish(self, place: Place, pointer: dict[str, Any], table: pa.Table, record: dict[str, Any]) -> None:
        digest = write_manifest(self.store, place, as_written(place.stage, table))
        self._point(place, {**pointer, **record, "digest": digest, "rows": table.num_rows})
        first, _ = self.moved.get(str(place), (pointer["digest"], digest))
        self.moved[str(place)] = (first, digest)

    def _point(self, place: Place, pointer: dict[str, Any]) -> None:
        # A failure's record stays: what failed has not been mended by this.
        data = json.dumps(pointer, sort_keys=True, indent=1).encode()
        self.store.replace(f"{place.folder}/CURRENT.json", data, pointer_version(self.store, place))
