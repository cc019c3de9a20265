"""The lung segmenter: trained on the masks that a cohort supplies, or taken over from a cohort that has some."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg
import numpy as np
import numpy.typing as npt

from assets.charts import history_panels
from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import to_png
from assets.segmentation.cleanup import clean
from assets.segmentation.preview import mask_sheet
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.asset_fit import HISTORY, UNTAUGHT, TooFewMasks, fit_networks, part_key
from assets.segmenter.calibration import SMALLEST_CALIBRATION
from assets.segmenter.crossfit import part_of, segmenters
from assets.segmenter.inference import labels_of
from assets.segmenter.settings import SegmenterSettings
from assets.tables.alignment import LUNG_SEGMENTER
from resources.accelerator import Accelerator
from resources.arrays import Arrays
from resources.borrowed import borrowed
from resources.checkpoint_store import CheckpointStore
from resources.dagster_shapes import PICTURE_BYTES, column_schema
from resources.fitted import keep_or_fit
from resources.incremental import Refreshed, row_key
from resources.manifests import fingerprint, read_artifact
from resources.partitions import COHORTS, SHARDS_BY_COHORT, all_shards_of
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
SHEET_ROWS = 18
READ = ("radiograph_id", "patient", "domain", "split", "key", "has_lungs", "artifact", "artifact_digest")
SHOWN = ("trained_on", "left_out", "calibrated_on", "gate", "validation_dice_right", "validation_dice_left")

U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class _Model:
    """The cohort's row, its arrays (none for a rejected one), whether it was fitted now, and why it is this one."""

    row: Row
    arrays: Arrays
    computed: bool
    why: str


def _own(run: StageRun, settings: SegmenterSettings, rows: list[Row], accelerator: Accelerator) -> _Model:
    """Keep or train the cohort's own segmenter; where too few masks are supplied, a row that says so."""
    train, validation = (
        sorted((row for row in rows if row["split"] == split), key=lambda row: row["radiograph_id"])
        for split in ("train", "validation")
    )
    # A radiograph that changes its part or its label is another example than it was.
    keys = [
        fingerprint([row["key"], row["split"], row["domain"], *_part(row, settings)]) for row in (*train, *validation)
    ]
    # New rows alone train nothing anew, but those that let a score be taught must.
    judged = ["score"] if _patients(validation) >= SMALLEST_CALIBRATION else []
    # A network of all patients has the recipe that it had before there were others.
    decisive = settings.model_dump(exclude={"cross_fit"} if settings.cross_fit == 1 else set())
    made_by = fingerprint([run.stage, run.version, decisive, judged])
    at_once = accelerator.trainings_at_once(settings.cross_fit)
    try:
        # Masks that the gates leave out count as read: once mended, they are trained on.
        model = keep_or_fit(
            run.store,
            run.place,
            made_by,
            keys,
            partial(fit_networks, run, train, validation, settings, accelerator.torch_device(at_once), at_once),
        )
    except TooFewMasks as few:
        return _Model(_rejected(run, settings, keys, few), {}, False, "too few masks to train on")
    for part in range(settings.cross_fit):
        CheckpointStore(run.store, part_key(model.row["key"], part, settings)).clear()
    # The header of a model fitted now or earlier tells; the manifest row of a kept one has it as its reason.
    reason = model.row.get(UNTAUGHT, model.row["reason"])
    return _Model({**model.row, "reason": reason, "borrowed_from": ""}, model.arrays, model.computed, model.why)


def _part(row: Row, settings: SegmenterSettings) -> list[int]:
    """Which network is not taught on a row's patient; nothing where there is one network."""
    return [] if settings.cross_fit == 1 else [part_of(row["patient"], settings.cross_fit)]


def _patients(rows: list[Row]) -> int:
    return len({row["patient"] for row in rows})


def _rejected(run: StageRun, settings: SegmenterSettings, keys: list[str], few: TooFewMasks) -> Row:
    parts = f" and teach one of the {settings.cross_fit} networks, of {few.usable} in all"
    reason = (
        f"only {few.fewest} training rows supply a usable lung mask"
        f"{parts if settings.cross_fit > 1 else ''}, expected at least {settings.smallest_cohort}; "
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
    """The cohort's lung networks with the score that judges masks: trained on supplied masks, or another cohort's."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(SegmenterSettings)
        if settings.borrow_from:
            row = borrowed(run, settings.borrow_from, SHARDS_BY_COHORT)
            model = _Model(row, read_artifact(run.store, row), False, f"borrowed from {settings.borrow_from}")
            rows: list[Row] = []
        else:
            radiographs = run.ok_table("radiographs", columns=READ)
            rows = radiographs.filter(radiographs["has_lungs"]).to_pylist()
            model = _own(run, settings, rows, accelerator)
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
    trained = segmenters(model.arrays, SegmenterSettings.model_validate_json(model.row["settings"]))
    settings = SegmentationSettings()
    images, masks, captions = [], [], []
    for row in rows:
        arrays = read_artifact(run.store, row)
        images.append(from_uint16(arrays["image"]))
        masks.append(clean(labels_of(trained.of(row["patient"]).probabilities(images[-1])), settings))
        right, left = lung_dices(masks[-1], clean(arrays["lungs"], settings))
        captions.append(f"{row['radiograph_id'][:6]} {right:.2f} {left:.2f}")
    return mask_sheet(images, masks, captions)
