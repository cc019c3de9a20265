"""The leak control: is it the disease that an arm scores, or the mask that was drawn around it?"""

from collections.abc import Sequence
from functools import partial

import dagster as dg
import torch

from assets.evaluation.settings import patient_score_of
from assets.images import F32
from assets.leaks.asset_variants import Scene, scene_of, sides_of, taking_part
from assets.leaks.compared import Compared, table_rows
from assets.leaks.preview import leak_chart, mask_sheet
from assets.leaks.scorers import Translate, variant_scores
from assets.leaks.settings import LeakSettings, Variant
from assets.leaks.sides import Sides
from assets.pairing.asset_frames import FRAMES_OF_COHORT
from assets.pairing.frames import U8, FrameRows, Row
from assets.pictures import to_png
from assets.tables.scores import LEAK_CONTROL
from assets.translation.arms import is_gan
from assets.translation.codes import images_of
from assets.translation.inference import translator_of
from assets.translation.presets import image_size
from assets.translation.settings import TranslationSettings
from assets.translation.stored import unit, weights_of
from resources.accelerator import Accelerator
from resources.dagster_shapes import PICTURE_BYTES, column_schema, table
from resources.incremental import Refreshed
from resources.manifests import read_artifact
from resources.partitions import COHORTS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "3"
SHEET_ROWS = 2
SHOWN = {"variant": "string", "scorer": "string", "reason": "string"} | dict.fromkeys(
    ("auc", "low", "high", "difference", "difference_low", "difference_high", "p"), "float"
)


@dg.asset(
    partitions_def=COHORTS,
    deps=[*FRAMES_OF_COHORT, "lung_segmenter", "translator"],
    group_name="evaluation",
    kinds={"numpy", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(LeakSettings),
    metadata=column_schema(LEAK_CONTROL),
)
def leak_control(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """AUC on the same test patients with other masks, and of the warp alone: what of it comes from the outline."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(LeakSettings)
        run.settings_used |= {"patient_score": patient_score_of(run.mapping)}
        done = unchanged(run, LEAK_CONTROL) or _compared(run, settings, accelerator.torch_device())
        shown = {"compared": table([row for row in done.rows if row["scorer"]], SHOWN)}
        return run.finish(done, LEAK_CONTROL, shown, partial(_pictures, run, settings, done.rows))


def _compared(run: StageRun, settings: LeakSettings, device: torch.device) -> Refreshed:
    scene = scene_of(run, settings)
    sides = sides_of(scene, *taking_part(run, settings))
    translators = _translators(run, scene.settings.size, device) if settings.translators else {}
    rows = table_rows(_scored(sides, translators, scene.settings), settings, patient_score_of(run.mapping))
    known = run.known_keys()
    fresh = sum(row["key"] not in known for row in rows)
    return Refreshed(rows, fresh, len(rows) - fresh, 0, 0.0)


def _scored(sides: Sides, translators: dict[str, Translate], settings: LeakSettings) -> Compared:
    scores = {
        variant: variant_scores(sides.normals[variant], asked, translators, settings)
        for variant, asked in sides.asked.items()
    }
    abnormal = [row["domain"] == "abnormal" for row in sides.tested]
    return Compared([row["patient"] for row in sides.tested], abnormal, scores, sides.missing, sides.left_out)


def _translators(run: StageRun, size: int, device: torch.device) -> dict[str, Translate]:
    """GANs trained on IT-PR, the first seed of each, at the size of the comparison."""
    found: dict[str, Translate] = {}
    for row in sorted(run.ok("translator", run.cohort), key=lambda row: (row["method"], row["seed"])):
        own = TranslationSettings.model_validate_json(row["settings"])
        wanted = row["alignment"] == "it_pr" and is_gan(row["method"]) and image_size(own) == size
        if wanted and row["method"] not in found:
            weights = weights_of(read_artifact(run.store, row))
            found[row["method"]] = translator_of(row["method"], weights, own, device=device)
    return found


def _pictures(run: StageRun, settings: LeakSettings, rows: list[Row]) -> dict[str, bytes]:
    pictures: dict[str, bytes] = {}
    if any(row["scorer"] and row["auc"] is not None for row in rows):
        pictures["areas"] = to_png(leak_chart(rows), PICTURE_BYTES)
    variants = list(dict.fromkeys(row["variant"] for row in rows if row["scorer"]))
    scene = scene_of(run, settings.model_copy(update={"variants": variants}))
    _, tested = taking_part(run, settings)
    shown = [one for one in map(partial(_shown, scene), _first(tested)) if len(one) == len(variants)]
    if shown and variants:
        pictures["masks"] = to_png(mask_sheet(shown), PICTURE_BYTES)
    return pictures


def _first(tested: Sequence[FrameRows]) -> list[FrameRows]:
    """The first radiographs of each class, abnormal ones first."""
    by_class = [[row for row in tested if row.radiograph["domain"] == domain] for domain in ("abnormal", "normal")]
    return [row for members in by_class for row in members[:SHEET_ROWS]]


def _shown(scene: Scene, rows: FrameRows) -> dict[Variant, tuple[F32, U8, F32]]:
    image, lungs = scene.lungs(rows)
    found: dict[Variant, tuple[F32, U8, F32]] = {}
    for variant, brought in scene.bring(rows).items():
        mask = lungs.variant(variant)
        if mask is not None:
            found[variant] = (image, mask, unit(images_of(brought.image[None]))[0])
    return found
