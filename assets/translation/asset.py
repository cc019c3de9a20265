"""Translators: one a requested arm (alignment x method x seed), each addressed by its own key and trained once."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import pyarrow.compute as pc
import torch

from assets.images import F32
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, FRAMES_OF_COHORT
from assets.pairing.chosen_frames import join_chosen
from assets.pairing.frames import U8 as Lungs
from assets.pairing.frames import FrameRows, Row, frame, frame_key
from assets.pictures import to_png
from assets.tables import TRANSLATOR
from assets.translation.arms import Arm, parse_arm
from assets.translation.domain import prepare
from assets.translation.inference import translate
from assets.translation.pca import fit_pca
from assets.translation.presets import image_size, resolved
from assets.translation.preview import training_curves, translation_sheet
from assets.translation.runs import arm_digest, planned_runs
from assets.translation.settings import TranslationSettings
from assets.translation.training import train
from resources.accelerator import Accelerator
from resources.arrays import Arrays
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table
from resources.incremental import Outcome, Task, row_key
from resources.manifests import read_artifact
from resources.partitions import COHORTS
from resources.progress import training_progress
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
WEIGHT = "weights."
SHEET_ROWS = 5


def tensors(
    run: StageRun, arm: Arm, rows: list[FrameRows], reference: Lungs, size: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (N, 1, S, S) in [-1, 1] and soft lung masks of radiographs in an arm's frame."""
    read = partial(read_artifact, run.store)
    frames = [frame(arm.alignment, row, reference, read) for row in rows]
    return prepare(np.stack([item.image for item in frames]), np.stack([item.lungs for item in frames]), size)


@dataclass(frozen=True)
class _Training:
    """What every arm of a run shares: rows of both domains, the reference, and where to compute."""

    run: StageRun
    settings: TranslationSettings
    abnormal: list[FrameRows]
    normal: list[FrameRows]
    reference: Row
    lungs: Lungs
    device: torch.device
    autocast: bool

    def key(self, arm: Arm, seed: int) -> str:
        """Key of an arm: its own settings and every frame that it is trained on."""
        inputs = [
            part
            for row in (*self.abnormal, *self.normal)
            for part in frame_key(arm.alignment, row, self.reference["key"])
        ]
        digest = arm_digest(arm, seed, self.settings)
        return row_key(self.run.stage, self.run.version, {"arm": digest}, [*inputs, str(len(self.abnormal))])

    def fit(self, arm: Arm, seed: int, key: str) -> Outcome:
        """Train one arm, or take its interrupted training up."""
        normal, masks = tensors(self.run, arm, self.normal, self.lungs, image_size(self.settings))
        columns: dict[str, Any] = {
            "trained_normal": len(self.normal),
            "trained_abnormal": len(self.abnormal),
            "steps": 0,
        }
        columns["settings"] = self.settings.model_dump_json()
        if arm.method == "pca":
            weights = fit_pca(normal, masks, self.settings.pca_components)
            return Outcome({**columns, "trained_abnormal": 0}, _named(weights))
        columns["steps"] = resolved(self.settings, arm.method).steps
        abnormal, abnormal_masks = tensors(self.run, arm, self.abnormal, self.lungs, image_size(self.settings))
        checkpoints = CheckpointStore(self.run.store, key)
        trained = train(
            arm.method,
            abnormal,
            normal,
            self.settings,
            seed,
            device=self.device,
            autocast=self.autocast,
            abnormal_masks=abnormal_masks,
            normal_masks=masks,
            reference_lungs=self.lungs,
            progress=training_progress(self.run.progress, f"{arm.name} seed {seed}"),
            resume=checkpoints.load(),
            checkpoint=checkpoints.save,
        )
        names = sorted({name for entry in trained.history for name in entry})
        history = np.array([[entry.get(name, np.nan) for name in names] for entry in trained.history], dtype=np.float32)
        return Outcome({**columns, "history_columns": names}, {**_named(trained.weights), "history": history})


def _named(weights: dict[str, torch.Tensor]) -> Arrays:
    return {WEIGHT + name: value.detach().cpu().float().numpy() for name, value in weights.items()}


def weights_of(arrays: Arrays) -> dict[str, torch.Tensor]:
    """A translator's weights from its artefact."""
    return {name[len(WEIGHT) :]: torch.from_numpy(value) for name, value in arrays.items() if name.startswith(WEIGHT)}


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        *FRAMES_OF_COHORT,
        "pseudo_pairs",
    ],
    group_name="translation",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(TranslationSettings),
    metadata=column_schema(TRANSLATOR),
    pool="training",
)
def translator(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Abnormal-to-normal translators on the training pairs: CycleGAN, CUT, and PCA reconstruction without a GAN."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(TranslationSettings)
        planned = planned_runs(settings)
        at_once = accelerator.trainings_at_once(sum(arm.method != "pca" for arm, _ in planned))
        pairs = run.ok_table("pseudo_pairs", run.cohort, ["split", "abnormal_id", "normal_id"])
        pairs = pairs.filter(pc.equal(pairs["split"], "train"))
        abnormal, normal = (sorted(pairs[name].unique().to_pylist()) for name in ("abnormal_id", "normal_id"))
        tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
        rows = join_chosen(tables, [*abnormal, *normal])
        reference = run.model("reference_lung")
        training = _Training(
            run,
            settings,
            [rows[name] for name in abnormal],
            [rows[name] for name in normal],
            reference,
            read_artifact(run.store, reference)["lungs"],
            accelerator.torch_device(at_once),
            accelerator.autocast(),
        )
        if not pairs.num_rows:
            raise dg.Failure(
                f"{run.cohort}: no training pair, so nothing to train on; a cohort needs normal and abnormal rows in "
                "its training part (see normal_labels and abnormal_labels of its declaration)",
                allow_retries=False,
            )
        done = run.refresh([_task(training, arm, seed) for arm, seed in planned], at_once)
        for row in done.rows:
            if row["status"] == "ok":
                CheckpointStore(run.store, row["key"]).clear()
        failed = [row["reason"] for row in done.rows if row["status"] == "failed"]
        result = run.finish(
            done, TRANSLATOR, {"set_aside": set_aside_table(done.rows)}, partial(_pictures, training, done.rows)
        )
        if failed:
            raise dg.Failure(f"{len(failed)} of {len(done.rows)} arms failed, the others are kept: {failed[0]}")
        return result


def _task(training: _Training, arm: Arm, seed: int) -> Task:
    key = training.key(arm, seed)
    carried = {"arm": arm.name, "alignment": arm.alignment, "method": arm.method, "seed": seed}
    return Task(key, carried, partial(training.fit, arm, seed, key))


def _pictures(training: _Training, rows: list[Row]) -> dict[str, bytes]:
    shown: dict[str, bytes] = {}
    size = image_size(training.settings)
    for row in rows:
        if row["status"] != "ok" or row["seed"] != training.settings.seeds[0]:
            continue
        arm = parse_arm(row["arm"])
        arrays = read_artifact(training.run.store, row)
        images, masks = tensors(training.run, arm, training.abnormal[:SHEET_ROWS], training.lungs, size)
        with torch.no_grad():
            normal_looking = translate(arm.method, weights_of(arrays), images, masks, training.settings)
        sheet = translation_sheet(unit(images), unit(normal_looking), np.abs(unit(images) - unit(normal_looking)))
        shown[f"translations {row['arm']}"] = to_png(sheet, PICTURE_BYTES)
        if "history" in arrays:
            columns = row["history_columns"]
            history = [dict(zip(columns, map(float, values), strict=True)) for values in arrays["history"]]
            shown[f"training {row['arm']}"] = to_png(training_curves(history), PICTURE_BYTES)
    return shown


def unit(images: torch.Tensor) -> F32:
    """(N, 1, S, S) in [-1, 1] as (N, S, S) float32 in [0, 1]."""
    return ((images[:, 0].detach().cpu().float() + 1.0) / 2.0).clamp(0.0, 1.0).numpy()
