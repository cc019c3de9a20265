"""A removed patient leaves nothing behind, and everybody else is as before."""

import json
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from pipelines.forget.removal import find_theirs, remove
from pipelines.forget.rewriting import UNNAMED
from pipelines.forget.schemas import SCHEMAS, as_written
from pipelines.lineage.fitted_on import FITTED_STAGES, fitted_keys
from pipelines.stages import STAGE_NAMES
from resources.fitted import keep_or_fit
from resources.incremental import Outcome
from resources.manifests import Place, publish, read_artifact, read_pointer, require_current, table_bytes
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN
from resources.tombstones import withdrawn
from tests.lineage.forgetting import (
    FITTED,
    REFERENCE,
    TESTED,
    TRAINED,
    VALIDATED,
    contents,
    forgotten,
    forgotten_before,
    litter,
    open_run,
)
from tests.lineage.made_up import MadeUp
from tests.lineage.scan import traces
from tests.lineage.test_answer import rewrite


def _names(row: dict[str, Any], made: MadeUp, index: int) -> bool:
    return made.patient(index) in (row.get("patient"), row.get("abnormal_patient"), row.get("normal_patient"))


@pytest.mark.parametrize("index", [REFERENCE, TRAINED, TESTED])
def test_nothing_of_a_removed_patient_is_left(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    litter(made, index)
    before = traces(made.store, *(seen := forgotten_before(made, index)))
    # The scan sees every kind of trace, or it proves nothing.
    for part in ("manifests/", "artifacts/", "index/", "descriptors/", "checkpoints/", "FAILED.json", "/."):
        assert any(part in path for path in before), part
    remove(made.store, instance, seen[0])
    assert traces(made.store, *seen) == []
    left = made.store.stamps("stages")
    mine = [path for path in left if f"/{made.shard(index)}/" in path or path.split("/")[2:3] == ["made"]]
    assert [path for path in mine if path.endswith((".png", ".html"))] == []
    assert (
        "failed before a patient withdrew"
        in made.store.read(f"stages/prealigned_radiographs/{made.shard(index)}/FAILED.json").decode()
    )


@pytest.mark.parametrize("index", [REFERENCE, TRAINED, TESTED])
def test_everything_of_everybody_else_stays(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    before = contents(made.store)
    found, _, _ = forgotten(made, instance, index)
    after = contents(made.store)
    assert before.keys() - after.keys() == ({"reference_lung@made"} if index == REFERENCE else set())
    for name, (pointer, table) in after.items():
        others = [row for row in before[name][1].to_pylist() if not _names(row, made, index)]
        if name.partition("@")[0] not in FITTED_STAGES:
            assert table.to_pylist() == others
            # The next run's manifest, byte by byte.
            stage, _, partition = name.partition("@")
            data = made.store.read(Place(stage, partition).manifest(pointer["digest"]))
            assert data == table_bytes(pa.Table.from_pylist(others, SCHEMAS[stage])), name
        for row in table.to_pylist():
            if row["artifact"]:
                read_artifact(made.store, row)
    assert dict(found.counts)["radiographs"] == 1


@pytest.mark.parametrize("index", [TRAINED, TESTED])
def test_what_is_untouched_stays_fresh(made: MadeUp, instance: dg.DagsterInstance, index: int) -> None:
    forgotten(made, instance, index)
    now = {name: pointer["digest"] for name, (pointer, _) in contents(made.store).items()}
    for pointer, table in contents(made.store).values():
        assert {parent: now[parent] for parent in pointer["parents"]} == pointer["parents"]
        assert pointer["rows"] == table.num_rows == pointer["planned"]
        assert pointer["ok"] == table["status"].to_pylist().count("ok")
        # What was drawn is to be drawn again.
        assert pointer["pictures"] == ["sheet"]


def marks(store: ObjectStore) -> set[str]:
    return {name for name, (pointer, _) in contents(store).items() if pointer.get(MUST_RETRAIN)}


def test_models_fitted_with_a_patient_are_marked_and_so_are_those_who_borrow_them(
    made: MadeUp, instance: dg.DagsterInstance
) -> None:
    _, _, removed = forgotten(made, instance, TRAINED)
    expected = {*FITTED, "lung_segmenter@other", "translator@made", "pseudo_pairs@made"}
    assert marks(made.store) == expected == set(removed.tombstone.models)


def test_a_patient_of_the_test_part_trained_no_model(made: MadeUp, instance: dg.DagsterInstance) -> None:
    before = contents(made.store)
    _, _, removed = forgotten(made, instance, TESTED)
    expected = {"pseudo_pairs@made", "evaluation@made", "registration_report@made"}
    assert marks(made.store) == expected == set(removed.tombstone.models)
    after = contents(made.store)
    for name in {*FITTED, "translator@made", "lung_segmenter@other"}:
        assert after[name][0]["digest"] == before[name][0]["digest"]


def test_normal_maps_are_marked_though_nothing_was_scored_yet(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("normal_maps", "made")
    for path in [path for path in made.store.stamps("stages") if "/anomaly_maps/" in path or "/evaluation/" in path]:
        made.store.delete(path)
    publish(made.store, place, SCHEMAS["normal_maps"].empty_table(), {"parents": {}, "settings": {}, "version": "1"})
    _, _, removed = forgotten(made, instance, VALIDATED)
    assert str(place) in marks(made.store)
    assert str(place) in removed.tombstone.models


@pytest.mark.parametrize(
    ("settings", "chosen"),
    [
        ({"patience": 2}, True),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": [4, 8]}, True),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": [4]}, False),
        ({"arms": ["none/pca"], "checked_images": 0, "pca_components": [4, 8]}, False),
        ({"arms": ["none/cut"], "checked_images": 8, "pca_components": [4, 8]}, False),
        ({"arms": ["none/pca"], "checked_images": 8, "pca_components": 32}, False),
    ],
)
def test_a_translator_that_validation_chose_is_marked_for_any_patient(
    made: MadeUp, instance: dg.DagsterInstance, settings: dict[str, Any], chosen: bool
) -> None:
    place = Place("translator", "made")
    path = f"{place.folder}/CURRENT.json"
    pointer = json.loads(made.store.read(path))
    made.store.write(path, json.dumps({**pointer, "settings": settings}).encode())
    forgotten(made, instance, TESTED)
    assert (str(place) in marks(made.store)) == chosen


def test_the_reference_that_is_the_patient_is_not_kept(made: MadeUp, instance: dg.DagsterInstance) -> None:
    _, _, removed = forgotten(made, instance, REFERENCE)
    assert read_pointer(made.store, Place("reference_lung", "made")) is None
    assert "reference_lung@made" in removed.tombstone.models


def test_the_next_run_fits_such_a_model_anew_and_keeps_the_others(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("registration_model", "made")
    rows = require_current(made.store, Place("prealigned_radiographs", made.shard(0)))[1].to_pylist()
    rows += require_current(made.store, Place("prealigned_radiographs", made.shard(1)))[1].to_pylist()
    train = [row for row in rows if row["split"] == "train"]

    def computed() -> bool:
        present = [row["key"] for row in train if row["key"] not in gone]
        return keep_or_fit(made.store, place, "r", present, lambda key: Outcome({}, {"w": np.ones(1)})).computed

    gone: set[str] = set()
    assert not computed()
    forgotten(made, instance, TESTED)
    assert not computed()
    found, _, _ = forgotten(made, instance, TRAINED)
    gone |= found.keys
    row = require_current(made.store, place)[1].to_pylist()[0]
    assert "0" * 32 in fitted_keys(made.store, row)
    assert computed()


def test_the_same_pixels_under_another_name_and_in_another_cohort_go_too(
    made: MadeUp, instance: dg.DagsterInstance
) -> None:
    place = Place("radiographs", "other/0")

    def twin(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "radiograph_id": made.name(TRAINED)} if row["row"] == 6 else row

    rewrite(made.store, place, twin)
    found, _, removed = forgotten(made, instance, TRAINED)
    assert found.cohorts == ("made", "other")
    assert made.name(TRAINED) not in require_current(made.store, place)[1]["radiograph_id"].to_pylist()
    assert removed.tombstone.counts["radiographs"] == 2


def test_a_removal_may_be_limited_to_a_cohort_whose_ids_are_its_own(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("radiographs", "other/0")
    rewrite(made.store, place, lambda row: {**row, "patient": made.patient(TRAINED)} if row["row"] == 6 else row)
    before = read_pointer(made.store, place)
    found = find_theirs(made.store, [made.patient(TRAINED)], "made")
    remove(made.store, instance, found, "made")
    after = read_pointer(made.store, place)
    assert before is not None
    assert after is not None
    assert before["digest"] == after["digest"]
    assert made.patient(TRAINED) in withdrawn(made.store, "made").patients
    assert made.patient(TRAINED) not in withdrawn(made.store, "other").patients
    assert find_theirs(made.store, [made.patient(TRAINED)]).cohorts == ("made", "other")


def test_what_a_removal_marked_is_not_taken_as_it_is(made: MadeUp) -> None:
    run = open_run(made.store)
    pointer = {"settings": run.settings_used, "version": run.version}
    assert run.set_as(pointer)
    assert not run.set_as({**pointer, MUST_RETRAIN: "a patient withdrew"})


def test_every_stage_has_its_schema_and_other_columns_are_left_as_they_are() -> None:
    assert tuple(SCHEMAS) == (*STAGE_NAMES, "study_table")
    old = pa.table({"key": ["a"], "column of an earlier version": [1]})
    assert as_written("lung_masks", old).equals(old)
    assert as_written("no stage", old).equals(old)


def test_a_failed_training_no_longer_names_the_radiograph(made: MadeUp, instance: dg.DagsterInstance) -> None:
    place = Place("translator", "made")
    names = sorted(find_theirs(made.store, [made.patient(TRAINED)]).radiographs)
    rewrite(made.store, place, lambda row: {**row, "reason": f"not finite; its batch had {names[0]}"})
    forgotten(made, instance, TRAINED)
    reasons = set(require_current(made.store, place)[1]["reason"].to_pylist())
    assert reasons == {UNNAMED}


def test_a_model_that_cannot_be_read_is_to_be_made_anew(made: MadeUp, instance: dg.DagsterInstance) -> None:
    row = require_current(made.store, Place("registration_peers", "made"))[1].to_pylist()[0]
    made.store.write(row["artifact"], b"garbled")
    _, _, removed = forgotten(made, instance, TESTED)
    assert "registration_peers@made" in removed.tombstone.models
    assert read_pointer(made.store, Place("registration_peers", "made")) is None


def test_a_remote_store_is_cleared_like_a_local_one(s3_store: ObjectStore, instance: dg.DagsterInstance) -> None:
    made = MadeUp(s3_store, stored=lambda index: index < 4).publish()
    litter(made, TRAINED)
    seen = forgotten_before(made, TRAINED)
    assert traces(s3_store, *seen)
    remove(s3_store, instance, seen[0])
    assert traces(s3_store, *seen) == []
