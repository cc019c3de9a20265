"""`pseudopair verify` in the console."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.verification import SHOWN
from resources.home import STORE_VARIABLE
from resources.object_store import ObjectStore
from tests.verify.audited import CHECKS, EACH, RADIOGRAPHS_0, rows_of


@pytest.fixture
def at_home(home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    monkeypatch.setenv(STORE_VARIABLE, local_store.root)
    return local_store


def test_the_command_says_what_is_wrong_and_ends_with_one(sound: ObjectStore, at_home: ObjectStore) -> None:
    good = CliRunner().invoke(app, ["verify"])
    assert (good.exit_code, good.output.count("passed")) == (0, len(CHECKS))
    assert "MiB/s" in good.output
    paths = [row["artifact"] for row in rows_of(sound, RADIOGRAPHS_0)]
    for path in paths:
        sound.delete(path)
    bad = CliRunner().invoke(app, ["verify", "one", "--quick"])
    assert bad.exit_code == 1
    assert f"FAILED: {EACH}" in bad.output
    assert all(f"artefacts_unaltered: {path} is missing" in bad.output for path in paths)
    assert "run its stage again" in bad.output
    assert "were not read" in bad.output
    assert CliRunner().invoke(app, ["verify", "two"]).exit_code == 0


def test_the_command_speaks_json(sound: ObjectStore, at_home: ObjectStore) -> None:
    paths = sorted(
        path for path in sound.find("stages/radiographs") | sound.find("stages/lung_masks") if "artif" in path
    )
    for path in paths:
        sound.delete(path)
    done = CliRunner().invoke(app, ["verify", "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["passed"], report["manifests"]) == (1, False, 10)
    results = {check["name"]: check["result"] for check in report["checks"]}
    assert {name for name, result in results.items() if result != "passed"} == {"artefacts_unaltered"}
    unaltered = next(check for check in report["checks"] if check["name"] == "artefacts_unaltered")
    assert unaltered["offenders"] == len(paths) > SHOWN
    assert unaltered["shown"] == [f"{path} is missing" for path in paths[:SHOWN]]


@pytest.mark.parametrize("arguments", [["verify"], ["verify", "nobody"]])
def test_a_store_without_manifests_is_not_called_sound(at_home: ObjectStore, arguments: list[str]) -> None:
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 1
    assert "has no manifests of" in done.output
