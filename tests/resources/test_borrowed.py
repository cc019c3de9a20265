import dataclasses
import json
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from resources.arrays import encode
from resources.borrowed import (
    borrowed_model,
    borrowed_rows,
    lender_of,
    lenders_named,
    lends,
    pinned_manifest,
    wrong_lender,
)
from resources.generation import remember_generation
from resources.manifests import Place, digest_of, publish
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN, StageRun
from resources.tombstones import Tombstone, write_tombstone

STAGE, LENDER, BORROWER = "registration_model", "shenzhen", "rsna"
COHORTS = ("rsna", "shenzhen", "nih")


def lend(store: ObjectStore, *rows: dict[str, Any], cohort: str = LENDER, version: str = "1") -> str:
    """Publish a manifest of the stage; returns its digest."""
    table = pa.Table.from_pylist([{"borrowed_from": "", "status": "ok", "reason": "", **row} for row in rows])
    return publish(store, Place(STAGE, cohort), table, {"version": version, "parents": {}, "settings": {}})


@pytest.fixture
def run(local_store: ObjectStore) -> StageRun:
    return StageRun(local_store, STAGE, "1", BORROWER, BORROWER, {}, {}, "", lambda line: None)


def refused(run: StageRun, lender: str) -> str:
    with pytest.raises(dg.Failure) as failure:
        borrowed_rows(run, lender, COHORTS)
    return str(failure.value.description)


def test_a_lender_is_a_cohort_or_one_of_its_manifests() -> None:
    assert str(lender_of("shenzhen")) == "shenzhen"
    assert lender_of("shenzhen@0123abcd").digest == "0123abcd"
    assert str(lender_of("shenzhen@0123abcd")) == "shenzhen@0123abcd"
    for wrong in ("shenzhen@", "shenzhen@0123", "shenzhen@0123abcg", "shenzhen@a@b"):
        with pytest.raises(ValueError, match="expected COHORT or COHORT@DIGEST"):
            lender_of(wrong)


def test_who_cannot_lend_is_told_before_anything_is_read() -> None:
    assert wrong_lender(STAGE, BORROWER, "shenzhen", COHORTS) == ""
    assert wrong_lender(STAGE, BORROWER, "shenzhen@0123abcd", COHORTS) == ""
    assert "of itself; leave registration_model.borrow_from empty" in wrong_lender(
        STAGE, BORROWER, "rsna@0123abcd", COHORTS
    )
    assert "'mars', which is no cohort; there are: nih, rsna, shenzhen" in wrong_lender(
        STAGE, BORROWER, "mars", COHORTS
    )
    assert "expected COHORT or COHORT@DIGEST" in wrong_lender(STAGE, BORROWER, "shenzhen@x", COHORTS)


def test_the_current_models_are_taken_and_recorded_as_read(run: StageRun) -> None:
    digest = lend(run.store, {"key": "a"}, {"key": "b", "status": "failed", "reason": "diverged"})
    assert [(row["key"], row["borrowed_from"]) for row in borrowed_rows(run, LENDER, COHORTS)] == [("a", LENDER)]
    assert run.parents == {f"{STAGE}@{LENDER}": digest}
    assert [row["key"] for row in borrowed_rows(run, LENDER, COHORTS, every_status=True)] == ["a", "b"]


def test_a_manifest_that_is_named_stays_the_same_and_is_no_parent(run: StageRun) -> None:
    digest = lend(run.store, {"key": "a"})
    lend(run.store, {"key": "b"})
    named = f"{LENDER}@{digest[:12]}"
    assert [(row["key"], row["borrowed_from"]) for row in borrowed_rows(run, named, COHORTS)] == [("a", named)]
    assert run.parents == {}
    assert [row["key"] for row in borrowed_rows(run, LENDER, COHORTS)] == ["b"]


def test_what_was_borrowed_outlives_the_lenders_manifest(run: StageRun) -> None:
    digest = lend(run.store, {"key": "a"})
    named = f"{LENDER}@{digest}"
    rows = borrowed_rows(run, named, COHORTS)
    lend(run.store, {"key": "b"})
    run.store.delete(Place(STAGE, LENDER).manifest(digest))
    assert "there is no such manifest any more" in refused(run, named)
    lend(run.store, *rows, cohort=BORROWER)
    assert borrowed_rows(run, named, COHORTS) == rows


def mark(store: ObjectStore, cohort: str, why: str = "somebody withdrew") -> None:
    path = f"{Place(STAGE, cohort).folder}/CURRENT.json"
    store.write(path, json.dumps({**json.loads(store.read(path)), MUST_RETRAIN: why}).encode())


def test_what_somebody_was_in_who_withdrew_is_lent_to_nobody(run: StageRun) -> None:
    digest = lend(run.store, {"key": "a"})
    named = f"{LENDER}@{digest[:12]}"
    rows = borrowed_rows(run, named, COHORTS)
    lend(run.store, *rows, cohort=BORROWER)
    mark(run.store, LENDER)
    for lender in (LENDER, named):
        assert "which is to be made again: somebody withdrew" in refused(run, lender)
    assert not lends(run.store, STAGE, LENDER, "1")
    # The lender was trained again: its new models may go on, the earlier ones not.
    write_tombstone(run.store, Tombstone(patient="0" * 24, withdrawn_at="", manifests=(digest,)))
    lend(run.store, {"key": "b"})
    assert [row["key"] for row in borrowed_rows(run, LENDER, COHORTS)] == ["b"]
    assert "a patient withdrew who was in it" in refused(run, named)
    # Nor does the borrower keep what it had of them once their manifest is gone.
    run.store.delete(Place(STAGE, LENDER).manifest(digest))
    assert borrowed_rows(run, named, COHORTS) == rows
    mark(run.store, BORROWER)
    assert "there is no such manifest any more" in refused(run, named)


def test_a_manifest_that_is_named_has_the_version_of_its_own_time(run: StageRun) -> None:
    def evaluated(digest: str, version: str) -> None:
        record = {"version": "1", "settings": {}, "created_at": version, "parents": {f"{STAGE}@{LENDER}": digest}}
        publish(run.store, Place("evaluation", LENDER), pa.table({"of": [digest]}), record)
        remember_generation(run.store, Place("evaluation", LENDER))

    old = lend(run.store, {"key": "a"}, version="0")
    evaluated(old, "0")
    new = lend(run.store, {"key": "b"}, version="1")
    evaluated(new, "1")
    assert [row["key"] for row in borrowed_rows(run, f"{LENDER}@{new}", COHORTS)] == ["b"]
    assert "none of version 1 yet" in refused(run, f"{LENDER}@{old}")
    # And the other way round: what was made by this version stays usable.
    lend(run.store, {"key": "c"}, version="2")
    assert [row["key"] for row in borrowed_rows(run, f"{LENDER}@{new}", COHORTS)] == ["b"]


def test_lenders_are_read_from_settings_of_any_form() -> None:
    settings = {"a": {"borrow_from": "nih"}, "b": {"borrow_from": ""}, "c": 3, "d": {"borrow_from": "nih"}}
    assert lenders_named({**settings, "e": {"borrow_from": "x@y"}}) == [lender_of("nih")]


def test_an_altered_or_ambiguous_manifest_is_refused(run: StageRun) -> None:
    digest = lend(run.store, {"key": "a"})
    place = Place(STAGE, LENDER)
    run.store.write(place.manifest(digest), b"other bytes")
    assert "was altered after it was written" in refused(run, f"{LENDER}@{digest}")
    run.store.write(place.manifest(digest[:10] + "0" * 54), b"")
    with pytest.raises(LookupError, match="give more digits"):
        pinned_manifest(run.store, place, digest[:8])


def test_what_cannot_be_borrowed_says_why(run: StageRun) -> None:
    asked = "cohort rsna borrows the registration model of shenzhen"
    assert refused(run, LENDER) == (
        f"{asked}, which has none of version 1 yet; run `pseudopair run shenzhen --until registration_model`"
    )
    lend(run.store, {"key": "a"}, version="0")
    assert "none of version 1 yet" in refused(run, LENDER)
    assert not lends(run.store, STAGE, LENDER, "1")
    lend(run.store, {"key": "a", "borrowed_from": "nih"})
    assert refused(run, LENDER) == f"{asked}, which itself borrows that of nih; borrow that one"
    lend(run.store, {"key": "a", "status": "failed", "reason": "it diverged"})
    assert refused(run, LENDER) == f"{asked}, which has none: it diverged"
    publish(
        run.store,
        Place(STAGE, LENDER),
        pa.table({"status": pa.array([], pa.string())}),
        {"version": "1", "parents": {}},
    )
    assert refused(run, LENDER) == f"{asked}, which has none: its manifest is empty"


def test_a_single_model_comes_with_its_arrays_where_they_lie(run: StageRun) -> None:
    data = encode({}, {})
    path = Place(STAGE, LENDER).artifact("0a")
    run.store.write(path, data)
    lend(run.store, {"key": "0a", "artifact": path, "artifact_digest": digest_of(data)})
    model = borrowed_model(run, LENDER, COHORTS)
    assert (model.row["artifact"], model.arrays, model.computed) == (path, {}, False)
    assert model.why == "borrowed from shenzhen"


def test_a_lender_that_is_not_whole_is_refused_as_any_upstream_stage(run: StageRun) -> None:
    lend(run.store, {"key": "a"})
    path = f"{Place(STAGE, LENDER).folder}/CURRENT.json"
    pointer = json.loads(run.store.read(path))
    run.store.write(path, json.dumps({**pointer, "parents": {"reference_lung@shenzhen": "older"}}).encode())
    assert "was made from an older reference_lung@shenzhen" in refused(dataclasses.replace(run, parents={}), LENDER)
