"""The training of one arm: its key, its checkpoints, and what its row and artefact hold."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from assets.pairing.frames import FrameRows, frame_key
from assets.translation.arms import ON_PAIRS, Arm, Gan, is_gan
from assets.translation.asset_frames import PreparedFrames
from assets.translation.asset_outcome import outcome, quality, spoken
from assets.translation.asset_watch import Watching
from assets.translation.checkpoints import UnusableCheckpoint
from assets.translation.closed_form import chosen_by_validation, fit_closed_form
from assets.translation.compute import Compute
from assets.translation.estimate import checkpoint_bytes
from assets.translation.guards import TrainingStopped
from assets.translation.inference import translate
from assets.translation.pca import LARGEST_SAMPLE
from assets.translation.runs import arm_digest
from assets.translation.settings import TranslationSettings
from assets.translation.stored import named_weights
from assets.translation.training import Trained, train
from assets.translation.training_data import TrainingData
from resources.checkpoint_store import CheckpointStore
from resources.incremental import Outcome, row_key
from resources.manifests import fingerprint
from resources.stage_run import StageRun


@dataclass(frozen=True)
class Trainings:
    """What every arm of a run shares.

    Attributes:
        run: the stage's run.
        settings: of the stage.
        frames: training images by frame.
        pairs: (P, 2) int64, rows of both domains that are pseudo-pairs.
        reference_key: key of the reference lung.
        compute: where to train, and in which arithmetic.
        environment: what the last digits depend on besides.
        watching: sees and measures the trainings.
        spent: by row key, what a training took; it is told in the manifest and not in the artefact, whose bytes
            depend on what was trained alone.
    """

    run: StageRun
    settings: TranslationSettings
    frames: PreparedFrames
    pairs: Tensor
    reference_key: str
    compute: Compute
    environment: Mapping[str, Any]
    watching: Watching
    spent: dict[str, dict[str, float]] = field(default_factory=dict)

    def key(self, arm: Arm, seed: int) -> str:
        """Key of an arm: its own settings and every frame that it is trained on, with its partner where that counts."""
        abnormal, normal = self.frames.abnormal, self.frames.normal
        inputs = [part for row in (*abnormal, *normal) for part in frame_key(arm.alignment, row, self.reference_key)]
        inputs.append(str(len(abnormal)))
        if arm.method in ON_PAIRS:
            inputs.append(fingerprint(self.pairs.tolist()))
        if (self.settings.patience and is_gan(arm.method)) or chosen_by_validation(arm.method, self.settings):
            # Validation decides when it stops, or how many components it has.
            inputs.append(fingerprint(self.watching.inputs(arm.alignment, self.reference_key)))
        return row_key(self.run.stage, self.run.version, {"arm": arm_digest(arm, seed, self.settings)}, inputs)

    def fit(self, arm: Arm, seed: int, key: str) -> Outcome:
        """Train one arm, or take its interrupted training up."""
        columns = {
            "trained_normal": len(self.frames.normal),
            "trained_abnormal": len(self.frames.abnormal),
            # What one launch asks for decides no weight.
            "settings": self.settings.model_dump_json(exclude={"only"}),
            "environment": json.dumps(self.environment, sort_keys=True),
        }
        if not is_gan(arm.method):
            return self._fitted(arm, seed, key, columns)
        trained = self._trained(arm, arm.method, seed, key)
        self.spent[key] = {"seconds": trained.seconds, "images_per_second": trained.images_per_second}
        self.run.progress(spoken(f"{arm.name} seed {seed}", trained))
        return outcome(trained, columns, best=self.settings.patience > 0)

    def _fitted(self, arm: Arm, seed: int, key: str, columns: dict[str, Any]) -> Outcome:
        began = time.monotonic()
        images, masks = self.frames.reader.tensors(arm.alignment, _evenly(self.frames.normal))
        panel = self.watching.panel(arm.alignment) if chosen_by_validation(arm.method, self.settings) else None
        weights = fit_closed_form(arm.method, images, masks, self.settings, panel)
        self.spent[key] = {"seconds": time.monotonic() - began}
        columns["components"] = len(weights["components"]) if arm.method == "pca" else None
        look = partial(translate, arm.method, weights, settings=self.settings)
        found = self.watching.of(arm, seed).check(0, look) if self.settings.checked_images else {}
        return Outcome({**columns, "trained_abnormal": 0, "steps": 0, **quality(found)}, named_weights(weights))

    def _trained(self, arm: Arm, method: Gan, seed: int, key: str) -> Trained:
        # Not the whole plan: other arms' settings, and how often is measured, drop no checkpoint.
        about = {"method": method, "arm": arm_digest(arm, seed, self.settings)}
        checkpoints = CheckpointStore(self.run.store, key, about, partial(self._say, arm, seed))
        checkpoints.require_room(checkpoint_bytes(method, self.settings))
        domains = self.frames.of(arm.alignment)
        begin = partial(
            train,
            method,
            TrainingData(domains.abnormal, domains.normal, self.pairs),
            self.settings,
            seed,
            compute=self.compute,
            reference_lungs=self.frames.reader.reference,
            watch=self.watching.of(arm, seed),
            checkpoint=checkpoints.try_to_save,
            stepped=self.run.beside.require_wanted,
        )
        try:
            return _taken_up(begin, checkpoints)
        except TrainingStopped as stopped:
            raise stopped.named(_ids(self.frames.abnormal), _ids(self.frames.normal), "radiographs") from stopped

    def _say(self, arm: Arm, seed: int, line: str) -> None:
        self.run.progress(f"{arm.name} seed {seed}: {line}")


def _taken_up(begin: Callable[..., Trained], checkpoints: CheckpointStore) -> Trained:
    """Go on from the checkpoint, or begin anew where nothing can be done with it."""
    try:
        return begin(resume=checkpoints.load())
    except UnusableCheckpoint as why:
        checkpoints.discard(str(why))
        return begin()


def _ids(rows: Sequence[FrameRows]) -> list[str]:
    return [row.radiograph["radiograph_id"] for row in rows]


def _evenly(rows: Sequence[FrameRows]) -> list[FrameRows]:
    """As many rows as principal components are fitted to, evenly spaced."""
    chosen = torch.linspace(0, len(rows) - 1, min(len(rows), LARGEST_SAMPLE)).round().long()
    return [rows[index] for index in chosen.tolist()]
