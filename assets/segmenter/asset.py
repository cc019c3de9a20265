"""The lung segmenter: trained on the masks that a cohort supplies, or taken over from a cohort that has some."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt
import torch

from assets.charts import history_panels
from assets.images import F32, from_uint16
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.segmentation.cleanup import clean
from assets.segmentation.preview import mask_sheet
from assets.segmentation.quality import lung_dices, lung_flags
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.calibration import SMALLEST_CALIBRATION, HeldBack, calibrate, network_dices, why_untaught
from assets.segmenter.inference import labels_of, load_network, predict
from assets.segmenter.mask_score import ScoreModel
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import ShapeModel, fit_shapes
from assets.segmenter.trained import from_arrays, to_arrays
from assets.segmenter.training import Fitted, fit
from assets.tables import LUNG_SEGMENTER
from resources.accelerator import Accelerator
from resources.arrays import Arrays
from resources.borrowed import borrowed
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.fitted import keep_or_fit
from resources.incremental import Outcome, Refreshed, row_key
from resources.manifests import fingerprint, read_artifact
from resources.partitions import COHORTS, SHARDS_BY_COHORT, all_shards_of
from resources.progress import training_progress
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, recipe, stage_run

VERSION = "1"
HISTORY = "history"
UNTAUGHT = "untaught"
SHEET_ROWS = 18
SMALLEST_NORMALS = 5
READ = ("radiograph_id", "patient", "domain", "split", "key", "has_lungs", "artifact", "artifact_digest")
SHOWN = ("trained_on", "left_out", "calibrated_on", "gate", "validation_dice_right", "validation_dice_left")

U8 = npt.NDArray[np.uint8]


class _TooFewMasks(Exception):
    """A cohort whose training part supplies fewer usable masks than a network is trained on."""

    def __init__(self, usable: int) -> None:
        self.usable = usable


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


def _fit(
    run: StageRun,
    train: list[Row],
    validation: list[Row],
    settings: SegmenterSettings,
    device: torch.device,
    key: str,
) -> Outcome:
    usable = _usable(run, train)
    if len(usable.rows) < settings.smallest_cohort:
        raise _TooFewMasks(len(usable.rows))
    checkpoints = CheckpointStore(run.store, key)
    speak = training_progress(run.progress, "lung segmenter")
    lungs = usable.lungs
    fitted = fit(
        usable.images,
        lungs,
        settings,
        settings.seed,
        device=device,
        progress=lambda step, losses: speak(step, settings.steps, losses),
        resume=checkpoints.load(),
        checkpoint=checkpoints.save,
    )
    normals = np.array([row["domain"] == "normal" for row in usable.rows])
    shapes = fit_shapes(lungs[normals] if normals.sum() >= SMALLEST_NORMALS else lungs, settings.shape_components)
    judged, score = _judged(_held_back(fitted, settings, _usable(run, validation)), shapes, settings.seed)
    names = list(fitted.history[0])
    columns = {
        "trained_on": len(usable.rows),
        "left_out": len(train) - len(usable.rows),
        "steps": settings.steps,
        "final_loss": fitted.history[-1]["loss"],
        "base_offset": _base_offset(lungs),
        "settings": settings.model_dump_json(),
        "history_columns": names,
        **judged,
    }
    history = np.array([[entry[name] for name in names] for entry in fitted.history], dtype=np.float32)
    return Outcome(columns, {**to_arrays(fitted.state, shapes, score), HISTORY: history})


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


@dataclass(frozen=True)
class _Model:
    """The cohort's row, its arrays (none for a rejected one), whether it was fitted now, and why it is this one."""

    row: Row
    arrays: Arrays
    computed: bool
    why: str


def _own(run: StageRun, settings: SegmenterSettings, rows: list[Row], device: torch.device) -> _Model:
    """Keep or train the cohort's own segmenter; where too few masks are supplied, a row that says so."""
    train, validation = (
        sorted((row for row in rows if row["split"] == split), key=lambda row: row["radiograph_id"])
        for split in ("train", "validation")
    )
    # A radiograph that changes its part or its label is another example than it was.
    keys = [fingerprint([row["key"], row["split"], row["domain"]]) for row in (*train, *validation)]
    # New rows alone train nothing anew, but those that let a score be taught must.
    made_by = recipe(run, settings, ["score"] if _patients(validation) >= SMALLEST_CALIBRATION else [])
    try:
        # Masks that the gates leave out count as read: once mended, they are trained on.
        model = keep_or_fit(
            run.store, run.place, made_by, keys, partial(_fit, run, train, validation, settings, device)
        )
    except _TooFewMasks as few:
        return _Model(_rejected(run, settings, keys, few.usable), {}, False, "too few masks to train on")
    CheckpointStore(run.store, model.row["key"]).clear()
    # The header of a model fitted now or earlier tells; the manifest row of a kept one has it as its reason.
    reason = model.row.get(UNTAUGHT, model.row["reason"])
    return _Model({**model.row, "reason": reason, "borrowed_from": ""}, model.arrays, model.computed, model.why)


def _patients(rows: list[Row]) -> int:
    return len({row["patient"] for row in rows})


def _rejected(run: StageRun, settings: SegmenterSettings, keys: list[str], usable: int) -> Row:
    reason = (
        f"only {usable} training rows supply a usable lung mask, expected at least {settings.smallest_cohort}; "
        f"set {run.stage}.borrow_from to a cohort that has masks"
    )
    key = row_key(run.stage, run.version, settings.model_dump(), sorted(keys))
    unstored = {"status": "rejected", "reason": reason, "artifact": "", "artifact_digest": ""}
    return {"key": key, **unstored, "recipe": "", "borrowed_from": "", "trained_on": 0}


@dg.asset(
    partitions_def=COHORTS,
    deps=[all_shards_of("radiographs")],
    group_name="segmentation",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(SegmenterSettings),
    metadata=column_schema(LUNG_SEGMENTER),
    pool="training",
)
def lung_segmenter(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """The cohort's lung network with the score that judges masks: trained on supplied masks, or another cohort's."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(SegmenterSettings)
        if settings.borrow_from:
            row = borrowed(run, settings.borrow_from, SHARDS_BY_COHORT)
            model = _Model(row, read_artifact(run.store, row), False, f"borrowed from {settings.borrow_from}")
            rows: list[Row] = []
        else:
            radiographs = run.ok_table("radiographs", columns=READ)
            rows = radiographs.filter(radiographs["has_lungs"]).to_pylist()
            model = _own(run, settings, rows, accelerator.torch_device())
        done = Refreshed([model.row], int(model.computed), int(not model.computed), 0, 0.0)
        shown: dict[str, Any] = {name: model.row.get(name) for name in SHOWN if model.row.get(name) is not None}
        return run.finish(done, LUNG_SEGMENTER, {"decision": model.why, **shown}, partial(_pictures, run, model, rows))


def _pictures(run: StageRun, model: _Model, rows: list[Row]) -> dict[str, bytes]:
    if not model.arrays:
        return {}
    names = model.row["history_columns"]
    history = [dict(zip(names, map(float, entry), strict=True)) for entry in model.arrays[HISTORY]]
    sheets = {"loss": to_png(history_panels(history), PICTURE_BYTES)}
    held_back = sorted((row for row in rows if row["split"] == "validation"), key=lambda row: row["radiograph_id"])[
        :SHEET_ROWS
    ]
    if held_back:
        sheets["validation"] = to_png(_validation_sheet(run, model, held_back), PICTURE_BYTES)
    return sheets


def _validation_sheet(run: StageRun, model: _Model, rows: list[Row]) -> U8:
    """The network's masks of held-back radiographs, with the Dice of their lungs."""
    trained = from_arrays(model.arrays, SegmenterSettings.model_validate_json(model.row["settings"]))
    settings = SegmentationSettings()
    images, masks, captions = [], [], []
    for row in rows:
        arrays = read_artifact(run.store, row)
        images.append(from_uint16(arrays["image"]))
        masks.append(clean(labels_of(trained.probabilities(images[-1])), settings))
        right, left = lung_dices(masks[-1], clean(arrays["lungs"], settings))
        captions.append(f"{row['radiograph_id'][:6]} {right:.2f} {left:.2f}")
    return mask_sheet(images, masks, captions)
