"""Radiographs: source files of any kind decoded, checked and placed on one canvas, each patient in one split."""

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import dagster as dg

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.pictures import contact_sheet, fitted, to_png, to_rgb
from assets.radiographs.consistency import conflicting_patients, duplicate_reasons
from assets.radiographs.declaration import CohortDeclaration, DeclarationError, parse_declaration
from assets.radiographs.decoded import UnusableFile
from assets.radiographs.dicom import source_patient
from assets.radiographs.identity import pseudonym
from assets.radiographs.ingest import SourceBytes, ingest, ingest_phantom
from assets.radiographs.phantom.cohort import phantom_label
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.sources import source_digest, source_rows, with_masks
from assets.radiographs.split import assign_split, shard_of
from assets.radiographs.table import SourceRow
from assets.tables import RADIOGRAPHS
from resources.dagster_shapes import (
    PICTURE_BYTES,
    SHOWN_REASONS,
    checked,
    column_schema,
    set_aside_table,
    table,
)
from resources.home import patient_key
from resources.incremental import Outcome, Task, row_key
from resources.manifests import digest_of, read_artifact
from resources.object_store import ObjectStore
from resources.partitions import SHARDS
from resources.stage_config import config_schema
from resources.stage_run import StageRun, Store, stage_run

VERSION = "1"
# Splits and shards must be the same wherever the cohort is read, so they hang on a public key; it isn't stored.
ASSIGNMENT_KEY = b"pseudopair split and shard"
PHANTOM_KEY = b"phantoms are nobody"
SHEET_ROWS = 18
PIXEL_SETTINGS = {"size", "undo_squash", "low_percentile", "high_percentile", "min_contrast", "max_pixels", "max_bytes"}


@dataclass(frozen=True)
class _Files:
    """Digests of a row's files, or why they cannot be read."""

    digests: tuple[str, ...]
    patient: str | None
    problem: str = ""


def _source(declaration: CohortDeclaration) -> ObjectStore:
    return ObjectStore(declaration.root, dict(declaration.storage_options))


def _reader(declaration: CohortDeclaration) -> tuple[Callable[[str], bytes], Callable[[], list[str]]]:
    source = _source(declaration)
    return source.read, lambda: sorted(source.find(""))


def _files(row: SourceRow, source: ObjectStore, in_header: bool) -> _Files:
    digests: list[str] = []
    patient = row.patient
    for kind, path in _paths(row):
        if path is None:
            digests.append("")
            continue
        try:
            data = source.read(path)
            if kind == "image" and in_header:
                patient = source_patient(data)
        except UnusableFile as error:
            return _Files((), None, str(error))
        except Exception as error:
            problem = f"its {kind} file cannot be read ({type(error).__name__}); restore it or drop the row"
            return _Files((), None, problem)
        digests.append(digest_of(data))
    return _Files(tuple(digests), patient)


def _paths(row: SourceRow) -> list[tuple[str, str | None]]:
    # Sides are listed only where a row has them, so that keys of rows without stay what they were before sides came.
    paths = [("image", row.image), ("lung mask", row.lung_mask), ("lesion mask", row.lesion_mask)]
    sides = [("right lung mask", row.right_lung_mask), ("left lung mask", row.left_lung_mask)]
    return [*paths, *(side for side in sides if side[1] is not None)]


def _encoded_inputs(row: SourceRow) -> list[str]:
    """What a row's key holds of its run-length encoded masks; nothing where it has none."""
    digest = [f"encoded {row.encoded_lungs.digest}"] if row.encoded_lungs else []
    return [*digest, *([f"no mask: {row.mask_problem}"] if row.mask_problem else [])]


def _work(row: SourceRow, source: ObjectStore, settings: RadiographSettings) -> Outcome:
    def read(path: str | None) -> bytes | None:
        return None if path is None else source.read(path)

    try:
        masks = (row.lung_mask, row.lesion_mask, row.right_lung_mask, row.left_lung_mask)
        columns, arrays = ingest(row, SourceBytes(source.read(row.image), *map(read, masks)), settings)
    except ValueError as error:
        return Outcome(status="rejected", reason=str(error))
    except MemoryError:
        raise
    except Exception as error:
        # The text of a library's error may name the file or quote its header.
        reason = (
            f"could not be read or decoded ({type(error).__name__}); see that its file is whole, then --retry-failed"
        )
        return Outcome(status="failed", reason=reason)
    return Outcome(columns, arrays)


def _file_tasks(run: StageRun, declaration: CohortDeclaration, settings: RadiographSettings) -> Iterator[Task]:
    source = _source(declaration)
    rows = source_rows(declaration, *_reader(declaration))
    conflicts = conflicting_patients(rows)
    in_header = declaration.patient_rule == "header"
    index = int(run.partition.rpartition("/")[2])
    pixel_settings = settings.model_dump(include=PIXEL_SETTINGS)
    key = patient_key()
    # Which shard a row belongs to must not need its file, unless only the file knows the patient.
    mine = {
        row.number
        for row in rows
        if in_header or shard_of(_assignment(row.patient or row.image), declaration.shards) == index
    }
    for row in with_masks(declaration, rows, mine, source.open):
        refusal = row.problem or conflicts.get(row.number, "")
        if row.number not in mine:
            continue
        files = _Files((), row.patient) if refusal else _files(row, source, in_header)
        patient = files.patient or ""
        if in_header and shard_of(_assignment(patient or row.image), declaration.shards) != index:
            continue
        if not refusal and not files.problem and not patient:
            files = _Files((), None, "its header names no patient; set patient_from to column or name")
        reason = refusal or files.problem
        inputs = (
            [
                *files.digests,
                json.dumps([row.boxes, row.true_aspect_wh, row.view, row.sex, row.age]),
                *_encoded_inputs(row),
            ]
            if not reason
            else ["refused", reason]
        )
        yield Task(
            row_key(run.stage, run.version, pixel_settings, inputs),
            {
                **_described(row),
                "row": row.number,
                "patient": pseudonym(patient, key) if patient else None,
                "split": assign_split(
                    _assignment(patient or row.image),
                    settings.test_share,
                    settings.validation_share,
                    settings.split_seed,
                ),
                "file_digest": files.digests[0] if files.digests else None,
            },
            partial(_work, row, source, settings),
            reason,
        )


def _described(row: SourceRow) -> dict[str, Any]:
    given = {"domain": row.domain, "label": row.label, "view": row.view, "sex": row.sex, "age": row.age}
    return {name: value for name, value in given.items() if value is not None}


def _assignment(patient: str) -> str:
    return pseudonym(patient, ASSIGNMENT_KEY)


def _phantom_tasks(run: StageRun, declaration: CohortDeclaration, settings: RadiographSettings) -> Iterator[Task]:
    phantom = PhantomSettings(**{**(declaration.phantom or {}), "size": settings.size})
    shard = int(run.partition.rpartition("/")[2])
    for index in range(phantom.subjects):
        patient = pseudonym(f"{phantom.seed}-{index}", PHANTOM_KEY)
        if shard_of(patient, declaration.shards) != shard:
            continue
        label = phantom_label(index)
        # The number of subjects does not shape any one of them.
        key = row_key(run.stage, run.version, phantom.model_dump(exclude={"subjects"}), [str(index)])
        carried = {
            "row": index + 1,
            "patient": patient,
            "domain": label,
            "label": label,
            "split": assign_split(patient, settings.test_share, settings.validation_share, settings.split_seed),
            "file_digest": key,
        }
        yield Task(key, carried, partial(_phantom_outcome, index, phantom))


def _phantom_outcome(index: int, phantom: PhantomSettings) -> Outcome:
    return Outcome(*ingest_phantom(index, phantom))


def _masks_left_out(rows: list[Row]) -> list[dict[str, Any]]:
    """Why published masks of usable rows were left out, most frequent first."""
    reasons = Counter(row["mask_problem"] for row in rows if row["status"] == "ok" and row.get("mask_problem"))
    return [{"reason": reason, "rows": count} for reason, count in reasons.most_common(SHOWN_REASONS)]


def _set_aside_duplicates(rows: list[Row]) -> None:
    usable = [row for row in rows if row["status"] == "ok"]
    reasons = duplicate_reasons((row["row"], row["radiograph_id"], row["patient"], row["label"]) for row in usable)
    for row in usable:
        if row["row"] in reasons:
            row["status"], row["reason"] = "rejected", reasons[row["row"]]


def _name_rows(rows: list[Row]) -> None:
    """Begin each reason with its row's number of today: added files renumber a listing, stored reasons do not know."""
    for row in rows:
        if row["status"] != "ok":
            row["reason"] = f"row {row['row']}: {re.sub(r'^row [0-9]+: ', '', row['reason'])}"


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
        tasks = _phantom_tasks if declaration.kind == "phantom" else _file_tasks
        try:
            run.source = source_digest(declaration, *_reader(declaration), _source(declaration).open)
            planned = list(tasks(run, declaration, settings))
        except DeclarationError as error:
            raise dg.Failure(f"cohort {declaration.name}: {error}", allow_retries=False) from None
        done = run.refresh(planned)
        _set_aside_duplicates(done.rows)
        _name_rows(done.rows)
        left_out = _masks_left_out(done.rows)
        for each in left_out:
            run.progress(f"{each['rows']} rows without supplied lung mask: {each['reason']}")
        return run.finish(
            done,
            RADIOGRAPHS,
            {
                "set_aside": set_aside_table(done.rows),
                "masks_left_out": table(left_out, {"reason": "string", "rows": "int"}),
            },
            partial(_pictures, run, done.rows),
            [checked("sources_usable", done.rows, settings.share_set_aside)],
        )


def _pictures(run: StageRun, rows: list[Row]) -> dict[str, bytes]:
    chosen = sorted((row for row in rows if row["status"] == "ok"), key=lambda row: row["radiograph_id"])[:SHEET_ROWS]
    if not chosen:
        return {}
    tiles = [to_rgb(fitted(from_uint16(read_artifact(run.store, row)["image"]), 128)) for row in chosen]
    captions = [f"{row['radiograph_id'][:6]} {row['label'][:12]}" for row in chosen]
    return {"radiographs": to_png(contact_sheet(tiles, 6, captions), PICTURE_BYTES)}
