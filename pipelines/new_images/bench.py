"""Stages at work on images of no cohort, in a store that is thrown away: the same functions as in a cohort's runs."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
from pydantic import BaseModel, ValidationError

from pipelines.borrowing.lender import BorrowingError
from pipelines.borrowing.settings import ALL_TEST
from pipelines.forget.schemas import SCHEMAS
from pipelines.new_images.lent import Lent, Row
from pipelines.versions import VERSIONS
from resources.arrays import CorruptArtifact
from resources.manifests import Place, publish
from resources.object_store import ObjectStore
from resources.stage_run import Finished, StageRun

# Never a cohort's: its name has a capital letter.
COHORT = "Images"

S = TypeVar("S", bound=BaseModel)


@dataclass
class Bench:
    """A scratch store with the lender's models in it.

    Attributes:
        lent: the models.
        scratch: the store.
        batch: number of the images that are at work now; each batch is a shard.
        say: takes a line for the log.
    """

    lent: Lent
    scratch: ObjectStore
    batch: int = 0
    say: Callable[[str], None] = field(default=lambda line: None)

    def lay_out(self, store: ObjectStore) -> None:
        """Copy the lender's models from its store.

        Raises:
            CorruptArtifact: one is missing.
        """
        for stage, rows in self.lent.rows.items():
            for path in sorted({row["artifact"] for row in rows if row["artifact"]}):
                data = store.read_or_none(path)
                if data is None:
                    raise CorruptArtifact(f"{path} is missing; run `pseudopair run {self.lent.cohort}`")
                self.scratch.write(path, data)
            table = pa.Table.from_pylist(
                [{name: row.get(name) for name in SCHEMAS[stage].names} for row in rows], schema=SCHEMAS[stage]
            )
            publish(self.scratch, Place(stage, COHORT), table, self._record(stage))

    def open(self, stage: str) -> StageRun:
        """A run of a per-image stage on the present batch."""
        return StageRun(
            store=self.scratch,
            stage=stage,
            version=VERSIONS[stage],
            partition=f"{COHORT}/{self.batch}",
            cohort=COHORT,
            mapping={"name": COHORT, "settings": self._settings()},
            launched={},
            run_id="",
            progress=self.say,
        )

    def settings(self, run: StageRun, kind: type[S]) -> S:
        """The settings that the lender's stage was run with.

        Raises:
            BorrowingError: this version does not know one of them any more.
        """
        try:
            return run.settings(kind)
        except ValidationError:
            raise BorrowingError(
                f"{run.stage} of {self.lent.cohort} was run with settings of another version; run `pseudopair run "
                f"{self.lent.cohort}`"
            ) from None

    def publish(self, run: StageRun, done: Finished) -> list[Row]:
        """Let later stages read the rows of a stage; returns them."""
        table = done.table(SCHEMAS[run.stage])
        publish(self.scratch, run.place, table, self._record(run.stage))
        rows: list[Row] = table.to_pylist()
        return rows

    def _settings(self) -> dict[str, dict[str, Any]]:
        used = {stage: dict(values) for stage, values in self.lent.generation.settings.items()}
        # Nobody has squashed an image that somebody looks at.
        used["radiographs"] |= {**ALL_TEST, "undo_squash": False}
        return used

    def _record(self, stage: str) -> dict[str, Any]:
        # These manifests live for one command: whether they are current is no question.
        settings = self._settings().get(stage, {})
        return {"parents": {}, "settings": settings, "version": VERSIONS[stage]}
