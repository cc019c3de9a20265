import shutil
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.prealignment import asset as prealignment
from assets.segmentation import asset as segmentation
from resources import stage_run
from resources.accelerator import Accelerator
from resources.catalogue import Entry
from resources.stage_run import RETRY_TAG, StageRun, Store
from tests.pipelines.small_run import DECLARATION, place, run_stages

ASSETS = {"lung_masks": segmentation, "prealigned_radiographs": prealignment}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store on which the cheap stages have run, nobody's to change."""
    root = tmp_path_factory.mktemp("ready") / "store"
    run_stages(str(root))
    return root


@pytest.fixture
def root(ready: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(Path(), name, DECLARATION))
    shutil.copytree(ready, tmp_path / "store")
    return tmp_path / "store"


def shown(stage: str, root: Path, **tags: str) -> dict[str, Any]:
    """All that a stage tells Dagster, but for what differs from run to run."""
    done = dg.materialize(
        [getattr(ASSETS[stage], stage)],
        partition_key=place(stage).partition,
        resources={"store": Store(root=str(root)), "accelerator": Accelerator(device="cpu", threads=1)},
        tags=tags,
    )
    (event,) = done.asset_materializations_for_node(stage)
    checks = {check.check_name: (check.passed, check.metadata) for check in done.get_asset_check_evaluations()}
    metadata = {name: value for name, value in event.metadata.items() if name != "seconds"}
    return {"metadata": metadata, "version": (event.tags or {})["dagster/data_version"], "checks": checks}


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Stages that planned their rows."""
    found: list[str] = []
    planned = StageRun.refresh_planned

    def noted(self: StageRun, *arguments: Any) -> Any:  # noqa: ANN401
        found.append(self.stage)
        return planned(self, *arguments)

    monkeypatch.setattr(StageRun, "refresh_planned", noted)
    return found


@pytest.mark.parametrize("stage", ASSETS)
def test_an_unchanged_stage_shows_what_a_planned_one_shows_and_plans_nothing(
    stage: str, root: Path, plans: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = shown(stage, root)
    assert plans == []
    monkeypatch.setattr(ASSETS[stage], "unchanged", lambda run, schema: None)
    assert shown(stage, root) == quick
    assert plans == [stage]
    assert quick["metadata"]["computed"].value == 0
    assert quick["checks"]


def test_rows_that_are_to_be_tried_again_are_planned(root: Path, plans: list[str]) -> None:
    shown("lung_masks", root, **{RETRY_TAG: "true"})
    assert plans == ["lung_masks"]
