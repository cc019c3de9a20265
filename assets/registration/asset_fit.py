"""The training of IT-DPR on what a cohort has stored, and what its row and artefact hold."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from assets.pairing.frames import U8, Row
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import dequantize
from assets.registration.damaged_copies import damaged_displacements
from assets.registration.settings import RegistrationSettings
from assets.registration.training import fit
from resources.arrays import Arrays
from resources.checkpoint_store import CheckpointStore
from resources.incremental import Outcome
from resources.manifests import read_artifact
from resources.progress import training_progress
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings

WEIGHT = "network."


def trained(
    run: StageRun, rows: list[Row], reference: Arrays, settings: RegistrationSettings, device: torch.device, key: str
) -> Outcome:
    """Train the network of a cohort, or take its interrupted training up.

    Args:
        run: of the stage.
        rows: pre-aligned training radiographs.
        reference: arrays of `reference_lung`.
        settings: of the stage.
        device: where to train.
        key: of the model, under which its checkpoints lie.
    """
    radiographs = {row["radiograph_id"]: row for row in run.ok("radiographs", columns=STORED)}
    masks = {row["radiograph_id"]: row for row in run.ok("lung_masks", columns=MASK_COLUMNS)}
    checkpoints = CheckpointStore(run.store, key)
    ids = [row["radiograph_id"] for row in rows]
    speak = training_progress(run.progress, "IT-DPR")
    lungs = np.stack([read_artifact(run.store, masks[name])["lungs"] for name in ids])
    fitted = fit(
        np.stack([windowed(run, radiographs[name], masks[name]) for name in ids]),
        lungs,
        np.stack([dequantize(read_artifact(run.store, row)["displacement"]) for row in rows]),
        reference["lungs"],
        settings,
        settings.seed,
        damaged=_damaged(run, reference["lungs"], lungs, settings),
        device=device,
        progress=lambda step, losses: speak(step, settings.steps, losses),
        resume=checkpoints.load(),
        checkpoint=checkpoints.save,
    )
    names = list(fitted.history[0])
    history = np.array([[entry[name] for name in names] for entry in fitted.history], dtype=np.float32)
    arrays = {WEIGHT + name: value.detach().cpu().numpy() for name, value in fitted.state.items()}
    columns: dict[str, Any] = {
        "trained_on": len(rows),
        "steps": settings.steps,
        "final_loss": fitted.history[-1]["loss"],
        "roughness_typical": fitted.roughness[0],
        "roughness_limit": fitted.roughness[1],
    }
    columns |= {"settings": settings.model_dump_json(), "history_columns": names}
    return Outcome(columns, {**arrays, "history": history})


def _damaged(run: StageRun, reference: U8, lungs: U8, settings: RegistrationSettings) -> npt.NDArray[np.float16] | None:
    """IT-PR of every training radiograph by damaged masks, in the mode that its own was made in."""
    if settings.reading == "R1" or settings.damaged == 0:
        return None
    chosen = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)
    frame = reference_frame(reference, chosen)
    rng = np.random.default_rng(settings.seed)
    return np.stack([damaged_displacements(frame, mask, settings.damaged_copies, chosen, rng) for mask in lungs])
