import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from assets.study.settings import parse_study
from pipelines.borrowing.lender import MODELS
from pipelines.cohort_files import CohortProblem, declared, problem_of
from pipelines.settings import STAGE_SETTINGS
from pipelines.study.registered import StudyProblem, fold_cohort, registered
from resources.catalogue import entry_named
from resources.object_store import ObjectStore
from resources.studies import study_entries, study_named, study_of
from tests.pipelines.test_borrowing_settings import lend

SHIPPED = ["phantom_small", "rsna_opacity", "rsna_opacity_all", "shenzhen_tb"]
BASE: dict[str, Any] = {
    "name": "own",
    "kind": "phantom",
    "title": "Own phantoms",
    "phantom": {"subjects": 8},
    "normal_labels": ["normal"],
    "abnormal_labels": ["abnormal"],
    "settings": {"radiographs": {"size": 64, "test_share": 0.3}, "lung_masks": {"sources": ["supplied"]}},
}
STUDY: dict[str, Any] = {
    "name": "tried",
    "cohort": "own",
    "protocols": [
        {"name": "gan", "folds": 2, "arms": ["none/cut", "it_pr/pca"], "seeds": [3, 4]},
        {"name": "cheap", "folds": 3, "arms": ["none/pca"]},
    ],
    "settings": {"radiographs": {"size": 32}, "translator": {"steps": 7}},
    "hours": 0.5,
}


def written(path: Path) -> tuple[int, int, bytes]:
    """What changes when a file is written again; when it was read is not among it."""
    state = path.stat()
    return state.st_ino, state.st_mtime_ns, path.read_bytes()


@pytest.fixture
def folder(home: Path, tmp_path: Path) -> Path:
    """A folder for study files, beside an installation that knows the cohort `own`."""
    write(home / "cohorts" / "own.yaml", BASE)
    return tmp_path / "mine"


def write(path: Path, mapping: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(mapping, sort_keys=False), encoding="utf-8")
    return path


def test_every_fold_of_every_protocol_is_a_declared_cohort_with_its_own_settings(folder: Path) -> None:
    study = registered(str(write(folder / "tried.yaml", STUDY)))
    assert (study.name, study.hours) == ("tried", 0.5)
    for protocol in study.protocols:
        for fold, name in enumerate(study.fold_cohorts(protocol)):
            entry = entry_named(name)
            assert problem_of(entry) == ""
            found = entry.mapping
            assert found["variant_of"] == "own"
            assert found["title"] == f"Own phantoms, fold {fold + 1} of {protocol.folds} of the study tried"
            assert {key: found[key] for key in ("kind", "phantom", "normal_labels")} == {
                key: BASE[key] for key in ("kind", "phantom", "normal_labels")
            }
            # The cohort's, then the study's, then the fold's.
            assert found["settings"] == {
                "radiographs": {"size": 32, "test_share": 0.3, "folds": protocol.folds, "fold": fold},
                "lung_masks": {"sources": ["supplied"]},
                "translator": {"steps": 7, "arms": protocol.arms, "seeds": protocol.seeds},
            }
            assert study_of(name) == "tried"
    assert study_of("own") is None
    assert study_of("phantom") is None


def test_a_file_elsewhere_is_kept_so_that_its_name_is_enough_from_then_on(folder: Path, home: Path) -> None:
    first = registered(str(write(folder / "tried.yaml", STUDY)))
    kept = written(home / "studies" / "tried.yaml")
    assert registered("tried") == first
    assert registered(str(folder / "tried.yaml")) == first
    assert written(home / "studies" / "tried.yaml") == kept, "an unchanged file is not written again"
    assert "tried" in [entry.name for entry in study_entries()]
    changed = {**STUDY, "hours": 2.0}
    assert registered(str(write(folder / "tried.yaml", changed))).hours == 2.0
    assert study_named("tried").mapping["hours"] == 2.0


def test_a_cohort_may_be_named_by_its_file_beside_the_studys(folder: Path, home: Path) -> None:
    write(folder / "new.yaml", {**BASE, "name": "new"})
    study = registered(str(write(folder / "tried.yaml", {**STUDY, "cohort": "new.yaml"})))
    assert study.cohort == "new"
    assert entry_named("new").path == home / "cohorts" / "new.yaml"
    assert study_named("tried").mapping["cohort"] == "new"
    with pytest.raises(StudyProblem, match=r"^gone.yaml: not readable"):
        registered(str(write(folder / "tried.yaml", {**STUDY, "cohort": "gone.yaml"})))


def test_variables_of_the_cohort_stay_for_they_may_be_secrets(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_TOKEN", "secret")
    files = {
        "name": "own",
        "root": "${COHORT_FOLDER}/images",
        "storage_options": {"token": "${OWN_TOKEN}"},
        "table": "index.csv",
        "normal_labels": ["normal"],
        "abnormal_labels": ["ill"],
    }
    write(home / "cohorts" / "own.yaml", files)
    registered(str(write(folder / "tried.yaml", STUDY)))
    text = (home / "cohorts" / "tried-2-0.yaml").read_text(encoding="utf-8")
    assert "secret" not in text
    assert yaml.safe_load(text)["root"] == str(home / "cohorts" / "images")
    assert entry_named("tried-2-0").mapping["storage_options"] == {"token": "secret"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"cohort": "nowhere"}, r"tried.yaml: cohort: expected one of .*own.*; found 'nowhere'"),
        ({"cohort": 3}, r"tried.yaml: cohort: Input should be a valid string"),
        ({"name": "No Name"}, r"`name` 'No Name' cannot stand in partition keys"),
        ({"name": "with-dash"}, r"tried.yaml: name: String should match"),
        ({"name": "own"}, r"tried.yaml: name: a cohort is named 'own'; give the study another name"),
        ({"name": "shenzhen_tb"}, r"tried.yaml: a study named 'shenzhen_tb' is there already; rename it"),
        ({"protocols": []}, r"tried.yaml: protocols: List should have at least 1 item"),
        ({"protocols": [{"name": "a", "folds": 1, "arms": ["none/pca"]}]}, r"tried.yaml: protocols.0.folds"),
        ({"protocols": [{"name": "a", "folds": 2, "arms": ["none/magic"]}]}, r"tried.yaml: protocols.0.arms.*magic"),
        ({"hours": 0}, r"tried.yaml: hours: Input should be greater than 0"),
        ({"colour": "red"}, r"tried.yaml: colour: Extra inputs are not permitted"),
        ({"settings": {"radiographs": {"fold": 1}}}, r"settings.radiographs.fold: comes from the protocols"),
        ({"settings": {"translator": {"arms": ["none/pca"]}}}, r"settings.translator.arms: comes from the protocols"),
        (
            {"settings": {"lung_segmenter": {"borrow_from": "own@0123abcd"}}},
            r"settings.lung_segmenter.borrow_from: own has the patients of own; leave it empty",
        ),
        ({"settings": {"nothing": {"x": 1}}}, r"tried.yaml: settings name a stage 'nothing'"),
        ({"settings": {"translator": {"steps": 0}}}, r"tried.yaml: settings.translator.steps: .*greater than"),
    ],
)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_registered(
    folder: Path, home: Path, change: dict[str, Any], expected: str
) -> None:
    with pytest.raises(StudyProblem, match=expected) as problem:
        registered(str(write(folder / "tried.yaml", {**STUDY, **change})))
    assert "\n" not in str(problem.value)
    assert not (home / "studies").exists()
    assert [path.name for path in (home / "cohorts").iterdir()] == ["own.yaml"]


def test_another_hospitals_segmenter_may_be_borrowed_but_no_variants(folder: Path, home: Path) -> None:
    write(home / "cohorts" / "again.yaml", {**BASE, "name": "again", "variant_of": "own"})
    lent = {**STUDY, "settings": {"lung_segmenter": {"borrow_from": "phantom"}}}
    assert registered(str(write(folder / "tried.yaml", lent))).settings == lent["settings"]
    lent["settings"] = {"lung_segmenter": {"borrow_from": "again"}}
    with pytest.raises(StudyProblem, match="again has the patients of own"):
        registered(str(write(folder / "tried.yaml", lent)))
    # Nor a sibling's, where the study's cohort is itself a variant.
    write(home / "cohorts" / "below.yaml", {**BASE, "name": "below", "variant_of": "again"})
    write(home / "cohorts" / "beside.yaml", {**BASE, "name": "beside", "variant_of": "own"})
    for lender in ("own", "again", "beside"):
        lent |= {"cohort": "below", "settings": {"lung_segmenter": {"borrow_from": lender}}}
        with pytest.raises(StudyProblem, match=f"{lender} has the patients of below"):
            registered(str(write(folder / "tried.yaml", lent)))


def lendable(store: ObjectStore) -> dict[str, Any]:
    """A study that may take a lender's models, which are in the store."""
    arms = [{"arm": "none/cut", "seed": 3}, {"arm": "none/cut", "seed": 4}, {"arm": "it_pr/pca", "seed": 3}]
    lend(store, translator=[{**arm, "status": "ok", "reason": "", "borrowed_from": ""} for arm in arms])
    return {**STUDY, "protocols": STUDY["protocols"][:1], "settings": {"localisation": {"detections": 2}}}


def all_files(home: Path) -> dict[Path, tuple[int, int, bytes]]:
    """What is registered."""
    return {path: written(path) for name in ("cohorts", "studies") for path in (home / name).glob("*")}


def test_a_file_without_the_models_that_its_study_takes_is_not_trained_over_them(folder: Path, home: Path) -> None:
    path = str(write(folder / "tried.yaml", lendable(ObjectStore(str(home / "store")))))
    write(home / "cohorts" / "own.yaml", {**BASE, "settings": {}})
    study = registered(path, "shenzhen")
    before = all_files(home)
    with pytest.raises(StudyProblem, match=r"tried takes the models of shenzhen: run `pseudopair study tried` .*again"):
        registered(path)
    assert all_files(home) == before
    assert registered(path, "shenzhen") == registered("tried") == study
    assert all_files(home) == before
    # As the refusal says.
    (home / "studies" / "tried.yaml").unlink()
    assert registered(path).settings == {"localisation": {"detections": 2}}
    assert "borrow_from" not in entry_named("tried-2-0").mapping["settings"]["translator"]


@pytest.mark.parametrize("earlier", [False, True])
def test_models_that_are_refused_for_their_version_change_no_file(folder: Path, home: Path, *, earlier: bool) -> None:
    store = ObjectStore(str(home / "store"))
    path = str(write(folder / "tried.yaml", lendable(store)))
    write(home / "cohorts" / "own.yaml", {**BASE, "settings": {}})
    if earlier:
        registered(path)
    before = {name: data for name, (_, _, data) in all_files(home).items()}
    pointer = "stages/registration_model/shenzhen/CURRENT.json"
    store.write(pointer, json.dumps({**json.loads(store.read(pointer)), "version": "0"}).encode())
    with pytest.raises(CohortProblem, match="registration_model of shenzhen is of version 0"):
        registered(path, "shenzhen")
    assert {name: data for name, (_, _, data) in all_files(home).items()} == before


def test_folds_may_take_the_models_of_another_hospital(folder: Path, home: Path) -> None:
    asked = lendable(ObjectStore(str(home / "store")))
    path = str(write(folder / "tried.yaml", asked))
    # The cohort of the tests declares another size than the lender's, which its models cannot take.
    with pytest.raises(CohortProblem, match=r"settings\.radiographs\.size is 64, but the borrowed models"):
        registered(path, "shenzhen")
    write(home / "cohorts" / "own.yaml", {**BASE, "settings": {"radiographs": {"validation_share": 0.3}}})
    study = registered(path, "shenzhen")
    assert registered("tried") == study, "it is remembered"
    for fold, cohort in enumerate(study.fold_cohorts(study.protocols[0])):
        found = entry_named(cohort)
        assert problem_of(found) == ""
        settings = found.mapping["settings"]
        assert settings["radiographs"] == {
            **{"size": 128, "low_percentile": 0.5, "validation_share": 0.3},
            **{"folds": 2, "fold": fold},
        }
        assert {stage for stage, values in settings.items() if values.get("borrow_from")} == set(MODELS)
        assert settings["localisation"]["detections"] == 2
    with pytest.raises(StudyProblem, match="tried has models of its own; write another study file for these"):
        registered("tried", "shenzhen")
    asked["protocols"] = STUDY["protocols"]
    with pytest.raises(StudyProblem, match="shenzhen has no none/pca with seed 0; leave it out"):
        registered(str(write(folder / "tried.yaml", asked)), "shenzhen")
    with pytest.raises(CohortProblem, match="tried-2-0 holds the images of own under another split"):
        registered(path, "tried-2-0")


def test_a_file_that_is_no_yaml_and_a_name_that_is_no_study_are_told(folder: Path) -> None:
    (write(folder / "tried.yaml", {})).write_text("a: [", encoding="utf-8")
    with pytest.raises(StudyProblem, match=r"^tried.yaml: not readable as YAML"):
        registered(str(folder / "tried.yaml"))
    with pytest.raises(StudyProblem, match=r"^no study is named 'nothing'; there are: .*shenzhen_tb"):
        registered("nothing")


def test_a_fold_is_no_cohort_for_another_study(folder: Path) -> None:
    registered(str(write(folder / "tried.yaml", STUDY)))
    with pytest.raises(StudyProblem, match="cohort: expected one of"):
        registered(str(write(folder / "again.yaml", {**STUDY, "name": "again", "cohort": "tried-2-0"})))


def test_a_cohort_of_the_users_own_is_not_overwritten(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_COHORTS", str(tmp_path / "others"))
    write(tmp_path / "others" / "mine.yaml", {**BASE, "name": "tried-3-1"})
    with pytest.raises(StudyProblem, match="a cohort named 'tried-3-1' is declared already; rename the study"):
        registered(str(write(folder / "tried.yaml", STUDY)))


def test_folds_are_told_apart_from_cohorts_that_somebody_declared(folder: Path) -> None:
    registered(str(write(folder / "tried.yaml", STUDY)))
    folds = {item.name: item.variant_of for item in declared() if item.is_fold}
    assert folds == dict.fromkeys(["tried-2-0", "tried-2-1", "tried-3-0", "tried-3-1", "tried-3-2"], "own")


@pytest.mark.parametrize("name", SHIPPED)
def test_the_shipped_studies_are_right(name: str, home: Path) -> None:
    entry = study_named(name)
    assert entry.path.name == f"{name}.yaml"
    study = registered(name)
    assert not (home / "studies").exists(), "a shipped study is not copied"
    for protocol in study.protocols:
        for fold in range(protocol.folds):
            mapping = fold_cohort(study, protocol, fold)
            for stage, values in mapping["settings"].items():
                STAGE_SETTINGS[stage](**values)
    assert study.title


def test_the_shipped_studies_are_those_that_the_documentation_names() -> None:
    assert sorted(entry.name for entry in study_entries()) == SHIPPED
    tuberculosis = parse_study(study_named("shenzhen_tb").mapping)
    gan, cheap = tuberculosis.protocols
    assert (gan.folds, cheap.folds) == (2, 5)
    frames = ("none", "lung_box", "it_pr", "it_dpr")
    assert {f"{frame}/{way}" for frame in frames for way in ("cyclegan", "cut", "pca")} == set(gan.arms)
    assert len(gan.seeds) >= 2
    assert {arm.partition("/")[2] for arm in cheap.arms} == {"template", "pca"}
