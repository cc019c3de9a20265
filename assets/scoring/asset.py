"""Anomaly maps: every validation and test radiograph translated to normal and subtracted, in each arm's frame."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cache, partial

import dagster as dg
import numpy as np
import torch

from assets.pairing.asset_frames import FRAMES_OF_SHARD, joined_rows
from assets.pairing.frames import U8, FrameRows, Row, frame, frame_key
from assets.pictures import to_png
from assets.scoring.anomaly_map import anomaly_maps as maps_of
from assets.scoring.localisation import lesion_pixel_auc
from assets.scoring.preview import anomaly_sheet
from assets.scoring.score import score_radiographs
from assets.scoring.settings import ScoringSettings
from assets.tables import ANOMALY_MAPS, CARRIED
from assets.translation.arms import parse_arm
from assets.translation.domain import prepare
from assets.translation.inference import translate
from assets.translation.presets import image_size
from assets.translation.settings import TranslationSettings
from assets.translation.stored import unit, weights_of
from resources.accelerator import Accelerator
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table
from resources.incremental import Outcome, Task, row_key
from resources.manifests import read_artifact
from resources.partitions import SHARDS, cohort_model
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "1"
SHEET_ROWS = 9
SCORED_SPLITS = ("validation", "test")


@dataclass(frozen=True)
class _Translator:
    """A trained arm, its weights in memory while its rows are scored."""

    row: Row
    weights: dict[str, torch.Tensor]
    settings: TranslationSettings


def _outcome(
    run: StageRun, load: Callable[[], _Translator], rows: FrameRows, reference: U8, settings: ScoringSettings
) -> Outcome:
    trained = load()
    arm = parse_arm(trained.row["arm"])
    source = frame(arm.alignment, rows, reference, partial(read_artifact, run.store))
    images, masks = prepare(source.image[None], source.lungs[None], image_size(trained.settings))
    with torch.no_grad():
        translated = translate(arm.method, trained.weights, images, masks, trained.settings)
    maps = maps_of(images, translated, masks)
    arrays = {
        "map": maps.absolute[0].astype(np.float16),
        "positive": maps.positive[0].astype(np.float16),
        "image": np.rint(unit(images)[0] * 255).astype(np.uint8),
        "translated": np.rint(unit(translated)[0] * 255).astype(np.uint8),
        "lungs": maps.lungs[0].astype(np.uint8),
    }
    columns = asdict(score_radiographs(maps, settings)[0])
    if source.lesion is not None:
        _, lesion = prepare(source.image[None], source.lesion[None].astype(np.uint8), images.shape[-1])
        target = lesion[0, 0].numpy() >= 0.5
        arrays["lesion"] = target.astype(np.uint8)
        columns["lesion_auc"] = lesion_pixel_auc(maps.absolute[0], target, maps.lungs[0])
    return Outcome(columns, arrays)


def _tasks(run: StageRun, settings: ScoringSettings) -> list[Task]:
    reference = run.model("reference_lung")
    lungs = read_artifact(run.store, reference)["lungs"]
    rows = [
        (name, row) for name, row in joined_rows(run, run.partition).items() if row.radiograph["split"] in SCORED_SPLITS
    ]
    tasks: list[Task] = []
    for trained in [row for row in run.rows("translator", run.cohort) if row["status"] == "ok"]:
        load = cache(partial(_load, run, trained))
        alignment = parse_arm(trained["arm"]).alignment
        carried = {name: trained[name] for name in ("arm", "alignment", "method", "seed")}
        tasks.extend(
            Task(
                row_key(
                    run.stage,
                    run.version,
                    settings.model_dump(),
                    [trained["key"], trained["artifact_digest"], *frame_key(alignment, row, reference["key"])],
                ),
                {name: row.radiograph[name] for name in CARRIED} | carried,
                partial(_outcome, run, load, row, lungs, settings),
            )
            for _, row in rows
        )
    return tasks


def _load(run: StageRun, row: Row) -> _Translator:
    settings = TranslationSettings.model_validate_json(row["settings"])
    return _Translator(row, weights_of(read_artifact(run.store, row)), settings)


@dg.asset(
    partitions_def=SHARDS,
    deps=[
        *FRAMES_OF_SHARD,
        cohort_model("translator"),
    ],
    group_name="scoring",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(ScoringSettings),
    metadata=column_schema(ANOMALY_MAPS),
)
def anomaly_maps(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """|x - G(x)| in the lungs of every validation and test radiograph, for each trained arm, with its scores."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(ScoringSettings)
        accelerator.torch_device()
        done = unchanged(run, ANOMALY_MAPS) or run.refresh(_tasks(run, settings))
        metadata = {"set_aside": set_aside_table(done.rows)}
        return run.finish(done, ANOMALY_MAPS, metadata, partial(_pictures, run, done.rows, settings))


def _pictures(run: StageRun, rows: list[Row], settings: ScoringSettings) -> dict[str, bytes]:
    arms: dict[str, list[Row]] = {}
    for row in rows:
        if row["status"] == "ok" and row["split"] == "test" and row["domain"] != "other":
            arms.setdefault(f"{row['arm']} seed {row['seed']}", []).append(row)
    return {f"maps {name}": _sheet(run, members, settings) for name, members in arms.items() if name.endswith("seed 0")}


def _sheet(run: StageRun, rows: list[Row], settings: ScoringSettings) -> bytes:
    by_id = sorted(rows, key=lambda row: row["radiograph_id"])
    abnormal = [row for row in by_id if row["domain"] == "abnormal"][: SHEET_ROWS - 3]
    chosen = [*abnormal, *[row for row in by_id if row["domain"] == "normal"][:3]]
    arrays = [read_artifact(run.store, row) for row in chosen]
    sheet = anomaly_sheet(
        [item["image"].astype(np.float32) / np.float32(255) for item in arrays],
        [item["map"].astype(np.float32) for item in arrays],
        [item["lungs"] for item in arrays],
        [f"{row['label'][:12]} {row['score_mean']:.3f}" for row in chosen],
        [item.get("lesion") for item in arrays],
        sigma=settings.display_sigma,
    )
    return to_png(sheet, PICTURE_BYTES)
