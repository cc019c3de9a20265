"""What is seen of the trainings of a run while they go on: lines, measurements and pictures in Dagster, TensorBoard.

`watch_trainings` makes what all trainings of a run share, `Watching.of` the watch of one of them. A finished translator
is measured by `check` as well, PCA too.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, get_args

import dagster as dg
import pyarrow as pa
import torch

from assets.alignments import Alignment
from assets.pairing.frames import FrameRows, frame_key
from assets.translation.arms import Arm, is_gan
from assets.translation.asset_frames import FrameReader
from assets.translation.asset_panel import PanelReader, validation_rows
from assets.translation.asset_training_watch import Bench, TrainingWatch
from assets.translation.classifier import MOST_IMAGES, STEPS, Classifier, fit_classifier
from assets.translation.live import SHOWN_ABNORMAL, SHOWN_NORMAL
from assets.translation.panel import Imaged, Panel
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from resources.stage_run import StageRun
from resources.training_log import TrainingLog, log_folder


@dataclass
class Watching:
    """What the trainings of one run share.

    Attributes:
        context: of the asset that runs.
        run: the stage's run.
        settings: of the stage.
        panels: reads the validation images.
        training: rows of the abnormal and of the normal training images.
        device: where the classifier is trained.
        folder: where event files for TensorBoard go, None for none.
    """

    context: dg.AssetExecutionContext
    run: StageRun
    settings: TranslationSettings
    panels: PanelReader
    training: tuple[Sequence[FrameRows], Sequence[FrameRows]]
    device: torch.device
    folder: Path | None = None
    _benches: dict[Alignment, Bench] = field(default_factory=dict, init=False)
    _locks: dict[Alignment, Lock] = field(
        default_factory=lambda: {name: Lock() for name in get_args(Alignment)}, init=False
    )

    def of(self, arm: Arm, seed: int) -> TrainingWatch:
        """The watch of one training; trainings may run in threads side by side."""
        own = f"{arm.alignment}-{arm.method}-seed-{seed}"
        return TrainingWatch(
            name=f"{arm.name} seed {seed}",
            steps=resolved(self.settings, arm.method).steps if is_gan(arm.method) else 0,
            bench=partial(self._bench, arm.alignment),
            say=self.run.progress,
            observe=self._observe,
            log=None if self.folder is None else TrainingLog(self.folder / self.run.cohort / own),
        )

    def panel(self, alignment: Alignment) -> Panel:
        """The validation images in a frame."""
        return self._bench(alignment).panel

    def inputs(self, alignment: Alignment, reference_key: str) -> list[str]:
        """Keys of the frames of the validation images: what a training depends on that stops by their measures."""
        rows = (*self.panels.abnormal, *self.panels.normal)
        parts = [part for row in rows for part in frame_key(alignment, row, reference_key)]
        return [*parts, str(len(self.panels.abnormal))]

    def shown(self, alignment: Alignment) -> Panel:
        """The few images that pictures show: of the validation part, or of the training's where that is empty."""
        few = self.panels.first(SHOWN_ABNORMAL, SHOWN_NORMAL)
        if not few.abnormal and not few.normal:
            few = replace(self.panels, abnormal=self.training[0], normal=self.training[1])
            few = few.first(SHOWN_ABNORMAL, SHOWN_NORMAL)
        return few.unplanted(alignment)

    def _observe(self, metadata: Mapping[str, Any]) -> None:
        event = dg.AssetObservation(self.context.asset_key, partition=self.context.partition_key, metadata=metadata)
        self.context.log_event(event)

    def _bench(self, alignment: Alignment) -> Bench:
        with self._locks[alignment]:
            if alignment not in self._benches:
                self._benches[alignment] = Bench(self.panels.panel(alignment), self._judge(alignment))
            return self._benches[alignment]

    def _judge(self, alignment: Alignment) -> Classifier:
        began = time.monotonic()
        abnormal, normal = (Imaged(*self.panels.reader.tensors(alignment, _evenly(rows))) for rows in self.training)
        # What is to be judged is no better trained in fewer steps.
        steps = min(STEPS, resolved(self.settings, "cyclegan").steps)
        judge = fit_classifier(abnormal, normal, self.device, steps)
        self.run.progress(f"classifier that judges translations in {alignment}: {time.monotonic() - began:.0f} s")
        return judge


def watch_trainings(
    context: dg.AssetExecutionContext,
    run: StageRun,
    settings: TranslationSettings,
    tables: Sequence[pa.Table],
    reader: FrameReader,
    training: tuple[Sequence[FrameRows], Sequence[FrameRows]],
    device: torch.device | None = None,
    peers: pa.Table | None = None,
) -> Watching:
    """Watch the trainings of a run.

    Args:
        context: of the asset that runs.
        run: likewise.
        settings: of the stage.
        tables: rows that are ok of the four stages of `FRAME_STAGES`, with `FRAME_COLUMNS`, all splits.
        reader: reads a radiograph in a frame.
        training: rows of the abnormal and of the normal training images.
        device: where the classifier is trained; the CPU by default.
        peers: rows after peers; by default none are joined.

    Raises:
        ValueError: curves for TensorBoard were asked for and cannot be written.
    """
    abnormal, normal = validation_rows(tables, settings.checked_images, peers)
    panels = PanelReader(run, reader, abnormal, normal)
    return Watching(context, run, settings, panels, training, device or torch.device("cpu"), log_folder())


def _evenly(rows: Sequence[FrameRows]) -> Sequence[FrameRows]:
    """As many rows as the classifier looks at, spread over all."""
    return rows[:: max(1, -(-len(rows) // MOST_IMAGES))]
