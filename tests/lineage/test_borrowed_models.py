from collections.abc import Iterator
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pipelines.forget.removal import find_theirs, remove
from pipelines.forget.schemas import SCHEMAS
from pipelines.lineage.chain import Teller
from pipelines.lineage.origin import Origin
from pipelines.lineage.reading import Reader
from pipelines.lineage.trained import models, translators
from resources.manifests import Place, publish, read_artifact, read_pointer, require_current
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN
from tests.lineage.made_up import MadeUp

# Patients: the reference lung's own, and one who trained.
REFERENCE, TRAINED = 0, 3
LENT = ("reference_lung", "registration_model", "translator")


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


@pytest.fixture
def lent(made: MadeUp) -> MadeUp:
    """The other cohort borrows reference, registration and translators of the first one as well."""
    for stage in LENT:
        pointer, table = require_current(made.store, Place(stage, "made"))
        rows = [{**row, "borrowed_from": "made"} for row in table.to_pylist()]
        record = {name: value for name, value in pointer.items() if name not in ("digest", "rows", "parents")}
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


def test_a_withdrawn_reference_is_taken_from_those_who_borrow_it(lent: MadeUp, instance: dg.DagsterInstance) -> None:
    marked = forget(lent, instance, REFERENCE)
    assert pointer(lent.store, "reference_lung") is None
    assert {"reference_lung@made", "reference_lung@other"} <= marked


def test_lineage_names_who_borrows_and_takes_no_borrower_for_trained(lent: MadeUp) -> None:
    teller = Teller(Reader(lent.store))
    origin = Origin({lent.shard(TRAINED): frozenset({lent.name(TRAINED)})})
    told = {(item.kind, item.why) for item in models(teller, origin, "made")}
    for kind in ("lung segmenter", "reference lung", "registration model"):
        assert (kind, "other borrows it") in told
    assert models(teller, Origin({}), "other") == []
    assert translators(teller, origin, "other") == []
    assert translators(teller, origin, "made") != []
