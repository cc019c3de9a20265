import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from pipelines.borrowing.lender import MODELS, BorrowingError, lenders_by_stage, lent_generation
from pipelines.borrowing.request import borrower
from pipelines.borrowing.settings import ALL_TEST, taken_settings
from pipelines.cohort_files import CohortProblem, cohort_name
from pipelines.launches import stages_until
from pipelines.lenders import TRAINING_ONLY, stages_of
from pipelines.settings import STAGE_SETTINGS
from pipelines.stages import STAGE_NAMES, STAGES
from pipelines.study.registered import registered
from pipelines.versions import VERSIONS
from resources.catalogue import entry_named
from resources.generation import Generation, remember_generation
from resources.manifests import Place, publish
from resources.object_store import ObjectStore
from resources.stage_run import MUST_RETRAIN
from resources.taken_models import Settings, give_back, taken
from resources.tombstones import Tombstone, write_tombstone

LENDER = "shenzhen"
NEW = {"name": "hospital", "root": "images", "folders": {".": "any"}, "unlabelled": True}
TABLED = {"name": "hospital", "root": "images", "table": "t.csv", "unlabelled": True}
USED: dict[str, dict[str, Any]] = {
    "radiographs": {"size": 128, "low_percentile": 0.5, "test_share": 0.2, "undo_squash": False},
    "lung_masks": {"sources": ["trained"], "share_set_aside": 0.9},
    "prealigned_radiographs": {"mode": "rows"},
    "anomaly_maps": {"an older setting": 1},
    "localisation": {"detections": 9},
    "evaluation": {"specificity": 0.8, "headline": "score_max", "bootstrap_seed": 7},
}
SHARDED = ("radiographs", "lung_masks", "prealigned_radiographs", "anomaly_maps", "localisation")


def lend(store: ObjectStore, **rows: list[dict[str, Any]]) -> None:
    """Publish every model of a lender, and what its evaluation was made from."""
    parents: dict[str, str] = {}
    for stage in (*SHARDED, *MODELS):
        partition = f"{LENDER}/0" if stage in SHARDED else LENDER
        given = rows.get(stage, [{"status": "ok", "reason": "", "borrowed_from": "", "stage": stage}])
        table = pa.Table.from_pylist(given) if given else pa.table({"status": pa.array([], pa.string())})
        record = {"settings": USED.get(stage, {}), "version": VERSIONS[stage], "created_at": "today"}
        digest = publish(store, Place(stage, partition), table, {**record, "parents": parents})
        parents = {**parents, f"{stage}@{partition}": digest}


def generation(**settings: dict[str, Any]) -> Generation:
    return Generation(made_at="", digests={}, settings=settings, versions={})


def settings_with(declared: Settings, lenders: dict[str, str], *, undo_squash: bool = False) -> Settings:
    return taken_settings(declared, generation(**USED), lenders, LENDER, undo_squash=undo_squash).over(declared)


def test_every_stage_that_lends_can_borrow() -> None:
    assert all("borrow_from" in STAGE_SETTINGS[stage].model_fields for stage in MODELS)
    borrowing = {stage for stage, kind in STAGE_SETTINGS.items() if "borrow_from" in kind.model_fields}
    assert borrowing == set(MODELS)


def test_a_borrower_has_the_stages_that_train_nothing() -> None:
    assert {stage.name for stage in stages_of({}, STAGES)} == set(STAGE_NAMES)
    kept = [name for name in STAGE_NAMES if name not in TRAINING_ONLY]
    declared = {"translator": {"borrow_from": LENDER}}
    assert [stage.name for stage in stages_of(declared, STAGES)] == kept
    assert [stage.name for stage in stages_of({}, STAGES, declared)] == kept
    # A launch may train a borrower's own.
    assert len(stages_of(declared, STAGES, {"translator": {"borrow_from": ""}})) == len(STAGES)
    assert len(stages_of({"lung_segmenter": {"borrow_from": LENDER}}, STAGES)) == len(STAGES)


def test_learned_peers_are_trained_before_the_translators_only_for_their_frames() -> None:
    usual = [stage.name for stage in stages_of({}, STAGES)]
    assert usual[-2:] == ["registration_peers", "registration_report"]
    assert usual[:-2] == [name for name in STAGE_NAMES if name not in usual[-2:]]
    for peers, order in (
        (["affine"], usual),
        (["voxelmorph"], list(STAGE_NAMES)),
        (["affine", "synthmorph"], list(STAGE_NAMES)),
    ):
        declared = {"peer_registered": {"peers": peers}}
        assert [stage.name for stage in stages_of(declared, STAGES)] == order
        assert [stage.name for stage in stages_of({}, STAGES, declared)] == order
    # Whatever stands there, the order can be told.
    assert len(stages_of({"peer_registered": {"peers": 3}}, STAGES)) == len(STAGES)


def test_nobody_trains_learned_peers_up_to_the_translators_without_their_frames() -> None:
    framed = {"peer_registered": {"peers": ["voxelmorph"]}}
    plain, asked = (stages_until("translator", stages_of(each, STAGES)) for each in ({}, framed))
    assert "registration_peers" not in [stage.name for stage in plain]
    assert [stage.name for stage in asked][-4:] == [
        "registration_peers",
        "peer_registered",
        "pseudo_pairs",
        "translator",
    ]
    names = [stage.name for stage in stages_until("registration_peers", stages_of({}, STAGES))]
    assert names == [stage.name for stage in stages_of({}, STAGES)][:-1]
    # A borrower has no pairs: it ends before them.
    borrowed = stages_of({"translator": {"borrow_from": LENDER}}, STAGES)
    assert stages_until("pseudo_pairs", borrowed)[-1].name == "peer_registered"


def test_a_borrower_is_prepared_as_its_lender_and_is_all_test() -> None:
    lenders = {"translator": "shenzhen@0123abcd", "evaluation": "shenzhen@4567abcd"}
    declared: Settings = {"lung_masks": {"sources": ["supplied"]}, "translator": {"steps": 7}}
    found = settings_with(declared, lenders)
    assert found == {
        "radiographs": {"size": 128, "low_percentile": 0.5, **ALL_TEST},
        "lung_masks": {"sources": ["supplied"]},
        "prealigned_radiographs": {"mode": "rows"},
        "translator": {"steps": 7, "borrow_from": "shenzhen@0123abcd"},
        "evaluation": {"borrow_from": "shenzhen@4567abcd", "specificity": 0.8, "headline": "score_max"},
        "localisation": {"detections": 9},
    }
    assert settings_with({}, {}, undo_squash=True)["radiographs"]["undo_squash"] is True
    assert settings_with({}, {})["lung_masks"] == {"sources": ["trained"]}
    for stage, values in found.items():
        STAGE_SETTINGS[stage](**values)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"radiographs": {"size": 512}}, "settings.radiographs.size is 512, .* made with 128; take it out of"),
        ({"prealigned_radiographs": {"mode": "box"}}, "settings.prealigned_radiographs.mode is 'box'.*'rows'"),
        ({"evaluation": {"specificity": 0.9}}, "settings.evaluation.specificity is 0.9, .* made with 0.8"),
    ],
)
def test_what_other_models_would_be_needed_for_is_refused(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(BorrowingError, match=message):
        settings_with(declared, {})


def test_a_cohort_may_declare_what_its_lender_has_anyway() -> None:
    assert settings_with({"radiographs": {"size": 128}}, {})["radiographs"]["size"] == 128


def test_lenders_are_named_by_cohort_or_by_digest(home: Path, local_store: ObjectStore) -> None:
    lend(local_store)
    found = lent_generation(local_store, LENDER)
    assert lenders_by_stage(local_store, LENDER, found, pinned=False) == dict.fromkeys(MODELS, LENDER)
    pinned = lenders_by_stage(local_store, LENDER, found, pinned=True)
    assert pinned == {stage: f"{LENDER}@{found.digest(stage, LENDER)}" for stage in MODELS}


def test_a_lenders_own_lender_is_named_and_one_without_a_segmenter_lends_none(
    home: Path, local_store: ObjectStore
) -> None:
    borrowed = [{"status": "ok", "reason": "", "borrowed_from": "phantom"}]
    lend(local_store, reference_lung=borrowed, lung_segmenter=[{"status": "rejected", "reason": "no masks"}])
    found = lenders_by_stage(local_store, LENDER, lent_generation(local_store, LENDER), pinned=False)
    assert found == {**dict.fromkeys(MODELS[1:], LENDER), "reference_lung": "phantom"}


def test_too_few_validation_normals_keep_nobody_from_borrowing(home: Path, local_store: ObjectStore) -> None:
    few = [{"status": "rejected", "reason": "too few", "borrowed_from": ""}]
    lend(local_store, normal_maps=few, evaluation=few)
    assert set(lenders_by_stage(local_store, LENDER, lent_generation(local_store, LENDER), pinned=False)) == set(MODELS)


def test_a_lender_that_lacks_a_model_says_which(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(BorrowingError, match=r"evaluation@shenzhen has no manifest yet; run `pseudopair run shenzhen`"):
        lent_generation(local_store, LENDER)
    lend(local_store, translator=[{"status": "failed", "reason": "it diverged", "borrowed_from": ""}])
    found = lent_generation(local_store, LENDER)
    with pytest.raises(BorrowingError, match="its translator is unusable: it diverged"):
        lenders_by_stage(local_store, LENDER, found, pinned=False)
    local_store.delete(Place("reference_lung", LENDER).manifest(found.digest("reference_lung", LENDER)))
    with pytest.raises(BorrowingError, match="its reference_lung is no longer in the store"):
        lenders_by_stage(local_store, LENDER, found, pinned=False)
    without = found.model_copy(update={"digests": {}})
    with pytest.raises(BorrowingError, match="its lung_segmenter is not there"):
        lenders_by_stage(local_store, LENDER, without, pinned=False)


def hospital(folder: Path, **declared: Any) -> Path:  # noqa: ANN401 (YAML)
    path = folder / "hospital.yaml"
    path.write_text(yaml.safe_dump({**NEW, **declared}))
    return path


def test_a_file_is_registered_as_it_is_and_takes_models_from_then_on(
    home: Path, local_store: ObjectStore, tmp_path: Path
) -> None:
    lend(local_store)
    found = borrower(str(hospital(tmp_path)), LENDER, local_store)
    assert found.name == "hospital"
    registered = yaml.safe_load((home / "cohorts" / "hospital.yaml").read_text())
    assert registered == {**NEW, "root": str(tmp_path / "images")}
    settings = entry_named("hospital").mapping["settings"]
    assert settings["translator"] == {"borrow_from": LENDER}
    assert settings["radiographs"] == {"size": 128, "low_percentile": 0.5, **ALL_TEST}
    assert len(found.told()) == len(MODELS)
    assert found.generation.digest("translator", LENDER) in "".join(found.told())


def test_a_shipped_cohort_takes_models_until_others_are_named(home: Path, local_store: ObjectStore) -> None:
    lend(local_store)
    before = entry_named("tbx11k").mapping["settings"]
    borrower("tbx11k", LENDER, local_store)
    found = entry_named("tbx11k").mapping["settings"]
    assert found["translator"]["borrow_from"] == LENDER
    assert found["radiographs"]["test_share"] == 1.0
    # What the models before needed is asked of nobody who takes others.
    place = Place("radiographs", f"{LENDER}/0")
    pointer = json.loads(local_store.read(f"{place.folder}/CURRENT.json"))
    pointer["settings"]["size"] = 96
    local_store.write(f"{place.folder}/CURRENT.json", json.dumps(pointer).encode())
    digest = json.loads(local_store.read(f"stages/translator/{LENDER}/CURRENT.json"))["digest"]
    borrower("tbx11k", f"{LENDER}@{digest[:12]}", local_store)
    found = entry_named("tbx11k").mapping["settings"]
    assert (found["radiographs"]["size"], found["translator"]["borrow_from"]) == (96, f"{LENDER}@{digest}")
    give_back("tbx11k")
    assert entry_named("tbx11k").mapping["settings"] == before


def test_arms_that_new_images_cannot_be_scored_by_are_told(home: Path, local_store: ObjectStore) -> None:
    lend(local_store)
    found = borrower("tbx11k", LENDER, local_store)
    assert not any("are not scored" in line for line in found.told())
    framed = {"peer_registered": {"peers": ["affine", "voxelmorph"]}}
    told = replace(found, generation=generation(**framed)).told()
    assert "arms in the frames of affine, voxelmorph are not scored" in told[-1]


def test_what_a_cohort_declares_later_counts_unless_the_models_need_it(
    home: Path, local_store: ObjectStore, tmp_path: Path
) -> None:
    lend(local_store)
    borrower(str(hospital(tmp_path)), LENDER, local_store)
    path = hospital(tmp_path, settings={"radiographs": {"size": 512}, "lung_masks": {"sources": ["pbtseg"]}})
    cohort_name(str(path))
    found = entry_named("hospital").mapping["settings"]
    assert (found["radiographs"]["size"], found["lung_masks"]["sources"]) == (128, ["pbtseg"])


def test_images_are_stretched_back_only_where_lender_and_table_say_so(
    home: Path, local_store: ObjectStore, tmp_path: Path
) -> None:
    lend(local_store)
    place = Place("radiographs", f"{LENDER}/0")
    pointer = json.loads(local_store.read(f"{place.folder}/CURRENT.json"))
    pointer["settings"]["undo_squash"] = True
    local_store.write(f"{place.folder}/CURRENT.json", json.dumps(pointer).encode())
    for columns, expected in (({}, False), ({"true_aspect_wh": "aspect"}, True)):
        path = tmp_path / "hospital.yaml"
        path.write_text(yaml.safe_dump({**TABLED, "columns": columns}))
        borrower(str(path), LENDER, local_store)
        assert ("undo_squash" in entry_named("hospital").mapping["settings"]["radiographs"]) is expected


def test_models_of_another_version_are_refused_and_not_noted(
    home: Path, local_store: ObjectStore, tmp_path: Path
) -> None:
    lend(local_store)
    path = f"stages/registration_model/{LENDER}/CURRENT.json"
    pointer = json.loads(local_store.read(path))
    local_store.write(path, json.dumps({**pointer, "version": "0"}).encode())
    with pytest.raises(BorrowingError, match=r"registration_model of shenzhen is of version 0, .* run `pseudopair run"):
        borrower(str(hospital(tmp_path)), LENDER, local_store)
    assert taken("hospital") is None
    local_store.write(path, json.dumps(pointer).encode())
    borrower(str(hospital(tmp_path)), LENDER, local_store)
    before = taken("hospital")
    local_store.write(path, json.dumps({**pointer, "version": "0"}).encode())
    with pytest.raises(BorrowingError, match="is of version 0"):
        borrower(str(hospital(tmp_path)), f"{LENDER}@{kept(local_store)}", local_store)
    assert before is not None
    assert taken("hospital") == before, "the models that it took before are not taken from it"


def kept(store: ObjectStore) -> str:
    """Digest of the lender's current evaluation."""
    return str(json.loads(store.read(f"stages/evaluation/{LENDER}/CURRENT.json"))["digest"])


@pytest.mark.parametrize("pinned", [False, True])
def test_models_that_somebody_was_in_who_withdrew_are_not_lent(
    home: Path, local_store: ObjectStore, tmp_path: Path, *, pinned: bool
) -> None:
    lend(local_store)
    path = f"stages/translator/{LENDER}/CURRENT.json"
    pointer = json.loads(local_store.read(path))
    remember_generation(local_store, Place("evaluation", LENDER))
    local_store.write(path, json.dumps({**pointer, MUST_RETRAIN: "somebody withdrew"}).encode())
    model = f"{LENDER}@{pointer['digest']}" if pinned else LENDER
    with pytest.raises(BorrowingError, match="translator@shenzhen is to be made again: somebody withdrew"):
        borrower(str(hospital(tmp_path)), model, local_store)
    # Once they are trained again, the earlier ones are still not lent.
    local_store.write(path, json.dumps(pointer).encode())
    write_tombstone(local_store, Tombstone(patient="0" * 24, withdrawn_at="", manifests=(pointer["digest"],)))
    if pinned:
        with pytest.raises(BorrowingError, match="a patient withdrew who was in it; borrow what the cohort has now"):
            borrower(str(hospital(tmp_path)), model, local_store)
    else:
        assert borrower(str(hospital(tmp_path)), model, local_store).name == "hospital"


def test_nobody_takes_models_of_the_same_images(home: Path, local_store: ObjectStore, tmp_path: Path) -> None:
    lend(local_store)
    variant = {"variant_of": LENDER}
    with pytest.raises(BorrowingError, match="shenzhen holds the images of hospital under another split"):
        borrower(str(hospital(tmp_path, **variant)), LENDER, local_store)
    registered("phantom_small")
    with pytest.raises(BorrowingError, match="phantom_small-2-0 is a fold of the study phantom_small"):
        borrower("phantom_small-2-0", LENDER, local_store)
    with pytest.raises(BorrowingError, match="phantom_small-2-1 holds the images of phantom under another split"):
        borrower("phantom", "phantom_small-2-1", local_store)
    (home / "cohorts" / "few.yaml").write_text("{name: few, variant_of: phantom_small-2-0}")
    with pytest.raises(BorrowingError, match="few holds the images of phantom under another split"):
        borrower("phantom", "few", local_store)
    with pytest.raises(BorrowingError, match="few holds the images of hospital under another split"):
        borrower(str(hospital(tmp_path, variant_of="phantom")), "few", local_store)
    hospital(tmp_path)
    # A fold's models are made by its study.
    with pytest.raises(BorrowingError, match="no manifest yet; run `pseudopair study phantom_small`"):
        borrower(str(hospital(tmp_path)), "phantom_small-2-0", local_store)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("hospital", "hospital cannot borrow from itself; run it without --model"),
        ("nowhere", "no cohort is named 'nowhere'"),
        ("shenzhen@", "8 or more of its hexadecimal digits"),
        ("shenzhen@12", "8 or more of its hexadecimal digits"),
        ("shenzhen@00000000", "shenzhen has no models under 00000000; its translators' manifests are"),
        ("rsna", "the models of rsna cannot be borrowed: evaluation@rsna has no manifest yet"),
    ],
)
def test_a_model_that_cannot_be_borrowed_is_refused_before_anything_is_registered(
    home: Path, local_store: ObjectStore, tmp_path: Path, model: str, message: str
) -> None:
    lend(local_store)
    path = tmp_path / "hospital.yaml"
    path.write_text(yaml.safe_dump(NEW))
    with pytest.raises(CohortProblem, match=message):
        borrower(str(path), model, local_store)
    assert not (home / "cohorts").exists()
    assert taken("hospital") is None
