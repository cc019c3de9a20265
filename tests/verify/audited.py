"""A store of two cohorts that passes every check of `pseudopair verify`, to be damaged."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa

from assets.tables.alignment import LUNG_MASKS, RADIOGRAPHS, REGISTRATION_REPORT
from assets.tables.translation import PSEUDO_PAIRS
from pipelines.verification import Verification
from resources.arrays import encode
from resources.manifests import Place, digest_of, publish, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.tombstones import Tombstone

Row = dict[str, Any]


SHARDS = ("one/0", "one/1", "two/0")


EACH = 6


SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "registration_report": REGISTRATION_REPORT,
    "pseudo_pairs": PSEUDO_PAIRS,
}


CHECKS = (
    *("manifests_unaltered", "artefacts_unaltered", "rows_unique", "patients_in_one_split", "pairs_within_split"),
    *("pairs_of_two_patients", "labels_agree", "same_pixels_once", "no_identifiers", "parents_present"),
    *("parents_current", "partitions_declared", "withdrawn_absent"),
)


def radiograph(store: ObjectStore, shard: str, index: int) -> Row:
    """Even ones are normal; the last two of a shard are tests."""
    number = SHARDS.index(shard) * 100 + index
    label = "abnormal" if index % 2 else "normal"
    row = {
        "row": index,
        "radiograph_id": f"{number:032x}",
        "patient": f"{number // 2 + 7:024x}",
        "domain": label,
        "label": label,
        "split": "train" if index < EACH - 2 else "test",
        "file_digest": f"{number + 5000:064x}",
    }
    return {**row, **stored(store, Place("radiographs", shard), f"{number + 1000:032x}")}


def stored(store: ObjectStore, place: Place, key: str) -> Row:
    data = encode({"image": np.full((8, 8), int(key[-2:], 16), np.uint16)}, {})
    store.write(place.artifact(key), data)
    return {
        "key": key,
        "status": "ok",
        "reason": "",
        "artifact": place.artifact(key),
        "artifact_digest": digest_of(data),
    }


def carried(row: Row) -> Row:
    return {name: row[name] for name in ("radiograph_id", "patient", "domain", "label", "split")}


def put(store: ObjectStore, place: Place, rows: list[Row], parents: list[Place]) -> None:
    known = {str(parent): pointer["digest"] for parent in parents if (pointer := read_pointer(store, parent))}
    schema = SCHEMAS[place.stage]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    publish(store, place, table, {"parents": known})


def pair(abnormal: Row, normal: Row) -> Row:
    sides = {
        f"{side}_{name}": row[column]
        for side, row in (("abnormal", abnormal), ("normal", normal))
        for name, column in (
            ("id", "radiograph_id"),
            ("label", "label"),
            ("patient", "patient"),
            ("file_digest", "file_digest"),
        )
    }
    key = abnormal["key"][:16] + normal["key"][16:]
    return {**sides, "pair_id": key, "split": abnormal["split"], "key": key, "status": "ok", "artifact": ""}


def fill(store: ObjectStore) -> None:
    """Two cohorts, one of two shards: radiographs, masks, a report of two arms, pairs."""
    for cohort in ("one", "two"):
        shards = [shard for shard in SHARDS if shard.startswith(cohort)]
        sources: list[Row] = []
        for shard in shards:
            rows = [radiograph(store, shard, index) for index in range(EACH)]
            put(store, Place("radiographs", shard), rows, [])
            masks = [
                {**carried(row), **stored(store, Place("lung_masks", shard), row["key"][::-1])} for row in rows[:-1]
            ]
            # Rows that were refused alike have one key; they go nowhere.
            refused = [{**carried(rows[-1]), "key": "f" * 32, "status": "rejected", "artifact": ""}] * 2
            put(store, Place("lung_masks", shard), [*masks, *refused], [Place("radiographs", shard)])
            sources += rows
        parents = [Place("radiographs", shard) for shard in shards]
        arms = [
            {**carried(sources[0]), **stored(store, Place("registration_report", cohort), f"{n:032x}"), "arm": arm}
            for n, arm in enumerate(("it_pr", "it_dpr"))
        ]
        put(store, Place("registration_report", cohort), arms, parents)
        pairs = [pair(sources[1], sources[2]), pair(sources[3], sources[0])]
        put(store, Place("pseudo_pairs", cohort), pairs, parents)


def rows_of(store: ObjectStore, place: Place) -> list[Row]:
    table = read_manifest(store, place)
    assert table is not None
    rows: list[Row] = table.to_pylist()
    return rows


def change(store: ObjectStore, place: Place, how: Callable[[list[Row]], None]) -> None:
    """Rewrite a manifest as a stage that errs would have written it; what was made from it says so, too."""
    rows, before = rows_of(store, place), read_pointer(store, place)
    assert before is not None
    how(rows)
    table = pa.Table.from_pylist(rows, schema=SCHEMAS[place.stage])
    digest = publish(store, place, table, {"parents": before["parents"]})
    for path in store.find("stages"):
        if path.endswith("CURRENT.json"):
            text = store.read(path).decode()
            store.write(path, text.replace(before["digest"], digest).encode())


def failed(report: Verification) -> dict[str, tuple[str, ...]]:
    return {check.name: check.offenders for check in report.checks if check.offenders}


RADIOGRAPHS_0 = Place("radiographs", "one/0")


MASKS_0 = Place("lung_masks", "one/0")


PAIRS = Place("pseudo_pairs", "one")


def move(store: ObjectStore, place: Place, row: int, radiograph_id: str) -> None:
    """Let a radiograph that nothing was made from have the pixels of another one."""
    change(store, place, lambda rows: rows[row].update(radiograph_id=radiograph_id))


def tombstone(**what: Any) -> Tombstone:  # noqa: ANN401 (fields of Tombstone)
    return Tombstone(patient=what.pop("patient", "e" * 24), withdrawn_at="2026-01-01T00:00:00+00:00", **what)
