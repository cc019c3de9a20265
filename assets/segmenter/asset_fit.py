"""Training the networks of the lung segmenter from a cohort's manifest rows."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from assets.images import F32, from_uint16
from assets.pairing.frames import Row
from assets.segmentation.cleanup import clean
from assets.segmentation.quality import lung_flags
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.calibration import HeldBack, calibrate, network_dices, why_untaught
from assets.segmenter.crossfit import in_common, joined, mean_history, taught_to
from assets.segmenter.inference import load_network, predict
from assets.segmenter.mask_score import ScoreModel
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import ShapeModel, fit_shapes
from assets.segmenter.trained import to_arrays
from assets.segmenter.training import Fitted, fit
from resources.checkpoint_store import CheckpointStore
from resources.incremental import Outcome
from resources.manifests import fingerprint, read_artifact
from resources.progress import training_progress
from resources.stage_run import StageRun

HISTORY = "history"
UNTAUGHT = "untaught"
SMALLEST_NORMALS = 5

U8 = npt.NDArray[np.uint8]


class TooFewMasks(Exception):
    """A cohort whose training part supplies fewer usable masks than a network is trained on.

    Attributes:
        usable: how many it supplies.
        fewest: how many of them would teach one of the networks.
    """

    def __init__(self, usable: int, fewest: int) -> None:
        self.usable, self.fewest = usable, fewest


@dataclass(frozen=True)
class _Masked:
    """Radiographs (N, H, W) with clean lungs (N, H, W) that pass the gates, and their rows."""

    rows: list[Row]
    images: F32
    lungs: U8


def _usable(run: StageRun, rows: list[Row]) -> _Masked:
    """A supplied mask that fails the gates would teach its own fault, so it is left out."""
    settings = SegmentationSettings()
    found: list[Row] = []
    images, masks = np.empty((0, 0, 0), np.float32), np.empty((0, 0, 0), np.uint8)
    for row in rows:
        arrays = read_artifact(run.store, row)
        lungs = clean(arrays["lungs"], settings)
        if lung_flags(lungs, settings):
            continue
        if not found:
            # Filled in place: a list that is stacked would hold a large cohort twice.
            images, masks = (np.empty((len(rows), *lungs.shape), kind) for kind in (np.float32, np.uint8))
        images[len(found)], masks[len(found)] = from_uint16(arrays["image"]), lungs
        found.append(row)
    return _Masked(found, images[: len(found)], masks[: len(found)])


def fit_networks(
    run: StageRun,
    train: list[Row],
    validation: list[Row],
    settings: SegmenterSettings,
    device: torch.device,
    at_once: int,
    key: str,
) -> Outcome:
    """Train a cohort's network, or one a part of its patients.

    Args:
        run: of the stage.
        train: radiographs with supplied masks to teach.
        validation: others to calibrate the quality score on.
        settings: of the networks.
        device: where they are trained.
        at_once: how many of them side by side.
        key: of the model.

    Raises:
        TooFewMasks: a network would be taught on too few.
    """
    teaching = _Teaching(run, settings, device, key, _usable(run, train), _usable(run, validation))
    parts = range(settings.cross_fit)
    fewest = min(len(teaching.members(part)) for part in parts)
    usable = teaching.usable
    if fewest < settings.smallest_cohort:
        raise TooFewMasks(len(usable.rows), fewest)
    with run.beside.mapped(teaching.network, parts, at_once) as trained:
        networks = list(trained)
    columns = {
        "trained_on": len(usable.rows),
        "left_out": len(train) - len(usable.rows),
        "steps": settings.steps,
        "base_offset": _base_offset(usable.lungs),
        "settings": settings.model_dump_json(),
        **in_common([network.columns for network in networks]),
    }
    arrays = joined([network.arrays or {} for network in networks])
    return Outcome(
        columns, {**arrays, HISTORY: mean_history([(network.arrays or {})[HISTORY] for network in networks])}
    )


def part_key(key: str, part: int, settings: SegmenterSettings) -> str:
    """Name of a network's checkpoint."""
    return key if settings.cross_fit == 1 else fingerprint([key, part])


@dataclass(frozen=True)
class _Teaching:
    """What all networks of a cohort share."""

    run: StageRun
    settings: SegmenterSettings
    device: torch.device
    key: str
    usable: _Masked
    held_back: _Masked

    def members(self, part: int) -> list[int]:
        """Positions of the usable radiographs that a part's network is taught on."""
        return taught_to(part, self.settings.cross_fit, [row["patient"] for row in self.usable.rows])

    def network(self, part: int) -> Outcome:
        """One network with its shape model and score, and what its training says of it."""
        fitted = self._fitted(part)
        shapes = self._shapes(part)
        judged, score = _judged(_held_back(fitted, self.settings, self.held_back), shapes, self.settings.seed)
        names = list(fitted.history[0])
        history = np.array([[entry[name] for name in names] for entry in fitted.history], dtype=np.float32)
        columns = {"final_loss": fitted.history[-1]["loss"], "history_columns": names, **judged}
        return Outcome(columns, {**to_arrays(fitted.state, shapes, score), HISTORY: history})

    def _fitted(self, part: int) -> Fitted:
        settings, checkpoints = self.settings, CheckpointStore(self.run.store, part_key(self.key, part, self.settings))
        which = f" {part + 1} of {settings.cross_fit}" if settings.cross_fit > 1 else ""
        speak = training_progress(self.run.progress, f"lung segmenter{which}")

        def stepped(step: int, losses: dict[str, float]) -> None:
            self.run.beside.require_wanted()
            speak(step, settings.steps, losses)

        return fit(
            self.usable.images,
            self.usable.lungs,
            settings,
            settings.seed,
            members=self.members(part),
            device=self.device,
            progress=stepped,
            resume=checkpoints.load(),
            checkpoint=checkpoints.save,
        )

    def _shapes(self, part: int) -> ShapeModel:
        """Of normal lungs, where there are some."""
        members, rows = self.members(part), self.usable.rows
        normals = [at for at in members if rows[at]["domain"] == "normal"]
        chosen = normals if len(normals) >= SMALLEST_NORMALS else members
        return fit_shapes(self.usable.lungs[chosen], self.settings.shape_components)


def _held_back(fitted: Fitted, settings: SegmenterSettings, masked: _Masked) -> list[HeldBack]:
    network = load_network(fitted.state, settings)
    return [
        HeldBack(image, lungs, predict(network, image, settings), row["patient"])
        for row, image, lungs in zip(masked.rows, masked.images, masked.lungs, strict=True)
    ]


def _judged(
    held_back: list[HeldBack], shapes: ShapeModel, seed: int
) -> tuple[dict[str, str | float | None], ScoreModel | None]:
    """What held-back radiographs say of the network, in columns, and the score that they teach."""
    taught, dices = calibrate(held_back, shapes, seed), network_dices(held_back)
    right, left = dices or (None, None)
    columns: dict[str, str | float | None] = {
        "calibrated_on": len(held_back) if taught else 0,
        "gate": taught.gate if taught else None,
        "validation_dice_right": right,
        "validation_dice_left": left,
        UNTAUGHT: why_untaught(len({item.patient for item in held_back}), dices),
    }
    return columns, taught.score if taught else None


def _base_offset(lungs: U8) -> float:
    """How far the right lungs' bases lie below the left ones' in the mean, as a fraction of the height."""
    height = lungs.shape[1]
    bases = [[int(np.flatnonzero((labels == side).any(axis=1))[-1]) for side in (1, 2)] for labels in lungs]
    return float(np.mean([(right - left) / height for right, left in bases]))
