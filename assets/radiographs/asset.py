"""Radiographs: source files of any kind decoded, checked and placed on one canvas, each patient in one split."""

from dataclasses import replace
from functools import partial

import dagster as dg

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import contact_sheet, fitted, to_png, to_rgb
from assets.radiographs.asset_copies import set_aside_copies
from assets.radiographs.asset_todo import Todo, files_todo, phantoms_todo
from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.storage_errors import may_pass, no_answer
from assets.radiographs.verdicts import masks_left_out, name_rows, set_aside_conflicts
from assets.tables.alignment import RADIOGRAPHS
from resources.dagster_shapes import PICTURE_BYTES, SHOWN_REASONS, checked, column_schema, set_aside_table, table
from resources.failures import STORAGE_RETRIES
from resources.incremental import Refreshed
from resources.manifests import read_artifact
from resources.partitions import SHARDS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run
from resources.tombstones import Withdrawn, withdrawn

VERSION = "1"
SHEET_ROWS = 18


def brought(run: StageRun, todo: Todo, gone: Withdrawn) -> Refreshed:
    """A shard's rows, decoded where they are new, without those that may not go on together."""
    done = _without_withdrawn(run, run.refresh(todo.tasks), gone)
    set_aside_conflicts(done.rows)
    set_aside_copies(run, done.rows, todo.stands)
    name_rows(done.rows)
    return done


def _without_withdrawn(run: StageRun, done: Refreshed, gone: Withdrawn) -> Refreshed:
    """Leave out rows whose pixels are a withdrawn patient's, which only decoding tells, and what was stored of them."""
    kept = []
    for row in done.rows:
        if row.get("radiograph_id") not in gone.radiographs:
            kept.append(row)
        elif row["artifact"]:
            run.store.delete(row["artifact"])
    return replace(done, rows=kept)


@dg.asset(
    partitions_def=SHARDS,
    group_name="radiographs",
    kinds={"python", "parquet"},
    owners=["team:imaging"],
    code_version=VERSION,
    config_schema=config_schema(RadiographSettings),
    metadata=column_schema(RADIOGRAPHS),
    check_specs=[
        dg.AssetCheckSpec("sources_usable", asset="radiographs", description="Most source files become radiographs")
    ],
)
def radiographs(context: dg.AssetExecutionContext, store: Store) -> dg.MaterializeResult:  # type: ignore[type-arg]
    """Source files of a cohort (DICOM, PNG, JPEG, TIFF, phantoms) as 16-bit gray images on one canvas."""
    with stage_run(context, store, VERSION) as run:
        declaration = parse_declaration(run.mapping)
        settings = run.settings(RadiographSettings)
        if declaration.undo_squash:
            settings = settings.model_copy(update={"undo_squash": True})
        gone = withdrawn(run.store, run.cohort)
        try:
            planning = phantoms_todo if declaration.kind == "phantom" else files_todo
            todo = planning(run, declaration, settings, gone)
        except DeclarationError as error:
            # Only the last attempt says what may be wrong with the declaration.
            if may_pass(error.__cause__) and context.retry_number < STORAGE_RETRIES:
                raise no_answer(error.__cause__) from None
            raise dg.Failure(f"cohort {declaration.name}: {error}", allow_retries=False) from None
        done = brought(run, todo, gone)
        left_out = masks_left_out(done.rows, SHOWN_REASONS)
        for each in left_out:
            run.progress(f"{each['rows']} rows without supplied lung mask: {each['reason']}")
        result = run.finish(
            done,
            RADIOGRAPHS,
            {
                "set_aside": set_aside_table(done.rows),
                "masks_left_out": table(left_out, {"reason": "string", "rows": "int"}),
                "withdrawn": todo.left_out + len(todo.tasks) - len(done.rows),
            },
            partial(_pictures, run, done.rows),
            [checked("sources_usable", done.rows, settings.share_set_aside)],
        )
        # A file whose row failed is read again: it may have been changing.
        todo.remember({row["row"] for row in done.rows if row["status"] != "failed"})
        return result


def _pictures(run: StageRun, rows: list[Row]) -> dict[str, bytes]:
    chosen = sorted((row for row in rows if row["status"] == "ok"), key=lambda row: row["radiograph_id"])[:SHEET_ROWS]
    if not chosen:
        return {}
    tiles = [to_rgb(fitted(from_uint16(read_artifact(run.store, row)["image"]), 128)) for row in chosen]
    captions = [f"{row['radiograph_id'][:6]} {row['label'][:12]}" for row in chosen]
    return {"radiographs": to_png(contact_sheet(tiles, 6, captions), PICTURE_BYTES)}
