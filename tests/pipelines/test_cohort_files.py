import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import _parse_settings, app
from pipelines.cohort_files import CohortProblem, checked_settings, cohort_name, declared, peers_of, source_file
from resources.home import COHORTS_VARIABLE, DATA_VARIABLE, STORE_VARIABLE

GOOD = """
name: hospital
root: pictures
folders: {healthy: normal, ill: opacity}
normal_labels: [normal]
abnormal_labels: [opacity]
"""


@pytest.fixture
def folder(tmp_path: Path, home: Path) -> Path:
    (tmp_path / "pictures" / "healthy").mkdir(parents=True)
    for name in ("a.png", "b.png"):
        (tmp_path / "pictures" / "healthy" / name).write_bytes(b"")
    return tmp_path


def test_a_file_elsewhere_is_registered_with_its_root_resolved(folder: Path, home: Path) -> None:
    path = folder / "hospital.yaml"
    path.write_text(GOOD)
    assert cohort_name(str(path)) == "hospital"
    assert cohort_name("hospital") == "hospital"
    assert str(folder / "pictures") in (home / "cohorts" / "hospital.yaml").read_text()


def test_registering_again_takes_the_changed_file(folder: Path, home: Path) -> None:
    path = folder / "hospital.yaml"
    for title in ("one", "two"):
        path.write_text(GOOD + f"title: {title}\n")
        cohort_name(str(path))
        assert f"title: {title}" in (home / "cohorts" / "hospital.yaml").read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (GOOD.replace("root: pictures", "roots: pictures"), "did you mean `root`"),
        (GOOD + "settings: {lung_mask: {sources: [pbtseg]}}", "the stages are"),
        (GOOD + "settings: {lung_masks: {sources: [magic]}}", "settings.lung_masks.sources"),
        (GOOD.replace("name: hospital", "name: phantom"), "declared already"),
        ("- just\n- a list", "expected a mapping"),
        ("a: [", "not readable as YAML"),
    ],
)
def test_a_wrong_declaration_is_refused_by_name_and_remedy(folder: Path, text: str, message: str) -> None:
    path = folder / "wrong.yaml"
    path.write_text(text)
    with pytest.raises(CohortProblem, match=message):
        cohort_name(str(path))


def test_a_wrong_file_in_a_named_folder_leaves_the_others(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "wrong.yaml").write_text("a: [")
    (folder / "hospital.yaml").write_text(GOOD)
    monkeypatch.setenv(COHORTS_VARIABLE, str(folder))
    problems = {item.name: item.problem for item in declared()}
    assert problems["hospital"] == ""
    assert "not readable" in problems["wrong"]


def test_a_row_leads_back_to_its_file(folder: Path) -> None:
    (folder / "hospital.yaml").write_text(GOOD)
    cohort_name(str(folder / "hospital.yaml"))
    assert source_file("hospital", 2).endswith("healthy/b.png")
    with pytest.raises(CohortProblem, match="no row 3"):
        source_file("hospital", 3)
    with pytest.raises(CohortProblem, match="no files"):
        source_file("phantom", 1)


def test_the_command_line_tells_settings_schema_and_cohorts(home: Path) -> None:
    run = CliRunner().invoke
    assert "normals_per_abnormal" in run(app, ["settings", "pseudo_pairs"]).output
    assert run(app, ["settings", "nosuch"]).exit_code == 1
    assert json.loads(run(app, ["schema"]).output)["title"] == "CohortDeclaration"
    assert "phantom" in run(app, ["cohorts"]).output
    assert run(app, ["where", "nosuch", "1"]).exit_code == 1


@pytest.mark.parametrize("setting", ["lung_masks", "lung_masks.sources", "sources=pbtseg"])
def test_a_setting_without_stage_name_or_value_is_refused(
    home: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    # The command makes its places absolute in the environment; what is set here is put back afterwards.
    for name in (STORE_VARIABLE, DATA_VARIABLE, "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, str(home / name.lower()))
    result = CliRunner().invoke(app, ["run", "phantom", "--set", setting])
    assert result.exit_code == 1
    assert "STAGE.SETTING=VALUE" in result.output


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"lungmasks": {"sources": "pbtseg"}}, "the stages are: radiographs"),
        ({"lung_masks": {"sauce": "pbtseg"}}, "lung_masks.sauce"),
        ({"lung_masks": {"sources": "magic"}}, "lung_masks.sources"),
        ({"lung_masks": {"sources": "supplied,supplied"}}, "names one twice"),
        ({"lung_masks": {"sources": ""}}, "lung_masks.sources"),
        ({"registration_model": {"steps": 0}}, "registration_model.steps"),
        ({"translator": {"arms": ["it_dpr/magic"]}}, "translator.arms: arm 'it_dpr/magic'"),
        ({"peer_registered": {"peers": "demons"}}, "peer_registered.peers"),
        (
            {"translator": {"arms": "none/cut,affine/cut"}},
            r"arms: arm 'affine/cut' needs a frame .* set peer_registered.peers to \[affine\]",
        ),
        (
            {"translator": {"arms": "affine/cut,synthmorph/cut"}, "peer_registered": {"peers": "affine"}},
            r"'synthmorph/cut' .* set peer_registered.peers to \[affine, synthmorph\]",
        ),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_runs(
    home: Path, overrides: dict[str, dict[str, object]], message: str
) -> None:
    with pytest.raises(CohortProblem, match=message):
        checked_settings("phantom", overrides)


def test_arms_in_frames_that_are_made_are_taken(home: Path) -> None:
    launched = {"translator": {"arms": "affine/cut"}, "peer_registered": {"peers": "affine,voxelmorph"}}
    assert checked_settings("phantom", launched)["peer_registered"] == {"peers": ["affine", "voxelmorph"]}
    assert peers_of("phantom", launched) == ["affine", "voxelmorph"]
    assert peers_of("phantom", {}) == []
    # Borrowed translators have the arms of their lender.
    borrowed = {"translator": {"arms": "affine/cut", "borrow_from": "shenzhen"}}
    assert checked_settings("phantom", borrowed)["translator"]["arms"] == ["affine/cut"]


def test_settings_are_brought_to_their_types(home: Path) -> None:
    # YAML reads 1e-4 as text.
    checked = checked_settings("phantom", {"translator": {"learning_rate": "1e-4"}})
    assert checked == {"translator": {"learning_rate": 1e-4}}


@pytest.mark.parametrize(
    ("given", "taken"),
    [("pbtseg", ["pbtseg"]), ("supplied,pbtseg", ["supplied", "pbtseg"]), (["trained"], ["trained"])],
)
def test_a_list_needs_no_brackets_in_a_shell(home: Path, given: object, taken: list[str]) -> None:
    assert checked_settings("phantom", {"lung_masks": {"sources": given}}) == {"lung_masks": {"sources": taken}}
    assert checked_settings("phantom", {"translator": {"seeds": 3}}) == {"translator": {"seeds": [3]}}


def test_a_setting_can_be_emptied(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed = _parse_settings(["lung_segmenter.borrow_from=", "lung_masks.gate=null"])
    assert parsed == {"lung_segmenter": {"borrow_from": ""}, "lung_masks": {"gate": None}}
    assert checked_settings("rsna", parsed) == parsed


def test_a_registered_copy_keeps_variables_that_may_be_secret(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MY_SECRET", "do not write me")
    path = folder / "hospital.yaml"
    path.write_text(GOOD + "storage_options: {secret: '${MY_SECRET}'}\n")
    cohort_name(str(path))
    assert "do not write me" not in (home / "cohorts" / "hospital.yaml").read_text()


def test_a_file_in_a_named_folder_cannot_take_the_name_of_another_cohort(
    folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folder / "mine.yaml"
    path.write_text(GOOD.replace("name: hospital", "name: phantom"))
    monkeypatch.setenv(COHORTS_VARIABLE, str(folder))
    with pytest.raises(CohortProblem, match="declared already"):
        cohort_name(str(path))
