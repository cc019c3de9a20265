"""The stage itself on made-up cohorts: what is stored, what is made again, and what its checks stop."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.images import from_uint16
from assets.pairing import asset, asset_frames, asset_pixels
from assets.pairing.described import described
from assets.pairing.descriptor import similarity, thumbnail
from assets.pairing.frame_boxes import boxes_in_frame
from assets.pairing.frames import FrameRows, Read
from assets.prealignment.warp import dequantize
from resources.arrays import Arrays, decode
from resources.manifests import (
    Place,
    fingerprint,
    read_artifact,
    read_manifest,
    read_pointer,
    table_bytes,
    write_manifest,
)
from resources.stage_run import StageRun
from tests.pairing.made_up import MadeUp, person

COUNT = 30


@pytest.fixture
def made_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    cohort = MadeUp(tmp_path / "store", [person(number) for number in range(COUNT)]).use(monkeypatch)
    cohort.publish()
    return cohort


def failed_checks(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, Any]]:
    found = {}
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            found[check.check_name] = {name: value.value for name, value in check.metadata.items()}
    return found


def test_a_pair_names_all_that_it_was_made_from(made_up: MadeUp) -> None:
    result = made_up.pair()
    assert result.success
    assert failed_checks(result) == {}
    pairs = made_up.pairs()
    numbers = {row["radiograph_id"]: number for number, row in enumerate(made_up.people)}
    assert len(pairs) == 2 * sum(row["domain"] == "abnormal" for row in made_up.people)
    for pair in pairs:
        assert pair["pair_id"] == pair["key"] == fingerprint([pair["abnormal_key"], pair["normal_key"]])
        assert (pair["policy"], pair["status"], pair["run_id"]) == ("random", "ok", result.run_id)
        for side in ("abnormal", "normal"):
            number = numbers[pair[f"{side}_id"]]
            row = made_up.people[number]
            assert (pair["split"], side) == (row["split"], row["domain"])
            for name in ("label", "patient", "file_digest"):
                assert pair[f"{side}_{name}"] == row[name]
            keys = [pair[f"{side}_{name}"] for name in ("radiograph_key", "mask_key", "prealigned_key", "key")]
            assert keys == [made_up.key(stage, number) for stage in asset_frames.FRAME_STAGES]
            assert pair[f"{side}_shard"] == made_up.shard_of(number)
            stored = {name: pair[f"{side}_{name}"] for name in ("artifact", "artifact_digest")}
            assert "velocity" in read_artifact(made_up.store, stored)
            assert (pair[f"{side}_dice_reference"], pair[f"{side}_folded_share"]) == (0.97, 0.0)
            assert pair[f"{side}_boxes"] == pair[f"{side}_flags"] == []
    assert len({pair["abnormal_shard"] for pair in pairs}) == 3


def test_models_settings_and_versions_are_those_of_the_pointers(made_up: MadeUp) -> None:
    made_up.pair(seed=3)
    pair = made_up.pairs()[0]
    models = {}
    for name in ("reference_lung", "registration_model"):
        table = read_manifest(made_up.store, Place(name, made_up.cohort))
        assert table is not None
        models[name] = table.to_pylist()[0]
    assert pair["reference"] == models["reference_lung"]["key"]
    assert pair["registration_model"] == models["registration_model"]["key"]
    assert pair["registration_model_digest"] == models["registration_model"]["artifact_digest"]
    versions, settings = json.loads(pair["versions"]), json.loads(pair["settings"])
    assert set(versions) == set(settings) == {*asset_frames.FRAME_STAGES, *asset_pixels.MODELS, "pseudo_pairs"}
    assert versions["lung_masks"] == "7"
    assert versions["pseudo_pairs"] == asset.VERSION
    assert settings["lung_masks"] == fingerprint({"of": "lung_masks"})
    assert settings["pseudo_pairs"] == fingerprint(made_up.pointer()["settings"])


def test_similarities_are_those_of_the_pixels(made_up: MadeUp) -> None:
    made_up.pair()
    numbers = {row["radiograph_id"]: number for number, row in enumerate(made_up.people)}
    for pair in made_up.pairs()[:6]:
        sides = [made_up._arrays(numbers[pair[f"{side}_id"]]) for side in ("abnormal", "normal")]
        for name, stage, masks in (
            ("before", "radiographs", "lung_masks"),
            ("after", "registered_radiographs", "registered_radiographs"),
        ):
            coarse = [thumbnail(from_uint16(each[stage]["image"]), each[masks]["lungs"]) for each in sides]
            expected = similarity(np.stack(coarse), np.array([[0, 1]]))[0]
            assert pair[f"similarity_{name}"] == pytest.approx(expected, abs=1e-9)


def test_an_unchanged_run_gives_the_same_manifest_and_reads_no_pixel(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made_up.pair()
    before = made_up.pointer()
    refuse(monkeypatch)
    second = made_up.pair()
    after = made_up.pointer()
    assert second.success
    assert after["digest"] == before["digest"]
    assert (after["reused"], after["computed"], after["run_id"]) == (before["rows"], 0, second.run_id)
    assert {pair["run_id"] for pair in made_up.pairs()} == {first.run_id}


def refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    def reading(_rows: FrameRows, _read: Read) -> Arrays:
        raise AssertionError("pixels were read")

    monkeypatch.setattr(asset_pixels, "described", reading)


def test_new_radiographs_alone_are_read_and_pairs_that_stay_keep_their_run(
    made_up: MadeUp, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = made_up.pair(policy="nearest")
    kept = {pair["pair_id"]: pair for pair in made_up.pairs()}
    made_up.people.append({**person(COUNT), "domain": "normal", "label": "clear", "split": "train"})
    made_up.publish()
    read: list[str] = []

    def noted(rows: FrameRows, how: Read) -> Arrays:
        read.append(rows.radiograph["radiograph_id"])
        return described(rows, how)

    monkeypatch.setattr(asset_pixels, "described", noted)
    second = made_up.pair(policy="nearest")
    assert read == [made_up.people[-1]["radiograph_id"]]
    stayed = [pair for pair in made_up.pairs() if pair["pair_id"] in kept]
    assert stayed
    assert all({**pair} == {**kept[pair["pair_id"]]} for pair in stayed)
    made = [pair for pair in made_up.pairs() if pair["pair_id"] not in kept]
    assert {pair["run_id"] for pair in made} <= {second.run_id}
    assert {pair["run_id"] for pair in stayed} == {first.run_id}
    assert made_up.pointer()["computed"] == len(made)


@pytest.mark.parametrize("lost", ["deleted", "damaged", "of another version"])
def test_descriptors_can_be_made_again_at_any_time(made_up: MadeUp, lost: str, monkeypatch: pytest.MonkeyPatch) -> None:
    made_up.pair(policy="nearest")
    before = {pair["pair_id"] for pair in made_up.pairs()}
    for path in made_up.store.find("stages/pseudo_pairs/three_shards/descriptors"):
        if lost == "deleted":
            made_up.store.delete(path)
        if lost == "damaged":
            made_up.store.write(path, made_up.store.read(path)[:-9])
    if lost == "of another version":
        monkeypatch.setattr(asset_pixels, "DESCRIPTION", "another")
    made_up.pair(policy="nearest", flag_dice_below=0.5)
    assert {pair["pair_id"] for pair in made_up.pairs()} == before


def test_a_radiograph_that_is_gone_leaves_pairs_and_descriptors(made_up: MadeUp) -> None:
    made_up.pair(policy="nearest")
    gone = made_up.people.pop(4)
    key = made_up.key("registered_radiographs", 4)
    made_up.publish()
    made_up.pair(policy="nearest")
    assert gone["radiograph_id"] not in {
        pair[f"{side}_id"] for pair in made_up.pairs() for side in ("abnormal", "normal")
    }
    kept = [
        decode(made_up.store.read(path))["keys"]
        for path in made_up.store.find("stages/pseudo_pairs/three_shards/descriptors")
    ]
    present = {made_up.key("registered_radiographs", number) for number in range(len(made_up.people))}
    assert {bytes(name).hex() for keys in kept for name in keys} <= present
    assert key in present


BOXED = 3


@pytest.mark.parametrize("below", [0.9, 0.0])
def test_boxes_are_carried_into_the_frame_once(made_up: MadeUp, monkeypatch: pytest.MonkeyPatch, below: float) -> None:
    made_up.people[BOXED]["boxes"] = [{"x": 12.0, "y": 20.0, "width": 8.0, "height": 6.0, "kind": "nodule"}]
    made_up.publish()
    made_up.pair()
    name = made_up.people[BOXED]["radiograph_id"]
    side = f"{made_up.people[BOXED]['domain']}"
    boxed = [pair for pair in made_up.pairs() if pair[f"{side}_id"] == name]
    assert boxed
    (box,) = boxed[0][f"{side}_boxes"]
    arrays = made_up._arrays(BOXED)
    (expected,) = boxes_in_frame(
        asset_pixels.cohort_registration(run_of(made_up)),
        arrays["lung_masks"]["lungs"],
        dequantize(arrays["prealigned_radiographs"]["displacement"]),
        arrays["registered_radiographs"]["velocity"],
        np.array([[12.0, 20, 8, 6]]),
    )
    assert [box[corner] for corner in ("x", "y", "width", "height")] == pytest.approx(expected.tolist())
    assert box["kind"] == "nodule"
    assert all(pair[f"{side}_boxes"] == [box] for pair in boxed)
    assert sum(bool(pair[f"{each}_boxes"]) for pair in made_up.pairs() for each in ("abnormal", "normal")) == len(boxed)
    monkeypatch.setattr(asset_pixels, "carried_boxes", None)
    made_up.pair(flag_dice_below=below)
    assert all(pair[f"{side}_boxes"] == [box] for pair in made_up.pairs() if pair[f"{side}_id"] == name)


def run_of(made_up: MadeUp) -> StageRun:
    return StageRun(
        made_up.store, "pseudo_pairs", "2", made_up.cohort, made_up.cohort, {}, {}, "run", lambda line: None
    )


def test_flags_say_what_is_worth_knowing(made_up: MadeUp) -> None:
    made_up.masks = {0: {"quality": 0.5}, 1: {"base_completed": "left"}, 2: {"passed_over": "supplied: gate"}}
    made_up.registered = {3: {"folded_share": 0.01}, 4: {"dice_reference": 0.8}}
    made_up.people[5]["mask_problem"] = "another size"
    made_up.publish()
    made_up.pair(normals_per_abnormal=20)
    expected = ["low_mask_quality", "base_completed", "mask_passed_over", "folded", "low_dice", "mask_problem"]
    names = {row["radiograph_id"]: expected[number] for number, row in enumerate(made_up.people[:6])}
    met = set()
    for pair in made_up.pairs():
        for side in ("abnormal", "normal"):
            word = names.get(pair[f"{side}_id"])
            assert pair[f"{side}_flags"] == ([word] if word else [])
            met.add(word)
    assert set(expected) <= met
    made_up.pair(normals_per_abnormal=20, flag_dice_below=0.7, flag_quality_below=0.4)
    words = {word for pair in made_up.pairs() for side in ("abnormal", "normal") for word in pair[f"{side}_flags"]}
    assert words == {"base_completed", "mask_passed_over", "folded", "mask_problem"}


def test_matched_pairs_say_what_was_relaxed(made_up: MadeUp) -> None:
    made_up.pair(policy="matched", normals_per_abnormal=6)
    people = {row["radiograph_id"]: row for row in made_up.people}
    relaxed = 0
    for pair in made_up.pairs():
        ill, well = people[pair["abnormal_id"]], people[pair["normal_id"]]
        odd = [f"relaxed_{name}" for name in ("view", "sex") if ill[name] != well[name]]
        odd += ["relaxed_age"] if ill["age"] // 10 != well["age"] // 10 else []
        assert pair["normal_flags"] == odd
        assert pair["abnormal_flags"] == []
        relaxed += bool(odd)
    assert relaxed > 0


def test_a_cohort_of_normals_has_no_pair_and_no_picture(made_up: MadeUp) -> None:
    for row in made_up.people:
        row.update(domain="normal", label="clear")
    made_up.publish()
    result = made_up.pair()
    assert result.success
    assert made_up.pairs() == []
    assert made_up.pointer()["pictures"] == []


def test_a_patient_in_two_splits_is_caught_by_name(made_up: MadeUp) -> None:
    made_up.people[0]["split"] = "validation"
    assert made_up.people[1]["patient"] == made_up.people[0]["patient"]
    made_up.publish()
    found = failed_checks(made_up.pair())
    assert list(found) == ["patients_in_one_split"]
    assert found["patients_in_one_split"]["patients_in_two_splits"] == 1
    assert made_up.people[0]["patient"] not in json.dumps(found)


def relabel(made_up: MadeUp, column: str, value: str) -> str:
    """Change a radiograph's row after the later stages were made, as no run of this program does."""
    victim = next(row for row in made_up.people if row["domain"] == "abnormal" and row["split"] == "train")
    place = Place("radiographs", made_up.shard_of(made_up.people.index(victim)))
    table = read_manifest(made_up.store, place)
    pointer = read_pointer(made_up.store, place)
    assert table is not None
    assert pointer is not None
    rows = table.to_pylist()
    for row in rows:
        if row["radiograph_id"] == victim["radiograph_id"]:
            row[column] = value
    # Later stages are said to have been made from what it is now.
    digest = write_manifest(made_up.store, place, pa.Table.from_pylist(rows, schema=table.schema))
    for path in made_up.store.find("stages"):
        if path.endswith("CURRENT.json"):
            text = made_up.store.read(path)
            made_up.store.write(path, text.replace(pointer["digest"].encode(), digest.encode()))
    return str(victim["radiograph_id"])


def test_a_pair_whose_radiograph_changed_its_split_is_caught_by_name(made_up: MadeUp) -> None:
    relabel(made_up, "split", "test")
    found = failed_checks(made_up.pair())
    assert list(found) == ["pairs_within_split"]
    assert found["pairs_within_split"]["pairs_across_splits"] == 2


@pytest.mark.parametrize(("column", "value"), [("label", "mass"), ("domain", "normal")])
def test_a_label_flipped_upstream_is_caught_by_name(made_up: MadeUp, column: str, value: str) -> None:
    name = relabel(made_up, column, value)
    found = failed_checks(made_up.pair())
    assert list(found) == ["labels_agree"]
    assert (found["labels_agree"]["radiographs_relabelled"], found["labels_agree"]["pairs_relabelled"]) == (1, 2)
    assert name in json.dumps(found)


def test_joined_rows_have_what_frames_are_made_of_and_little_else(made_up: MadeUp) -> None:
    rows = asset_frames.joined_rows(run_of(made_up))
    assert len(rows) == COUNT
    one = next(iter(rows.values()))
    for stage, row in zip(
        asset_frames.FRAME_STAGES, (one.radiograph, one.lungs, one.prealigned, one.registered), strict=True
    ):
        assert tuple(row) == asset_frames.FRAME_COLUMNS[stage]


@pytest.mark.parametrize("same", [True, False])
def test_an_altered_manifest_of_pairs_is_not_published_again(made_up: MadeUp, same: bool) -> None:
    made_up.pair()
    pairs = made_up.pairs()
    place, digest = Place("pseudo_pairs", made_up.cohort), made_up.pointer()["digest"]
    sound = read_manifest(made_up.store, place)
    assert sound is not None
    wrong = sound.set_column(
        sound.column_names.index("similarity_after"), "similarity_after", pa.array([9.0] * len(pairs), pa.float32())
    ).cast(sound.schema)
    made_up.store.write(place.manifest(digest), table_bytes(wrong))
    assert made_up.pair(**({} if same else {"flag_dice_below": 0.5})).success
    again = made_up.pairs()
    for name in ("pair_id", "similarity_after"):
        assert [pair[name] for pair in again] == [pair[name] for pair in pairs]
