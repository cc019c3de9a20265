import json
import shutil
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from typer.testing import CliRunner

from assets.radiographs.identity import pseudonym
from pipelines.cli import app
from pipelines.commands.common import shown
from pipelines.commands.forget import _same_images
from pipelines.patients import pseudonyms
from resources.home import DATA_VARIABLE, STORE_VARIABLE, patient_key
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.tombstones import tombstones
from tests.conftest import KEY
from tests.lineage.made_up import MadeUp
from tests.lineage.test_answer import rewrite

NORMAL, ABNORMAL = 0, 1
SOURCE_ID = "Jane Doe, 1970"


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    # The console takes COLUMNS for good where it is set when the module is loaded, as pytest-xdist does.
    monkeypatch.setattr(shown, "width", 300)


@pytest.fixture
def installed(made: MadeUp, home: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    """The made-up store as that of an installation; one of its patients has a name."""
    monkeypatch.setenv(STORE_VARIABLE, made.store.root)
    monkeypatch.setenv(DATA_VARIABLE, str(home))
    own = pseudonym(SOURCE_ID, KEY.encode())
    mine = made.patient(ABNORMAL)
    for stage in ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs"):
        place = Place(stage, made.shard(ABNORMAL))
        rewrite(made.store, place, lambda row: {**row, "patient": own} if row["patient"] == mine else row)
    return made


def call(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(app, list(arguments))
    return done.exit_code, done.output


def test_lineage_is_printed_as_tree_or_json_and_written_as_any(installed: MadeUp, tmp_path: Path) -> None:
    pair = installed.pair_id(ABNORMAL, NORMAL)
    status, tree = call("lineage", pair)
    assert status == 0
    assert installed.key("lung_masks", ABNORMAL) in tree
    status, text = call("lineage", pair, "--format", "json")
    assert json.loads(text)["asked"] == f"pair {pair}"
    written = {}
    for form in ("text", "json", "html"):
        path = tmp_path / f"told.{form}"
        status, printed = call("lineage", pair, "--format", form, "--out", str(path))
        assert (status, printed.split()) == (0, ["written:", str(path)])
        written[form] = path.read_text(encoding="utf-8")
    assert written["text"] == tree
    assert written["json"].strip() == text.strip()
    assert written["html"].startswith("<!doctype html>")


def test_a_patient_is_asked_for_by_source_id_or_pseudonym(installed: MadeUp) -> None:
    by_name = call("lineage", "--patient", SOURCE_ID, "--format", "json")
    by_pseudonym = call("lineage", "--patient", pseudonym(SOURCE_ID, KEY.encode()), "--format", "json")
    assert by_name == by_pseudonym
    assert by_name[0] == 0
    assert json.loads(by_name[1])["items"][0]["columns"]["radiograph_id"] == installed.name(ABNORMAL)
    assert "Jane" not in by_name[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["lineage"], "give a pair, a radiograph or a file"),
        (["lineage", "0" * 32, "--patient", "x"], "give a pair, a radiograph or a file"),
        (["lineage", "0" * 32, "--format", "html"], "name it with --out PATH"),
        (["lineage", "0" * 32], "nothing has the id"),
        (["lineage", "x" * 5000], "is no id and no file that is there"),
        (["lineage", "~nobody-of-that-name/x.png"], "is no id and no file that is there"),
        (["lineage", "--patient", " "], "patient_id: expected the source's id"),
        (["lineage", "--patient", "nobody"], "no radiograph of the store is of that patient"),
        (["forget"], "give a patient, or --list"),
        (["forget", "x", "--list"], "give a patient, or --list"),
        (["forget", "nobody", "--yes"], "no manifest of the store names that patient"),
        (["forget", SOURCE_ID, "--cohort", "other", "--yes"], "no manifest of cohort other names that patient"),
        (["forget", SOURCE_ID], "nothing was removed; --yes removes without asking"),
    ],
)
def test_what_cannot_be_answered_or_done_is_said(installed: MadeUp, arguments: list[str], said: str) -> None:
    status, printed = call(*arguments)
    assert status == 1
    assert said in printed
    assert "Jane" not in printed
    assert tombstones(installed.store) == []


def test_a_dry_run_says_what_it_would_do_and_does_nothing(installed: MadeUp) -> None:
    before = {path: installed.store.read(path) for path in installed.store.stamps("")}
    status, printed = call("forget", SOURCE_ID, "--dry-run")
    assert status == 0
    assert "dry run: nothing was removed" in printed
    for what in ("lung segmenter", "registration model", "translator", "pseudo_pairs"):
        assert what in printed
    assert {path: installed.store.read(path) for path in installed.store.stamps("")} == before


def test_whoever_borrows_models_of_the_patient_is_named(installed: MadeUp) -> None:
    status, printed = call("forget", SOURCE_ID, "--yes")
    assert status == 0, printed
    assert "other: it borrows such models: then run it too" in printed
    assert "now run: pseudopair run other" not in printed


@pytest.mark.parametrize("named", ["made", "some", "made-2-0"])
def test_a_cohort_and_its_folds_have_the_same_ids(home: Path, named: str) -> None:
    (home / "cohorts").mkdir(parents=True)
    # Folds of a study whose cohort is itself a variant, as the shipped ones of all test images are.
    variants = {"made": "", "some": "made", "made-2-0": "some", "made-2-1": "some", "else-2-0": "else"}
    for name, base in variants.items():
        (home / "cohorts" / f"{name}.yaml").write_text(f"{{name: {name}, variant_of: '{base}'}}")
    assert _same_images(named)[0] == named
    assert set(_same_images(named)) == {"made", "some", "made-2-0", "made-2-1"}
    assert _same_images(None) == [None]


def test_a_removal_says_what_it_did_and_is_listed(installed: MadeUp) -> None:
    status, printed = call("forget", SOURCE_ID, "--yes")
    assert status == 0, printed
    for said in (
        "objects deleted",
        "Dagster runs deleted",
        "registration_model@made",
        "pseudopair run made",
        "Exports",
    ):
        assert said in printed
    assert "Jane" not in printed
    (stone,) = tombstones(installed.store)
    assert stone.completed_at
    assert "Jane" not in stone.model_dump_json()
    status, listed = call("forget", "--list")
    assert status == 0
    assert f"{stone.patient[:8]}…" in listed
    assert stone.patient not in listed
    assert "removed" in listed
    assert call("lineage", "--patient", SOURCE_ID)[0] == 1


def test_a_removal_that_was_cut_off_is_listed_as_that(installed: MadeUp) -> None:
    call("forget", SOURCE_ID, "--yes")
    (stone,) = tombstones(installed.store)
    unfinished = stone.model_copy(update={"completed_at": ""})
    installed.store.write(stone.path, unfinished.model_dump_json().encode())
    assert "cut off: ask for it again" in call("forget", "--list")[1]
    installed.store.write(stone.path, b"garbled")
    status, printed = call("forget", "--list")
    assert status == 1
    assert "expected the tombstone" in printed


def test_a_removal_waits_for_runs(installed: MadeUp) -> None:
    call("forget", "--list")
    with dg.DagsterInstance.get() as instance:
        tags = {"dagster/partition": "made"}
        run_id = "00000000-0000-4000-8000-000000000001"
        instance.add_run(dg.DagsterRun("job", run_id=run_id, status=dg.DagsterRunStatus.STARTED, tags=tags))
    status, printed = call("forget", SOURCE_ID, "--yes")
    assert status == 1
    assert "under way" in printed
    assert tombstones(installed.store) == []
    assert read_pointer(installed.store, Place("registration_model", "made")) is not None


def test_an_id_of_the_form_of_a_pseudonym_may_be_either() -> None:
    assert pseudonyms("7", b"key") == [pseudonym("7", b"key")]
    assert pseudonyms("a" * 24, b"key") == ["a" * 24, pseudonym("a" * 24, b"key")]
    with pytest.raises(ValueError, match="patient_id"):
        pseudonyms(" ", b"key")


def test_the_key_is_that_of_the_installation(home: Path) -> None:
    assert patient_key() == KEY.encode()


def test_lineage_loads_nothing_that_trains_or_schedules() -> None:
    code = (
        "import sys, pipelines.cli, pipelines.lineage.answer, pipelines.lineage.text, pipelines.patients\n"
        "print([name for name in ('torch', 'dagster', 'pandas', 'monai', 'scipy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_store_without_anything_has_no_lineage(home: Path, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "nothing", ignore_errors=True)
    from pipelines.lineage.answer import lineage
    from pipelines.lineage.find import LineageError

    with pytest.raises(LineageError, match="nothing has the id"):
        lineage(ObjectStore(str(tmp_path / "nothing")), "0" * 32)
