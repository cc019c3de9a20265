"""The learned peers of IT-DPR, trained on the same radiographs: VoxelMorph to the reference, and SynthMorph."""

from collections.abc import Callable
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.charts import history_panels
from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.stored import PEERS, Peer, weights_in
from assets.peers.synthmorph import fit_synthmorph
from assets.peers.voxelmorph import fit_voxelmorph
from assets.pictures import to_png
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.registration.training import Fitted
from assets.tables.alignment import REGISTRATION_PEERS
from resources.accelerator import Accelerator
from resources.arrays import Arrays
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.fitted import keep_or_fit
from resources.incremental import Outcome, Refreshed
from resources.manifests import read_artifact
from resources.partitions import COHORTS, all_shards_of
from resources.progress import training_progress
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.stage_settings import recipe

VERSION = "1"
HISTORY = "history"


def _fit(
    run: StageRun, masks: list[Row], radiographs: pa.Table, reference: Arrays, settings: PeerSettings, _key: str
) -> Outcome:
    known = {row["radiograph_id"]: row for row in radiographs.to_pylist()}
    images = np.stack([windowed(run, known[row["radiograph_id"]], row) for row in masks])
    lungs = np.stack([read_artifact(run.store, row)["lungs"] for row in masks])
    fixed = Case(from_uint16(reference["image"]), reference["lungs"])
    fitted: dict[Peer, Fitted] = {
        "voxelmorph": fit_voxelmorph(images, lungs, fixed, settings, progress=_progress(run, settings, "VoxelMorph")),
        "synthmorph": fit_synthmorph(lungs, fixed, settings, progress=_progress(run, settings, "SynthMorph")),
    }
    columns: dict[str, Any] = {
        "trained_on": len(masks),
        "steps": settings.steps,
        "settings": settings.model_dump_json(),
    }
    columns |= {f"{peer}_loss": each.history[-1]["loss"] for peer, each in fitted.items()}
    columns["history_columns"] = [f"{peer}.{name}" for peer in PEERS for name in fitted[peer].history[0]]
    weights = {name: value for peer in PEERS for name, value in weights_in(fitted[peer], peer).items()}
    return Outcome(columns, {**weights, **{f"{HISTORY}.{peer}": _history(fitted[peer]) for peer in PEERS}})


def _progress(run: StageRun, settings: PeerSettings, name: str) -> Callable[[int, dict[str, float]], None]:
    speak = training_progress(run.progress, name)
    return lambda step, losses: speak(step, settings.steps, losses)


def _history(fitted: Fitted) -> npt.NDArray[np.float32]:
    return np.array([list(entry.values()) for entry in fitted.history], dtype=np.float32)


@dg.asset(
    partitions_def=COHORTS,
    deps=[all_shards_of("radiographs"), all_shards_of("lung_masks"), "reference_lung"],
    group_name="registration",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(PeerSettings),
    metadata=column_schema(REGISTRATION_PEERS),
    pool="training",
)
def registration_peers(
    context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator
) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """VoxelMorph and SynthMorph, trained on the radiographs that IT-DPR trains on, kept until their basis changes."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(PeerSettings)
        accelerator.torch_device()
        radiographs = run.ok_table("radiographs", columns=STORED)
        lungs = run.ok_table("lung_masks", columns=MASK_COLUMNS)
        masks = lungs.filter(pc.equal(lungs["split"], "train")).sort_by("radiograph_id").to_pylist()
        reference = run.model("reference_lung")
        model = keep_or_fit(
            run.store,
            run.place,
            recipe(run, settings, [reference["key"]]),
            [row["key"] for row in masks],
            partial(_fit, run, masks, radiographs, read_artifact(run.store, reference), settings),
        )
        done = Refreshed([model.row], int(model.computed), int(not model.computed), 0, 0.0)
        return run.finish(
            done, REGISTRATION_PEERS, {"decision": model.why}, partial(_pictures, model.row, model.arrays)
        )


def _pictures(row: Row, arrays: Arrays) -> dict[str, bytes]:
    curves: dict[str, bytes] = {}
    for peer in PEERS:
        names = [name.removeprefix(f"{peer}.") for name in row["history_columns"] if name.startswith(f"{peer}.")]
        history = [dict(zip(names, map(float, entry), strict=True)) for entry in arrays[f"{HISTORY}.{peer}"]]
        curves[f"loss {peer}"] = to_png(history_panels(history), PICTURE_BYTES)
    return curves
