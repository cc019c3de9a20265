import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from annotated_types import Le

from assets.segmenter.settings import SegmenterSettings
from pipelines.lineage.answer import lineage, patient_lineage
from pipelines.lineage.find import LineageError
from pipelines.lineage.fitted_on import FITTED_ON, FITTED_STAGES, fitted_keys, keys_as_fitted
from pipelines.lineage.item import ALTERED, MISSING, OUTDATED, Item, Lineage
from pipelines.stages import STAGES
from resources import fitted
from resources.manifests import Place, fingerprint, publish, read_pointer, require_current
from resources.object_store import ObjectStore
from tests.lineage.made_up import MadeUp

# A patient of each domain and part.
NORMAL, ABNORMAL, TESTED = 0, 1, 17


def kinds(item: Item) -> dict[str, list[str]]:
    """Names by kind of an item and all that it was made from."""
    found: dict[str, list[str]] = {item.kind: [item.name]}
    for each in item.made_from:
        for kind, names in kinds(each).items():
            found.setdefault(kind, []).extend(names)
    return found


def every(item: Item) -> list[Item]:
    return [item, *(each for before in item.made_from for each in every(before))]


def went_into(told: Lineage) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for item in told.reached:
        found.setdefault(item.kind, set()).add(item.name)
    return found


def rewrite(store: ObjectStore, place: Place, change: Any) -> None:  # noqa: ANN401
    pointer, table = require_current(store, place)
    rows = [change(row) for row in table.to_pylist()]
    republish(store, place, pa.Table.from_pylist([row for row in rows if row], table.schema), pointer)


def republish(store: ObjectStore, place: Place, table: pa.Table, pointer: dict[str, Any]) -> None:
    publish(store, place, table, {name: value for name, value in pointer.items() if name not in ("digest", "rows")})


def test_a_pair_is_told_back_to_the_source_files_of_both_sides(made: MadeUp) -> None:
    told = lineage(made.store, made.pair_id(ABNORMAL, NORMAL))
    (pair,) = told.items
    found = kinds(pair)
    for stage, kind in (
        ("registered_radiographs", "IT-DPR registration"),
        ("prealigned_radiographs", "IT-PR pre-alignment"),
        ("lung_masks", "lung mask"),
        ("radiographs", "radiograph"),
    ):
        assert found[kind] == [made.key(stage, ABNORMAL), made.key(stage, NORMAL)]
    assert found["source file"] == [made.file(ABNORMAL), made.file(NORMAL)]
    assert set(found["reference lung"]) == {made.key("reference_lung", "model")}
    assert set(found["lung segmenter"]) == {made.key("lung_segmenter", "model")}
    assert set(found["registration model"]) == {made.key("registration_model", "model")}
    assert {item.state for item in every(pair)} == {"ok"}
    source = next(item for item in every(pair) if item.kind == "source file")
    assert source.columns == {"cohort": "made", "shard": made.shard(ABNORMAL), "row": ABNORMAL + 1}


def test_every_step_names_its_manifest_settings_and_run(made: MadeUp) -> None:
    (pair,) = lineage(made.store, made.pair_id(ABNORMAL, NORMAL)).items
    for item in every(pair):
        if item.kind != "source file":
            place = Place(item.manifest["stage"], item.manifest["partition"])
            pointer = read_pointer(made.store, place)
            assert pointer is not None
            assert item.manifest == {name: pointer[name] for name in item.manifest}
            assert item.manifest.keys() >= {"digest", "settings", "version", "run_id", "created_at"}


def test_a_training_pair_reached_the_translators_and_their_evaluation(made: MadeUp) -> None:
    found = went_into(lineage(made.store, made.pair_id(ABNORMAL, NORMAL)))
    # The second is fitted to normals alone, one of which the pair has.
    assert found["translator"] == {made.key("translator", "cut"), made.key("translator", "pca")}
    assert found.keys() == {"translator", "evaluation"}


def test_a_test_pair_reached_scores_and_no_translator(made: MadeUp) -> None:
    tested = next(row for row in _pairs(made) if row["split"] == "test")
    found = went_into(lineage(made.store, tested["pair_id"]))
    assert found.keys() == {"anomaly map", "evaluation"}
    rows = {made.name(index): made.key("anomaly_maps", index) for index in range(made.radiographs)}
    assert found["anomaly map"] == {rows[tested["abnormal_id"]], rows[tested["normal_id"]]}


def _pairs(made: MadeUp) -> list[dict[str, Any]]:
    _, table = require_current(made.store, Place("pseudo_pairs", made.cohort))
    rows: list[dict[str, Any]] = table.to_pylist()
    return rows


@pytest.mark.parametrize("index", [NORMAL, ABNORMAL, TESTED])
def test_a_radiograph_reached_what_the_manifests_say(made: MadeUp, index: int) -> None:
    told = lineage(made.store, made.name(index))
    found = went_into(told)
    assert kinds(told.items[0])["source file"] == [made.file(index)]
    mine = {row["pair_id"] for row in _pairs(made) if made.name(index) in (row["abnormal_id"], row["normal_id"])}
    assert found["pair"] == mine
    if made.split(index) == "train":
        models = {"lung segmenter", "reference lung", "registration model", "registration peers"}
        translators = {made.key("translator", "cut")} | (
            {made.key("translator", "pca")} if made.domain(index) == "normal" else set()
        )
        assert found.keys() == {*models, "pair", "translator", "evaluation"}
        assert found["translator"] == translators
        # The other cohort's, too: it borrows it.
        places = {item.manifest["partition"] for item in told.reached if item.kind == "lung segmenter"}
        assert places == {"made", "other"}
    else:
        assert found.keys() == {"pair", "anomaly map", "evaluation", "measurement"}
        assert found["anomaly map"] == {made.key("anomaly_maps", index)}


def test_the_reference_is_named_as_the_radiograph_that_it_is(made: MadeUp) -> None:
    told = lineage(made.store, made.name(0))
    assert [item.why for item in told.reached if item.kind == "reference lung"] == [
        "is one of these radiographs itself"
    ]


def test_ids_may_be_begun_and_files_given_as_path_or_digest(made: MadeUp, tmp_path: Path) -> None:
    whole = lineage(made.store, made.name(3))
    assert lineage(made.store, made.name(3)[:8]) == whole
    assert lineage(made.store, made.name(3)[:12].upper()) == whole
    by_digest = lineage(made.store, made.file(3))
    assert by_digest.items == whole.items
    assert by_digest.asked == f"file {made.file(3)}"
    assert lineage(made.store, made.file(3)[:40]) == by_digest
    pair = made.pair_id(ABNORMAL, NORMAL)
    assert lineage(made.store, pair[:10]) == lineage(made.store, pair)
    path = tmp_path / "unknown.png"
    path.write_bytes(b"unknown")
    with pytest.raises(LineageError, match="no radiograph of the store was made from this file"):
        lineage(made.store, str(path))


def test_a_file_is_known_by_its_bytes(made: MadeUp, tmp_path: Path) -> None:
    path = tmp_path / "any name.png"
    path.write_bytes(b"its bytes")
    digest = hashlib.sha256(b"its bytes").hexdigest()
    place = Place("radiographs", made.shard(3))
    rewrite(made.store, place, lambda row: {**row, "file_digest": digest} if row["row"] == 4 else row)
    told = lineage(made.store, str(path))
    assert [item.columns["radiograph_id"] for item in told.items] == [made.name(3)]
    assert "any name" not in json.dumps(told.as_record())


@pytest.mark.parametrize("text", ["", "abc", "x" * 32, "0" * 7, "nowhere.png"])
def test_what_is_no_id_is_told_what_ids_there_are(made: MadeUp, text: str) -> None:
    with pytest.raises(LineageError, match="pair id or a radiograph id"):
        lineage(made.store, text)


def test_an_id_that_nothing_has_is_told_so(made: MadeUp) -> None:
    with pytest.raises(LineageError, match=f"nothing has the id {'0' * 32}"):
        lineage(made.store, "0" * 32)


def test_an_id_that_two_things_begin_with_is_not_guessed(made: MadeUp) -> None:
    def beginning(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "radiograph_id": made.pair_id(ABNORMAL, NORMAL)[:10] + "0" * 22} if row["row"] == 4 else row

    rewrite(made.store, Place("radiographs", made.shard(3)), beginning)
    with pytest.raises(LineageError, match=r"2 things begin so .*give more of the id"):
        lineage(made.store, made.pair_id(ABNORMAL, NORMAL)[:10])


def test_a_patient_is_all_its_radiographs(local_store: ObjectStore) -> None:
    made = MadeUp(local_store, radiographs=20, per_patient=2, shards=2).publish()
    told = patient_lineage(local_store, ["0" * 24, made.patient(5)])
    assert {item.columns["radiograph_id"] for item in told.items} == {made.name(4), made.name(5)}
    both = went_into(lineage(local_store, made.name(4))), went_into(lineage(local_store, made.name(5)))
    assert went_into(told)["pair"] == both[0]["pair"] | both[1]["pair"]
    with pytest.raises(LineageError, match="no radiograph of the store is of that patient"):
        patient_lineage(local_store, ["0" * 24])


def test_missing_and_altered_artefacts_are_told(made: MadeUp) -> None:
    mask = Place("lung_masks", made.shard(ABNORMAL)).artifact(made.key("lung_masks", ABNORMAL))
    field = Place("prealigned_radiographs", made.shard(ABNORMAL)).artifact(made.key("prealigned_radiographs", ABNORMAL))
    data = bytearray(made.store.read(mask))
    data[-1] ^= 1
    made.store.write(mask, bytes(data))
    made.store.delete(field)
    (item,) = lineage(made.store, made.name(ABNORMAL)).items
    states = {each.kind: each.state for each in every(item)}
    assert states.pop("lung mask") == ALTERED
    assert states.pop("IT-PR pre-alignment") == MISSING
    assert set(states.values()) == {"ok"}


def test_a_row_that_was_set_aside_ends_the_chain_with_its_reason(made: MadeUp) -> None:
    shard = made.shard(ABNORMAL)

    def aside(row: dict[str, Any]) -> dict[str, Any]:
        mine = row["radiograph_id"] == made.name(ABNORMAL)
        return {**row, "status": "needs_review", "reason": "odd"} if mine else row

    rewrite(made.store, Place("lung_masks", shard), aside)
    for stage in ("prealigned_radiographs", "registered_radiographs"):
        rewrite(
            made.store, Place(stage, shard), lambda row: row if row["radiograph_id"] != made.name(ABNORMAL) else None
        )
    (item,) = lineage(made.store, made.name(ABNORMAL)).items
    assert (item.kind, item.state, item.why) == ("lung mask", "needs_review", "odd")
    (pair,) = lineage(made.store, made.pair_id(ABNORMAL, NORMAL)).items
    gone = pair.made_from[0]
    assert (gone.kind, gone.state) == ("IT-DPR registration", OUTDATED)
    assert gone.name == made.key("registered_radiographs", ABNORMAL)


def test_a_row_without_pixels_is_told_by_its_file(made: MadeUp) -> None:
    def broken(row: dict[str, Any]) -> dict[str, Any]:
        lost = {"radiograph_id": None, "status": "failed", "reason": "row 4: no image", "artifact": ""}
        return {**row, **lost} if row["row"] == 4 else row

    rewrite(made.store, Place("radiographs", made.shard(3)), broken)
    (item,) = lineage(made.store, made.file(3)).items
    assert (item.kind, item.state, item.why) == ("radiograph", "failed", "row 4: no image")
    assert [each.name for each in item.made_from] == [made.file(3)]


def test_a_pair_from_before_a_new_mask_says_which_steps_are_others_now(made: MadeUp) -> None:
    def drawn_anew(row: dict[str, Any]) -> dict[str, Any]:
        return {**row, "key": "1" * 32} if row["radiograph_id"] == made.name(NORMAL) else row

    rewrite(made.store, Place("lung_masks", made.shard(NORMAL)), drawn_anew)
    (pair,) = lineage(made.store, made.pair_id(ABNORMAL, NORMAL)).items
    outdated = [item for item in every(pair) if item.state == OUTDATED]
    assert [item.kind for item in outdated] == ["lung mask"]
    assert made.key("lung_masks", NORMAL) in outdated[0].why


def test_translators_whose_pairs_are_gone_are_told_as_unknown(made: MadeUp) -> None:
    place = Place("pseudo_pairs", "made")
    before, _ = require_current(made.store, place)
    rewrite(made.store, place, lambda row: {**row, "policy": "nearest"})
    made.store.delete(place.manifest(before["digest"]))
    told = lineage(made.store, made.name(NORMAL))
    assert all("nobody can tell" in item.why for item in told.reached if item.kind == "translator")
    assert len(went_into(told)["translator"]) == 2


def test_a_model_to_be_trained_again_says_why(made: MadeUp) -> None:
    place = Place("registration_model", "made")
    pointer, table = require_current(made.store, place)
    republish(made.store, place, table, {**pointer, "must_retrain": "somebody left"})
    (item,) = lineage(made.store, made.name(NORMAL)).items
    assert [each.why for each in every(item) if each.kind == "registration model"] == ["somebody left"]


def test_lineage_of_a_remote_store_is_that_of_a_local_one(local_store: ObjectStore, s3_store: ObjectStore) -> None:
    told = []
    for store in (local_store, s3_store):
        made = MadeUp(store, stored=lambda index: index < 2).publish()
        told.append(lineage(store, made.pair_id(ABNORMAL, NORMAL)))
        told.append(lineage(store, made.name(NORMAL)))
    assert (told[0].items, told[0].reached) == (told[2].items, told[2].reached)
    assert (told[1].items, told[1].reached) == (told[3].items, told[3].reached)


def test_models_know_rows_by_the_stages_that_they_read() -> None:
    assert FITTED_ON == fitted.FITTED_ON
    reads = {stage.name: stage.reads for stage in STAGES}
    assert all(rows in reads[model] for model, rows in FITTED_STAGES.items())


def test_a_cross_fitted_segmenter_knows_a_row_by_the_part_of_its_patient() -> None:
    row = {"key": "0a", "split": "train", "domain": "normal"}
    (most,) = (item.le for item in SegmenterSettings.model_fields["cross_fit"].metadata if isinstance(item, Le))
    parts = {fingerprint([*row.values(), part]) for part in range(int(str(most)))}
    assert keys_as_fitted("lung_segmenter", row) == {fingerprint([*row.values()]), *parts}


def test_a_model_tells_what_it_was_fitted_on(made: MadeUp) -> None:
    for model, stage in FITTED_STAGES.items():
        _, table = require_current(made.store, Place(model, "made"))
        rows = [
            row
            for shard in ("made/0", "made/1")
            for row in require_current(made.store, Place(stage, shard))[1].to_pylist()
        ]
        train = [keys_as_fitted(model, row) for row in rows if row["split"] == "train"]
        row = table.to_pylist()[0]
        fitted_on = fitted_keys(made.store, row)
        assert fitted_on
        assert fitted_on <= set().union(*train)
        assert all(len(keys & fitted_on) == 1 for keys in train)
        made.store.write(row["artifact"], b"garbled")
        assert fitted_keys(made.store, row) == frozenset()
        assert fitted_keys(made.store, {**row, "artifact": ""}) == frozenset()
