"""`pseudopair study` through the console: from a file to a table; killed, ended and called again, to the same."""

import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from resources.manifests import Place, read_manifest, read_pointer
from tests.pipelines.conftest import TINY
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(1500)
FOLDS = ["tried-2-0", "tried-2-1"]
TABLE = Place("study_table", "tried")
STUDY: dict[str, Any] = {
    "name": "tried",
    "cohort": "tiny",
    "protocols": [{"name": "both", "folds": 2, "arms": ["none/cut", "none/pca"], "seeds": [0]}],
    # Every step leaves a checkpoint to be killed at.
    "settings": {"translator": {"checked_images": 0, "checkpoint_minutes": 0}, "leak_control": {"size": 32}},
    "hours": 1.0,
}
# What takes no longer than its runs need to begin.
QUICK: dict[str, Any] = {
    "protocols": [{"name": "cheap", "folds": 2, "arms": ["none/pca"]}],
    "settings": {
        "lung_segmenter": {"steps": 2},
        "registration_model": {"steps": 1},
        "translator": {"checked_images": 0},
        "leak_control": {"size": 32},
    },
}


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    made.declare(TINY)
    return made


def write(installation: Installation, **changed: Any) -> str:  # noqa: ANN401
    path = installation.folder / "tried.yaml"
    path.write_text(yaml.safe_dump({**STUDY, **changed}, sort_keys=False), encoding="utf-8")
    return str(path)


def trained(installation: Installation, cohort: str) -> list[str]:
    table = read_manifest(installation.store, Place("translator", cohort))
    return [] if table is None else sorted(f"{row['arm']}/{row['seed']}" for row in table.to_pylist())


def going_on(installation: Installation) -> bool:
    return bool(installation.store.find("checkpoints"))


def table_rows(installation: Installation) -> dict[str, dict[str, Any]]:
    table = read_manifest(installation.store, TABLE)
    assert table is not None
    return {row["arm"]: row for row in table.to_pylist() if row["seed"] == "all"}


def test_a_study_comes_to_its_table(installation: Installation) -> None:
    status, printed = installation.call("study", write(installation, **QUICK))
    assert status == 0, printed
    assert "every arm is trained and scored" in printed
    assert "| none/pca |" in printed
    assert f"report: {installation.store.uri(TABLE.folder)}/report.html" in printed
    assert [trained(installation, cohort) for cohort in FOLDS] == [["none/pca/0"]] * 2
    assert table_rows(installation)["none/pca"]["auc"] is not None


@pytest.mark.slow
def test_a_finished_study_has_nothing_to_do_and_follows_a_withdrawal(installation: Installation) -> None:
    status, printed = installation.call("study", write(installation, **QUICK))
    assert status == 0, printed
    assert_nothing_is_launched(installation)
    # What a study does without is not missed, neither in its folds nor in the whole store.
    for names in (["tried"], []):
        status, printed = installation.call("status", *names, "--check")
        assert status == 0, printed
        assert "study_table" in printed
    forget_somebody(installation)


def assert_nothing_is_launched(installation: Installation) -> None:
    before = read_pointer(installation.store, TABLE)
    status, printed = installation.call("study", "tried", "--hours", "0.2")
    assert status == 0, printed
    launched = [line for line in printed.splitlines() if line.startswith("[")]
    assert len(launched) == 1, "nothing is launched where all is fresh"
    assert read_pointer(installation.store, TABLE) == before


@pytest.mark.slow
def test_a_study_that_is_killed_and_ended_goes_on_to_its_table(installation: Installation) -> None:
    file = write(installation)
    installation.kill_when(lambda: going_on(installation), "study", file)
    # Arms without a GAN were scored before the first GAN was begun.
    assert [trained(installation, cohort) for cohort in FOLDS] == [["none/pca/0"]] * 2
    rows = table_rows(installation)
    assert rows["none/pca"]["auc"] is not None
    assert rows["none/cut"]["auc"] is None

    running = installation.start("study", "tried")
    running.wait_until(lambda: "none/cut/0" in trained(installation, FOLDS[0]) and going_on(installation))
    running.signal(signal.SIGTERM)
    status, printed = running.end()
    assert status == 130, printed
    assert "interrupted; what is finished is kept" in printed
    assert "radiographs" not in "".join(line for line in printed.splitlines() if line.startswith("[")), printed
    assert trained(installation, FOLDS[1]) == ["none/pca/0"]

    status, printed = installation.call("study", "tried")
    assert status == 0, printed
    assert "every arm is trained and scored" in printed
    assert "| none/cut |" in printed
    assert f"report: {installation.store.uri(TABLE.folder)}/report.html" in printed
    assert [trained(installation, cohort) for cohort in FOLDS] == [["none/cut/0", "none/pca/0"]] * 2
    assert not going_on(installation)
    assert all(row["auc"] is not None for row in table_rows(installation).values())

    assert_nothing_is_launched(installation)
    status, printed = installation.call("study", "tried", "--dry-run")
    assert status == 0, printed
    assert "translators alone: about 0:00:00" in printed

    status, printed = installation.call("cohorts")
    assert "tried-2-0" not in "".join(line for line in printed.splitlines() if "│" in line)
    assert "folds of studies, not listed: 2, such as tried-2-0" in printed
    status, printed = installation.call("verify")
    assert status == 0, printed


def forget_somebody(installation: Installation) -> None:
    """Who withdraws from a cohort is in the folds under the same id, and may be seen in the report."""
    assert installation.store.read_or_none(f"{TABLE.folder}/report.html") is not None
    people = [row["patient"] for row in installation.rows("radiographs", FOLDS[0])]
    status, printed = installation.call("forget", people[0], "--cohort", "tiny", "--yes")
    assert status == 0, printed
    for cohort in FOLDS:
        assert people[0] not in [row["patient"] for row in installation.rows("radiographs", cohort)]
    assert installation.store.read_or_none(f"{TABLE.folder}/report.html") is None
    status, printed = installation.call("status", "tried")
    assert "a patient withdrew who was in its cohorts; run the study again" in printed
    assert status == 0


def test_what_is_wrong_with_the_call_is_told_in_one_line(installation: Installation) -> None:
    wrong = {"name": "both", "folds": 2, "arms": ["none/magic"]}
    status, printed = installation.call("study", write(installation, protocols=[wrong]))
    assert status == 1
    assert printed.startswith("stopped: tried.yaml: protocols.0.arms: ")
    assert len(printed.strip().splitlines()) == 1
    file = write(installation)
    status, printed = installation.call("study", file, "--only", "neither")
    assert (status, printed.strip()) == (1, "stopped: tried has no protocol 'neither'; it has: both")
    status, printed = installation.call("study", file, "--until", "nothing")
    assert status == 1
    assert printed.startswith("stopped: there is no stage 'nothing'; the stages are: radiographs")
