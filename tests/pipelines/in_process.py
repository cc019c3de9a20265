"""Single stages run in this process on made-up cohorts: quicker than the console command, with the same assets."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.radiographs.asset import radiographs
from assets.segmentation.asset import lung_masks
from assets.segmenter.asset import lung_segmenter
from resources import stage_run
from resources.accelerator import Accelerator
from resources.catalogue import Entry
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import Store

STAGES = (radiographs, lung_segmenter, lung_masks)
PER_COHORT = ("lung_segmenter",)


@dataclass
class Workbench:
    """A store, and cohorts under the names of shipped ones (partition keys are fixed when Dagster loads).

    Attributes:
        root: folder of the store.
        cohorts: declarations by name; they may be changed between runs.
        threads: CPU threads.
    """

    root: Path
    cohorts: dict[str, dict[str, Any]] = field(default_factory=dict)
    threads: int = 1

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(str(self.root))

    def use(self, monkeypatch: pytest.MonkeyPatch) -> "Workbench":
        """Let stages find these cohorts instead of the declared ones."""
        monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(self.root, name, self.cohorts[name]))
        return self

    def run(self, cohort: str, stage: str, **config: Any) -> list[dict[str, Any]]:  # noqa: ANN401 (settings)
        """Materialise one stage, which must succeed; its rows."""
        asset = next(asset for asset in STAGES if asset.key.to_user_string() == stage)
        dg.materialize(
            [asset],
            partition_key=self.place(cohort, stage).partition,
            resources={
                "store": Store(root=str(self.root)),
                "accelerator": Accelerator(device="cpu", threads=self.threads),
            },
            run_config={"ops": {stage: {"config": config}}},
        )
        return self.rows(cohort, stage)

    def upto(self, cohort: str, stage: str) -> None:
        """Materialise the stages up to one of them with the cohort's settings."""
        names = [asset.key.to_user_string() for asset in STAGES]
        for name in names[: names.index(stage) + 1]:
            self.run(cohort, name)

    def rows(self, cohort: str, stage: str) -> list[dict[str, Any]]:
        table = read_manifest(self.store, self.place(cohort, stage))
        assert table is not None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def row(self, cohort: str) -> dict[str, Any]:
        """The cohort's segmenter."""
        (row,) = self.rows(cohort, "lung_segmenter")
        return row

    def pointer(self, cohort: str, stage: str) -> dict[str, Any]:
        pointer = read_pointer(self.store, self.place(cohort, stage))
        assert pointer is not None
        return pointer

    def place(self, cohort: str, stage: str) -> Place:
        return Place(stage, cohort if stage in PER_COHORT else f"{cohort}/0")
