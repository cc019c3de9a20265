"""What `status` and the daily look at the store tell of studies and of the cohorts of their folds."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import yaml

from assets.study.asset import VERSION
from assets.study.settings import parse_study
from pipelines.stages import STAGE_NAMES
from pipelines.status import StatusRow
from pipelines.study import status
from pipelines.study.status import rows_of
from pipelines.study.table import LEFT_OUT, TABLE, why_not_fresh
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

STUDY: dict[str, Any] = {
    "name": "tried",
    "cohort": "phantom",
    "protocols": [{"name": "both", "folds": 2, "arms": ["none/pca"]}],
}


@pytest.fixture
def file(home: Path) -> Path:
    path = home / "studies" / "tried.yaml"
    path.parent.mkdir(parents=True)
    path.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    return path


def tabulate(store: ObjectStore) -> None:
    settings = parse_study(STUDY).model_dump(mode="json")
    counts = {"ok": 1, "needs_review": 0, "rejected": 0, "failed": 0, "seconds": 1.0}
    record = {"version": VERSION, "settings": settings, "parents": {}, **counts}
    publish(store, Place(TABLE, "tried"), pa.table({"arm": ["none/pca"]}), record)


@pytest.mark.parametrize("name", [None, "tried", "tried-2-0"])
def test_what_a_study_does_without_is_not_missed_in_its_folds(
    file: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, name: str | None
) -> None:
    def rows(cohort: str | None = None, store: ObjectStore | None = None) -> list[StatusRow]:
        states = {stage: "missing" if stage in LEFT_OUT[1:] else "fresh" for stage in STAGE_NAMES}
        cohorts = [cohort] if cohort else ["tried-2-0", "phantom"]
        return [
            StatusRow(stage, each, state, "", "", "", "")  # type: ignore[arg-type]
            for each in cohorts
            for stage, state in states.items()
        ]

    monkeypatch.setattr(status, "status_rows", rows)
    monkeypatch.setattr(status, "begun_cohorts", lambda store: ["tried-2-0"])
    monkeypatch.setattr(status, "FOLDS", frozenset({"tried-2-0", "tried-2-1"}))
    tabulate(local_store)
    found = rows_of(name, local_store)
    folds = [row.stage for row in found if row.partition == "tried-2-0"]
    assert folds == [stage for stage in STAGE_NAMES if stage not in LEFT_OUT[1:]], "what was made is shown"
    assert {row.stage for row in found if row.partition == "phantom"} == (set(STAGE_NAMES) if name is None else set())
    assert [row.state for row in found if row.stage == TABLE] == ([] if name == "tried-2-0" else ["fresh"])


@pytest.mark.parametrize("wrong", ["protocols: 3", "name: [", None])
def test_a_study_whose_file_is_wrong_ends_no_status(file: Path, local_store: ObjectStore, wrong: str | None) -> None:
    tabulate(local_store)
    assert why_not_fresh(local_store, "tried") == ""
    if wrong is None:
        file.unlink()
    else:
        file.write_text(f"name: tried\ncohort: phantom\n{wrong}\n", encoding="utf-8")
    assert why_not_fresh(local_store, "tried").startswith("its file is wrong: ")
    tables = [row for row in rows_of(None, local_store) if row.stage == TABLE]
    assert [row.state for row in tables] == (["stale"] if wrong == "protocols: 3" else [])
