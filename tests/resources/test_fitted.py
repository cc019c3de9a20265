from collections.abc import Callable

import numpy as np
import pyarrow as pa
import pytest

from resources.arrays import CorruptArtifact
from resources.fitted import FITTED_ON, FittedModel, keep_or_fit
from resources.incremental import Outcome
from resources.manifests import Place, fingerprint, pointer_version, publish, require_current, table_bytes
from resources.object_store import ObjectStore

PLACE = Place("registration_model", "phantom")
SCHEMA = pa.schema(
    [("steps", pa.int32())]
    + [(name, pa.string()) for name in ("recipe", "key", "status", "reason", "artifact", "artifact_digest")]
)
A, B, C, D = (fingerprint(name) for name in "abcd")


class Fitter:
    """Fits a model whose weight says how many fits there were before it."""

    def __init__(self) -> None:
        self.keys: list[str] = []

    def __call__(self, key: str) -> Outcome:
        self.keys.append(key)
        return Outcome({"steps": 7}, {"weight": np.array([len(self.keys) - 1])})


@pytest.fixture
def fitter() -> Fitter:
    return Fitter()


def run(
    store: ObjectStore, fitter: Fitter, rows: list[str], recipe: str = "recipe", *, refit: bool = False
) -> FittedModel:
    model = keep_or_fit(store, PLACE, recipe, rows, fitter, refit=refit)
    publish(store, PLACE, pa.Table.from_pylist([model.row], schema=SCHEMA), {}, pointer_version(store, PLACE))
    return model


def test_a_first_run_fits_and_records_what_it_was_fitted_on(store: ObjectStore, fitter: Fitter) -> None:
    model = run(store, fitter, [B, A])
    assert model.computed
    assert fitter.keys == [model.row["key"]]
    assert model.row["steps"] == 7
    assert model.row["recipe"] == "recipe"
    assert [bytes(key).hex() for key in model.arrays[FITTED_ON]] == sorted([A, B])


def test_an_unchanged_run_keeps_the_model(store: ObjectStore, fitter: Fitter) -> None:
    first = run(store, fitter, [A, B])
    again = run(store, fitter, [B, A])
    assert (again.computed, again.row) == (False, first.row)
    np.testing.assert_array_equal(again.arrays["weight"], first.arrays["weight"])


def test_added_rows_keep_the_model(store: ObjectStore, fitter: Fitter) -> None:
    first = run(store, fitter, [A, B])
    later = run(store, fitter, [A, B, C, D])
    assert (later.computed, later.row) == (False, first.row)
    assert "kept" in later.why
    assert run(store, fitter, [A, B, C]).row == first.row


@pytest.mark.parametrize(
    ("rows", "recipe", "refit"),
    [([A], "recipe", False), ([A, C], "recipe", False), ([A, B], "other recipe", False), ([A, B, C], "recipe", True)],
    ids=["row withdrawn", "row changed", "recipe changed", "asked for"],
)
def test_the_model_is_fitted_again(
    local_store: ObjectStore, fitter: Fitter, rows: list[str], recipe: str, refit: bool
) -> None:
    first = run(local_store, fitter, [A, B])
    second = run(local_store, fitter, rows, recipe, refit=refit)
    assert second.computed
    assert second.row["key"] != first.row["key"]
    assert len(fitter.keys) == 2


def test_a_model_of_exactly_these_rows_is_adopted(store: ObjectStore, fitter: Fitter) -> None:
    first = run(store, fitter, [A, B])
    run(store, fitter, [A])
    back = run(store, fitter, [A, B])
    # The model of A alone still holds for A and B: nothing new is fitted.
    assert (back.computed, len(fitter.keys)) == (False, 2)
    asked = run(store, fitter, [A, B], refit=True)
    assert (asked.computed, asked.row) == (False, first.row)
    assert "exactly these rows" in asked.why


def test_a_fit_that_was_cut_off_before_its_manifest_is_adopted(local_store: ObjectStore, fitter: Fitter) -> None:
    lost = keep_or_fit(local_store, PLACE, "recipe", [A, B], fitter)
    model = run(local_store, fitter, [A, B])
    assert (model.computed, model.row) == (False, lost.row)


def test_a_lost_model_is_fitted_again(local_store: ObjectStore, fitter: Fitter) -> None:
    first = run(local_store, fitter, [A, B])
    local_store.delete(first.row["artifact"])
    again = run(local_store, fitter, [A, B])
    assert again.computed
    assert again.row["key"] == first.row["key"]


@pytest.mark.parametrize("damage", ["cut off", "one bit"])
def test_an_altered_model_is_not_used(local_store: ObjectStore, fitter: Fitter, damage: str) -> None:
    path = run(local_store, fitter, [A, B]).row["artifact"]
    whole = local_store.read(path)
    local_store.write(path, whole[:-1] if damage == "cut off" else whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(CorruptArtifact, match="delete it and run its stage again"):
        run(local_store, fitter, [A, B])


@pytest.mark.parametrize("recipe", ["recipe", "recipe of another cohort"])
def test_a_row_without_an_artefact_or_of_another_recipe_is_not_kept(
    store: ObjectStore, fitter: Fitter, recipe: str
) -> None:
    model = run(store, fitter, [A, B], recipe)
    artifact = "" if recipe == "recipe" else model.row["artifact"]
    rejected = {**model.row, "artifact": artifact, "status": "rejected"}
    publish(store, PLACE, pa.Table.from_pylist([rejected], schema=SCHEMA), {}, pointer_version(store, PLACE))
    again = run(store, fitter, [A, B])
    assert again.row["status"] == "ok"
    assert again.row["recipe"] == "recipe"


def test_a_failing_fit_stops_the_run_and_stores_nothing(local_store: ObjectStore) -> None:
    def broken(key: str) -> Outcome:
        raise ValueError("loss is not finite")

    fit: Callable[[str], Outcome] = broken
    with pytest.raises(ValueError, match="not finite"):
        keep_or_fit(local_store, PLACE, "recipe", [A], fit)
    assert local_store.find("") == set()


def test_rows_that_are_only_present_keep_the_model_when_others_are_chosen(
    local_store: ObjectStore, fitter: Fitter
) -> None:
    # A choice of at most so many candidates may change with new rows; what the model was fitted on is still there.
    first = run(local_store, fitter, [A, B])
    later = keep_or_fit(local_store, PLACE, "recipe", [B, C], fitter, present=[A, B, C])
    assert (later.computed, later.row) == (False, first.row)
    assert keep_or_fit(local_store, PLACE, "recipe", [B, C], fitter, present=[B, C]).computed


def test_an_altered_manifest_is_none_and_the_model_is_taken_up(local_store: ObjectStore, fitter: Fitter) -> None:
    first = run(local_store, fitter, [A, B])
    wrong = pa.Table.from_pylist([{**first.row, "steps": 9}], schema=SCHEMA)
    digest = require_current(local_store, PLACE)[0]["digest"]
    local_store.write(PLACE.manifest(digest), table_bytes(wrong))
    again = run(local_store, fitter, [A, B])
    assert (again.computed, again.row) == (False, first.row)
    assert require_current(local_store, PLACE)[0]["digest"] == digest


def test_a_model_that_goes_while_it_is_taken_up_is_fitted_again(
    local_store: ObjectStore, fitter: Fitter, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = keep_or_fit(local_store, PLACE, "recipe", [A, B], fitter)
    renew = ObjectStore.renew

    def late(self: ObjectStore, path: str, data: bytes) -> bool:
        self.delete(path)
        return renew(self, path, data)

    monkeypatch.setattr(ObjectStore, "renew", late)
    again = keep_or_fit(local_store, PLACE, "recipe", [A, B], fitter)
    assert (again.computed, again.row["key"]) == (True, lost.row["key"])
    assert local_store.find(PLACE.folder) == {lost.row["artifact"]}
