"""Translators: one a requested arm (alignment x method x seed), each addressed by its own key and trained once."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from assets.alignments import Alignment
from assets.pairing.asset_frames import ARM_FRAMES_OF_COHORT
from assets.pairing.chosen_frames import join_chosen
from assets.tables.translation import TRANSLATOR
from assets.translation.arms import Arm, is_gan
from assets.translation.asset_basis import Basis, bases
from assets.translation.asset_frames import FrameReader, PreparedFrames
from assets.translation.asset_pictures import pictures, quality_table
from assets.translation.asset_training import Trainings
from assets.translation.asset_watch import watch_trainings
from assets.translation.compute import Compute
from assets.translation.presets import image_size
from assets.translation.runs import planned_runs
from assets.translation.settings import TranslationSettings
from resources.accelerator import Accelerator
from resources.borrowed import borrowed_rows
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import column_schema, set_aside_table
from resources.incremental import Outcome, Refreshed, Task, row_key
from resources.manifests import read_artifact, read_previous
from resources.partitions import COHORTS, SHARDS_BY_COHORT
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "2"


@dg.asset(
    partitions_def=COHORTS,
    deps=[
        *ARM_FRAMES_OF_COHORT,
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
    """Abnormal-to-normal translators on the training pairs, GANs, PCA and template; or another cohort's."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(TranslationSettings)
        if settings.borrow_from:
            rows = borrowed_rows(run, settings.borrow_from, SHARDS_BY_COHORT)
            return run.finish(Refreshed(rows, 0, len(rows), 0, 0.0), TRANSLATOR, {"quality": quality_table(rows)})
        planned = planned_runs(settings)
        asked = [arm for arm, seed in planned if _asks(settings, arm.name, seed)]
        at_once = accelerator.trainings_at_once(sum(is_gan(arm.method) for arm in asked))
        prepare = partial(_trainings, context, run, settings, accelerator, at_once)
        trainings, refusals = _by_frame(run, settings, prepare)
        tasks = [
            _refused(run, arm, seed, refusals[arm.alignment])
            if arm.alignment in refusals
            else _task(trainings[arm.alignment], arm, seed)
            for arm, seed in planned
        ]
        done = run.refresh(_to_have(run, settings, tasks), at_once)
        spent = {key: took for each in trainings.values() for key, took in each.spent.items()}
        for row in done.rows:
            row.update(spent.get(row["key"], {}))
            if row["status"] == "ok":
                CheckpointStore(run.store, row["key"]).clear()
        failed = [row["reason"] for row in done.rows if row["status"] == "failed"]
        shown = {"quality": quality_table(done.rows), "set_aside": set_aside_table(done.rows)}
        result = run.finish(done, TRANSLATOR, shown, partial(pictures, trainings, done.rows))
        # A study asks for some at a time, and goes on with what does not depend on those that failed.
        if failed and not settings.only:
            raise dg.Failure(f"{len(failed)} of {len(done.rows)} arms failed, the others are kept: {failed[0]}")
        return result


def _by_frame(
    run: StageRun, settings: TranslationSettings, prepare: Callable[[Basis], Trainings]
) -> tuple[dict[Alignment, Trainings], dict[Alignment, str]]:
    """Trainings by frame, and why there are none in others.

    Usual frames share theirs, a peer's are of the radiographs that it could register.
    """
    found: dict[Alignment, Trainings] = {}
    refusals: dict[Alignment, str] = {}
    for alignments, basis in bases(run, settings.arms):
        if basis.refusal:
            refusals |= dict.fromkeys(alignments, basis.refusal)
        else:
            found |= dict.fromkeys(alignments, prepare(basis))
    if not found:
        raise dg.Failure(f"{run.cohort}: {'; '.join(refusals.values())}", allow_retries=False)
    return found, refusals


def _trainings(
    context: dg.AssetExecutionContext,
    run: StageRun,
    settings: TranslationSettings,
    accelerator: Accelerator,
    at_once: int,
    basis: Basis,
) -> Trainings:
    pairs, tables = basis.pairs, basis.tables
    abnormal, normal = (sorted(pairs[name].unique().to_pylist()) for name in ("abnormal_id", "normal_id"))
    rows = join_chosen(tables, [*abnormal, *normal], basis.peers)
    reference = run.model("reference_lung")
    reader = FrameReader(run.store, read_artifact(run.store, reference)["lungs"], image_size(settings))
    frames = PreparedFrames(reader, [rows[name] for name in abnormal], [rows[name] for name in normal])
    compute = Compute(
        accelerator.torch_device(at_once), accelerator.autocast(), accelerator.channels_last, accelerator.compiled
    )
    training = (frames.abnormal, frames.normal)
    watching = watch_trainings(context, run, settings, tables, reader, training, compute.device, basis.peers)
    sides = (("abnormal_id", abnormal), ("normal_id", normal))
    numbered = np.stack([pc.index_in(pairs[name], pa.array(ids)) for name, ids in sides], axis=1)
    return Trainings(
        run,
        settings,
        frames,
        torch.from_numpy(numbered.astype(np.int64)),
        reference["key"],
        compute,
        accelerator.environment(),
        watching,
    )


def _asks(settings: TranslationSettings, arm: str, seed: int) -> bool:
    return not settings.only or f"{arm}/{seed}" in settings.only


def _to_have(run: StageRun, settings: TranslationSettings, tasks: list[Task]) -> list[Task]:
    """The trainings that are asked for, are there, cannot be, or failed with the same settings and images.

    One that is to be tried again is tried by the launch that asks for it.
    """
    if not settings.only:
        return tasks
    there = run.store.find(f"{run.place.folder}/artifacts")
    failed = set() if run.retry_failed else _failed_keys(run)
    return [
        task
        for task in tasks
        if task.refusal
        or _asks(settings, task.carried["arm"], task.carried["seed"])
        or run.place.artifact(task.key) in there
        or task.key in failed
    ]


def _failed_keys(run: StageRun) -> set[str]:
    before = read_previous(run.store, run.place, ["key", "status"])
    return set() if before is None else set(before.filter(pc.equal(before["status"], "failed"))["key"].to_pylist())


def _task(trainings: Trainings, arm: Arm, seed: int) -> Task:
    key = trainings.key(arm, seed)
    return Task(key, _carried(arm, seed), partial(trainings.fit, arm, seed, key))


def _refused(run: StageRun, arm: Arm, seed: int, reason: str) -> Task:
    key = row_key(run.stage, run.version, {"arm": arm.name, "seed": seed}, [reason])
    return Task(key, _carried(arm, seed), Outcome, reason)


def _carried(arm: Arm, seed: int) -> dict[str, Any]:
    return {"arm": arm.name, "alignment": arm.alignment, "method": arm.method, "seed": seed}
