"""What is usual: mean and spread of every arm's maps of validation normals, which no training has seen."""

from collections import Counter
from functools import partial

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from assets.normal_maps.asset_arm import Normals
from assets.normal_maps.preview import normals_sheet
from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import normal_maps_of
from assets.pairing.asset_frames import ARM_FRAMES_OF_COHORT, FRAME_COLUMNS, FRAME_STAGES, peer_table
from assets.pairing.chosen_frames import common_ids, join_chosen
from assets.pairing.frames import FrameRows, Row
from assets.pictures import to_png
from assets.scoring.asset_arms import FramedRows
from assets.tables.translation import NORMAL_MAPS
from resources.accelerator import Accelerator
from resources.borrowed import borrowed_rows
from resources.dagster_shapes import PICTURE_BYTES, column_schema, set_aside_table
from resources.incremental import Refreshed
from resources.manifests import read_artifact, read_previous
from resources.partitions import COHORTS, SHARDS_BY_COHORT
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.unchanged import unchanged

VERSION = "1"
SHOWN = 12


@dg.asset(
    partitions_def=COHORTS,
    deps=[*ARM_FRAMES_OF_COHORT, "translator"],
    group_name="scoring",
    kinds={"pytorch", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(NormalMapsSettings),
    metadata=column_schema(NORMAL_MAPS),
)
def normal_maps(context: dg.AssetExecutionContext, store: Store, accelerator: Accelerator) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Mean and spread, pixel by pixel, of every arm's anomaly maps of held-out normals; or another cohort's."""
    with stage_run(context, store, VERSION) as run:
        settings = run.settings(NormalMapsSettings)
        if settings.borrow_from:
            rows = borrowed_rows(run, settings.borrow_from, SHARDS_BY_COHORT, every_status=True)
            return run.finish(Refreshed(rows, 0, len(rows), 0, 0.0), NORMAL_MAPS, {})
        device = accelerator.torch_device()
        done = unchanged(run, NORMAL_MAPS) or _refreshed(run, settings, device)
        shown = {"set_aside": set_aside_table(done.rows)}
        return run.finish(done, NORMAL_MAPS, shown, partial(_pictures, run, done.rows))


def _refreshed(run: StageRun, settings: NormalMapsSettings, device: torch.device) -> Refreshed:
    tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
    reference = run.model("reference_lung")
    frames = FramedRows(run.store, read_artifact(run.store, reference)["lungs"])
    trained = run.ok("translator", run.cohort)
    peers = peer_table(run, [row["alignment"] for row in trained])
    normals = Normals(run, settings, held_out_normals(tables, peers), reference, frames, _before(run), device)
    return run.refresh([normals.task(row) for row in trained])


def held_out_normals(tables: list[pa.Table], peers: pa.Table | None = None) -> list[FrameRows]:
    """The first radiograph by id of every validation patient that is normal and went through every stage.

    Patients with one validation radiograph come first: of what is usual for a radiograph only its own map can be left
    out, so the other radiographs of a patient who is in the sums are compared with that patient as well.

    Args:
        tables: of the stages of `FRAME_STAGES`, with `FRAME_COLUMNS`.
        peers: rows after peers; by default none are joined.
    """
    radiographs, *others = tables
    wanted = pc.and_(pc.equal(radiographs["split"], "validation"), pc.equal(radiographs["domain"], "normal"))
    mine = radiographs.filter(wanted)
    validation = radiographs.filter(pc.equal(radiographs["split"], "validation"))
    counted = Counter(validation["patient"].to_pylist())
    rows = join_chosen([mine, *others], common_ids([mine, *others]), peers).values()
    first: dict[str, FrameRows] = {}
    for row in rows:
        first.setdefault(row.radiograph["patient"], row)
    return sorted(first.values(), key=lambda row: counted[row.radiograph["patient"]] > 1)


def _before(run: StageRun) -> dict[str, Row]:
    table = read_previous(run.store, run.place)
    rows = [] if table is None or "recipe" not in table.column_names else table.to_pylist()
    return {row["recipe"]: row for row in rows if row["status"] == "ok" and not row["borrowed_from"]}


def _pictures(run: StageRun, rows: list[Row]) -> dict[str, bytes]:
    shown = [row for row in rows if row["status"] == "ok"][:SHOWN]
    if not shown:
        return {}
    settings = [NormalMapsSettings.model_validate_json(row["settings"]) for row in shown]
    found = [normal_maps_of(read_artifact(run.store, row), chosen) for row, chosen in zip(shown, settings, strict=True)]
    names = [f"{row['arm']} {row['seed']}" for row in shown]
    counts = [np.asarray(each.moments["absolute"].count) for each in found]
    return {
        "normal maps": to_png(normals_sheet([each.whole("absolute") for each in found], counts, names), PICTURE_BYTES)
    }
