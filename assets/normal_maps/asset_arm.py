"""The normal maps of one arm: which normals they are of, their key, and their computation."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import FITTED_ON, LEFT_OUT, chosen_of, members_array, pooling_of
from assets.normal_maps.summed import summed
from assets.pairing.frames import FrameRows, Row, frame_key
from assets.scoring.asset_arms import FramedRows, ReadyArm, ready_arm
from assets.scoring.asset_batches import Batches
from assets.scoring.framed import Mapped
from assets.translation.arms import parse_arm
from assets.translation.moments import arrays_of, usual
from resources.arrays import CorruptArtifact
from resources.incremental import Outcome, Task
from resources.manifests import fingerprint, read_artifact
from resources.stage_run import StageRun
from resources.stage_settings import recipe

BATCH = 16


@dataclass(frozen=True)
class Normals:
    """What the arms of a run share.

    Attributes:
        run: the stage's run.
        settings: of the stage.
        rows: validation normals, one a patient, by id.
        reference: row of the reference lung.
        frames: reads radiographs in their frames.
        before: rows of this stage's previous manifest that are ok, by recipe.
        device: where translators run.
    """

    run: StageRun
    settings: NormalMapsSettings
    rows: list[FrameRows]
    reference: Row
    frames: FramedRows
    before: Mapping[str, Row]
    device: torch.device

    def task(self, trained: Row) -> Task:
        """The row of an arm: as it is while every normal that it is of is there, else of the present ones."""
        inputs = [trained["key"], trained["artifact_digest"]]
        made_with = recipe(self.run, self.settings, inputs, without=["borrow_from"])
        alignment = parse_arm(trained["arm"]).alignment
        mine = [row for row in self.rows if row.has(alignment)]
        named = {fingerprint(frame_key(alignment, row, self.reference["key"])): row for row in mine}
        kept = self._kept(made_with, named)
        members = list(named)[: self.settings.normals] if kept is None else sorted(kept)
        carried = {name: trained[name] for name in ("arm", "alignment", "method", "seed")}
        carried |= {"normals": len(members), "recipe": made_with, "settings": self.settings.model_dump_json()}
        key = fingerprint({"recipe": made_with, "rows": sorted(members)})
        work = partial(self._outcome, trained, {name: named[name] for name in members})
        return Task(key, carried, work, self._refusal(len(members)))

    def _kept(self, made_with: str, present: Mapping[str, FrameRows]) -> frozenset[str] | None:
        before = self.before.get(made_with)
        if before is None:
            return None
        try:
            members = chosen_of(read_artifact(self.run.store, before))
        except CorruptArtifact:
            # It is computed anew where its key has no artefact, and told of where it was altered.
            return None
        return members if members <= present.keys() else None

    def _refusal(self, count: int) -> str:
        if count >= self.settings.fewest:
            return ""
        return (
            f"{count} validation normals, one a patient, are too few for a mean and a spread ({self.settings.fewest} "
            "are needed): scores against normals are left empty; raise radiographs.validation_share"
        )

    def _outcome(self, trained: Row, members: Mapping[str, FrameRows]) -> Outcome:
        arm = ready_arm(self.run.store, trained, self.device)
        problems: dict[str, str] = {}
        found = summed(self._mapped(arm, members, problems), arm.size, self.settings)
        mapped = sorted(members.keys() - problems)
        if self._refusal(len(mapped)):
            return Outcome(status="rejected", reason=f"{self._refusal(len(mapped))}; {_told(problems, members)}")
        whole = found.moments["absolute"]
        columns: dict[str, Any] = {
            "threshold": found.threshold,
            "mean": float(whole.first.sum() / whole.count.sum()),
            "spread": usual(whole, pooling_of(self.settings)).whole_spread,
        }
        left_out = {LEFT_OUT: members_array(sorted(problems))} if problems else {}
        arrays = {**arrays_of(found.moments.items()), FITTED_ON: members_array(mapped), **left_out}
        return Outcome(columns, arrays, reason=_told(problems, members) if problems else "")

    def _mapped(self, arm: ReadyArm, members: Mapping[str, FrameRows], problems: dict[str, str]) -> Iterator[Mapped]:
        """Maps of the normals; why one has none is put down under its name."""
        rows = list(members.values())
        batches = Batches(range(len(rows)), BATCH, lambda few: self.frames.mapped(arm, [rows[one] for one in few]))
        for number, name in enumerate(members):
            try:
                yield batches.take(number)
            except (OSError, CorruptArtifact, MemoryError, torch.OutOfMemoryError):
                raise
            except Exception as error:
                problems[name] = f"{type(error).__name__}: {error}"
        if len(problems) == len(members):
            raise ValueError(_told(problems, members))


def _told(problems: Mapping[str, str], members: Mapping[str, FrameRows]) -> str:
    return f"{len(problems)} of {len(members)} normals could not be mapped: {next(iter(problems.values()))}"
