from collections.abc import Iterator
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from pipelines.forget.removal import find_theirs, remove
from pipelines.forget.schemas import SCHEMAS
from pipelines.lineage.chain import Teller
from pipelines.lineage.origin import Origin
from pipelines.lineage.reached import reached
from pipelines.lineage.reading import Reader
from pipelines.lineage.trained import models, normals, translators
from resources.arrays import encode
from resources.manifests import (
    Place,
    digest_of,
    fingerprint,
    publish,
    read_artifact,
    read_pointer,
    require_current,
)
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN
from resources.tombstones import withdrawn_manifests
from tests.lineage.made_up import MadeUp

# Patients: the reference lung's own, one who trained, one who was tested, one whose maps are those of a normal.
REFERENCE, TRAINED, TESTED, VALIDATED = 0, 3, 17, 14
LENT = ("reference_lung", "registration_model", "translator")
DECIDED = "evaluation"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def lent(made: MadeUp) -> MadeUp:
    """The other cohort borrows reference, registration, translators and thresholds of the first one as well."""
    for stage in (*LENT, DECIDED):
        pointer, table = require_current(made.store, Place(stage, "made"))
        rows = [{**row, "borrowed_from": "made"} for row in table.to_pylist()]
        record = {name: value for name, value in pointer.items() if name not in ("digest", "rows", "parents")}
        record["settings"] = {"borrow_from": "made" if stage in LENT else f"made@{pointer['digest']}"}
        parents = {f"{stage}@made": pointer["digest"]}
        table = pa.Table.from_pylist(
            [{name: row.get(name) for name in SCHEMAS[stage].names} for row in rows], schema=SCHEMAS[stage]
        )
        publish(made.store, Place(stage, "other"), table, {**record, "partition": "other", "parents": parents})
    return made


def pointer(store: ObjectStore, stage: str) -> dict[str, Any] | None:
    return read_pointer(store, Place(stage, "other"))


def forget(made: MadeUp, instance: dg.DagsterInstance, index: int) -> set[str]:
    return set(remove(made.store, instance, find_theirs(made.store, [made.patient(index)])).tombstone.models)


def test_who_borrows_a_model_that_a_withdrawn_patient_trained_is_told_and_can_still_read_it(
    lent: MadeUp, instance: dg.DagsterInstance
) -> None:
    marked = forget(lent, instance, TRAINED)
    assert {f"{stage}@other" for stage in LENT} <= marked
    for stage in LENT:
        found = pointer(lent.store, stage)
        assert found is not None
        assert "that it borrows from made" in found[MUST_RETRAIN]
        for row in require_current(lent.store, Place(stage, "other"))[1].to_pylist():
            assert row["borrowed_from"] == "made"
            read_artifact(lent.store, row)
    assert "is to be chosen again" in (pointer(lent.store, "reference_lung") or {})[MUST_RETRAIN]


def test_nobody_borrows_what_a_withdrawn_patient_was_in_by_its_digest_either(
    lent: MadeUp, instance: dg.DagsterInstance
) -> None:
    digests = {stage: (read_pointer(lent.store, Place(stage, "made")) or {})["digest"] for stage in (*LENT, DECIDED)}
    marked = forget(lent, instance, TESTED)
    # Only scores were measured on this one.
    assert f"{DECIDED}@other" in marked
    assert withdrawn_manifests(lent.store) >= {digests[DECIDED]}
    assert digests["translator"] not in withdrawn_manifests(lent.store)
    told = (pointer(lent.store, DECIDED) or {})[MUST_RETRAIN]
    assert told == "the evaluation that it borrows from made is to be made again"
    forget(lent, instance, TRAINED)
    assert withdrawn_manifests(lent.store) >= {digests[stage] for stage in LENT if stage != "reference_lung"}
    for stage in LENT:
        now = read_pointer(lent.store, Place(stage, "made")) or {}
        assert now[MUST_RETRAIN]
        assert now["digest"] in withdrawn_manifests(lent.store)


def test_who_borrows_an_artefact_that_goes_with_a_patient_is_told(lent: MadeUp, instance: dg.DagsterInstance) -> None:
    store, place = lent.store, Place("registration_model", "other")
    found, table = require_current(store, place)
    (row,) = table.to_pylist()
    earlier = Place("registration_model", "made").artifact("f" * 32)
    store.write(earlier, store.read(row["artifact"]))
    record = {name: value for name, value in found.items() if name not in ("digest", "rows")}
    rows = pa.Table.from_pylist([{**row, "artifact": earlier, "borrowed_from": "made@01234567"}], schema=table.schema)
    publish(store, place, rows, {**record, "settings": {"borrow_from": "made@01234567"}})
    assert str(place) in forget(lent, instance, TESTED)
    assert store.read_or_none(earlier) is None
    assert "gone since a patient withdrew; borrow others" in (pointer(store, place.stage) or {})[MUST_RETRAIN]


@pytest.mark.parametrize("part", [0, 1])
def test_a_cross_fitted_segmenter_that_a_withdrawn_patient_taught_is_marked(
    made: MadeUp, instance: dg.DagsterInstance, part: int
) -> None:
    place = Place("lung_segmenter", "made")
    found, table = require_current(made.store, place)
    (row,) = table.to_pylist()
    radiographs = require_current(made.store, Place("radiographs", made.shard(TRAINED)))[1].to_pylist()
    (mine,) = [each for each in radiographs if each["patient"] == made.patient(TRAINED)]
    key = fingerprint([mine["key"], mine["split"], mine["domain"], part])
    arrays = {**read_artifact(made.store, row), "fitted_on": np.frombuffer(bytes.fromhex(key), np.uint8).reshape(1, 16)}
    data = encode(arrays, {})
    made.store.write(row["artifact"], data)
    record = {name: value for name, value in found.items() if name not in ("digest", "rows")}
    changed = pa.Table.from_pylist([{**row, "artifact_digest": digest_of(data)}], schema=table.schema)
    publish(made.store, place, changed, record)
    assert {str(place), "lung_segmenter@other"} <= forget(made, instance, TRAINED)


def test_a_withdrawn_reference_is_taken_from_those_who_borrow_it(lent: MadeUp, instance: dg.DagsterInstance) -> None:
    marked = forget(lent, instance, REFERENCE)
    assert pointer(lent.store, "reference_lung") is None
    assert {"reference_lung@made", "reference_lung@other"} <= marked


def with_normal_maps(made: MadeUp, index: int) -> None:
    """Maps of what is usual in two frames, both of one radiograph and a stranger; the other cohort borrows them."""
    rows = []
    for arm, keys in (
        ("it_dpr/pca", [made.key("registered_radiographs", index)]),
        ("none/pca", [made.key(stage, index) for stage in ("radiographs", "lung_masks")]),
    ):
        alignment = arm.partition("/")[0]
        names = np.frombuffer(bytes.fromhex(fingerprint(keys) + "0" * 32), np.uint8).reshape(-1, 16)
        stored = made.stored_row(Place("normal_maps", "made"), made.key("normal_maps", arm), {"fitted_on": names})
        rows.append({"arm": arm, "alignment": alignment, "method": "pca", "seed": 0, **stored})
    for cohort, lender in (("made", ""), ("other", "made")):
        schema = SCHEMAS["normal_maps"]
        mine = [{name: {**row, "borrowed_from": lender}.get(name) for name in schema.names} for row in rows]
        table = pa.Table.from_pylist(mine, schema)
        publish(made.store, Place("normal_maps", cohort), table, {"stage": "normal_maps", "parents": {}})


def test_lineage_names_the_normal_maps_that_a_radiograph_is_in(made: MadeUp) -> None:
    with_normal_maps(made, VALIDATED)
    teller = Teller(Reader(made.store))

    def told(index: int, cohort: str = "made") -> list[str]:
        origin = Origin({made.shard(index): frozenset({made.name(index)})})
        return [item.why for item in normals(teller, origin, cohort)]

    assert told(VALIDATED) == [
        *("it_dpr/pca seed 0, 1 of these radiographs are in it", "other borrows it"),
        *("none/pca seed 0, 1 of these radiographs are in it", "other borrows it"),
    ]
    assert told(TRAINED) == []
    assert told(VALIDATED, "other") == []
    kinds = [item.kind for item in reached(teller, Origin({made.shard(VALIDATED): frozenset({made.name(VALIDATED)})}))]
    assert kinds.count("normal maps") == 4


def test_lineage_names_who_borrows_and_takes_no_borrower_for_trained(lent: MadeUp) -> None:
    teller = Teller(Reader(lent.store))
    origin = Origin({lent.shard(TRAINED): frozenset({lent.name(TRAINED)})})
    told = {(item.kind, item.why) for item in models(teller, origin, "made")}
    for kind in ("lung segmenter", "reference lung", "registration model"):
        assert (kind, "other borrows it") in told
    assert models(teller, Origin({}), "other") == []
    assert translators(teller, origin, "other") == []
    assert translators(teller, origin, "made") != []
