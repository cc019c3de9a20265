"""What two runs that do the same at the same time do to each other."""

import numpy as np
import pyarrow as pa
import pytest

from resources.arrays import encode
from resources.fitted import keep_or_fit
from resources.incremental import Outcome, Task, refresh
from resources.manifests import Place, digest_of, pointer_version, publish, read_pointer
from resources.object_store import ObjectStore, StoreConflict

PLACE = Place("lung_masks", "phantom/0")
KEY = "ab" * 16
THEIRS = encode({"lungs": np.zeros(3)}, {"status": "ok", "reason": "", "quality": 0.5})


def table(*values: int) -> pa.Table:
    return pa.table({"value": list(values)})


def test_of_two_runs_that_come_to_the_same_both_publish(store: ObjectStore) -> None:
    seen = pointer_version(store, PLACE)
    record = {"version": "1", "settings": {"size": 64}, "parents": {"radiographs@phantom/0": "d"}}
    first = publish(store, PLACE, table(1), {**record, "run_id": "first"}, seen)
    store.write(f"{PLACE.folder}/FAILED.json", b"{}")
    assert publish(store, PLACE, table(1), {**record, "run_id": "second"}, seen) == first
    pointer = read_pointer(store, PLACE)
    assert pointer is not None
    assert pointer["run_id"] == "first"
    assert store.read_or_none(f"{PLACE.folder}/FAILED.json") is None


@pytest.mark.parametrize(
    ("rows", "record"),
    [
        ((2,), {}),
        ((1,), {"version": "2"}),
        ((1,), {"settings": {"size": 128}}),
        ((1,), {"parents": {"radiographs@phantom/0": "e"}}),
        ((1,), {"source": "s"}),
    ],
)
def test_of_two_runs_that_differ_the_second_is_refused(
    local_store: ObjectStore, rows: tuple[int, ...], record: dict[str, object]
) -> None:
    common = {"version": "1", "settings": {"size": 64}, "parents": {"radiographs@phantom/0": "d"}}
    seen = pointer_version(local_store, PLACE)
    first = publish(local_store, PLACE, table(1), common, seen)
    with pytest.raises(StoreConflict, match="run again, its rows are reused"):
        publish(local_store, PLACE, table(*rows), {**common, **record}, seen)
    pointer = read_pointer(local_store, PLACE)
    assert pointer is not None
    assert pointer["digest"] == first


def test_a_row_that_another_run_stored_first_is_taken_as_it_is(store: ObjectStore) -> None:
    def overtaken() -> Outcome:
        store.write(PLACE.artifact(KEY), THEIRS)
        return Outcome({"quality": 0.25}, {"lungs": np.ones(3)})

    done = refresh(store, PLACE, [Task(KEY, {}, overtaken)], lambda line: None)
    (row,) = done.rows
    assert (row["artifact_digest"], row["quality"], row["status"]) == (digest_of(THEIRS), 0.5, "ok")
    assert store.read(PLACE.artifact(KEY)) == THEIRS


def test_a_row_whose_artefact_is_no_artefact_is_stored_anew(store: ObjectStore) -> None:
    store.write(PLACE.artifact(KEY), b"half")
    done = refresh(store, PLACE, [Task(KEY, {}, lambda: Outcome({}, {"lungs": np.ones(3)}))], lambda line: None)
    assert digest_of(store.read(PLACE.artifact(KEY))) == done.rows[0]["artifact_digest"]
    assert done.computed == 1


def test_a_model_that_another_run_stored_first_is_taken_as_it_is(store: ObjectStore) -> None:
    theirs = b""

    def overtaken(key: str) -> Outcome:
        nonlocal theirs
        place = Place("reference_lung", "phantom")
        theirs = keep_or_fit(
            store, place, "r", [KEY], lambda _: Outcome({"kind": "theirs"}, {"lungs": np.zeros(3)})
        ).row["artifact_digest"]
        return Outcome({"kind": "ours"}, {"lungs": np.ones(3)})

    model = keep_or_fit(store, Place("reference_lung", "phantom"), "r", [KEY], overtaken)
    assert (model.row["artifact_digest"], model.row["kind"]) == (theirs, "theirs")
    assert model.arrays["lungs"].tolist() == [0, 0, 0]
