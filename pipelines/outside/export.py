"""A cohort's radiographs, masks and pairs as a plain folder, or its boxes as COCO; on any fsspec URL."""

import json
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.outside.coco import annotations
from pipelines.outside.export_files import lies_in, remove_others, unchanged, write_radiographs
from pipelines.outside.export_notice import FRAMES, NOTICE, ExportError, Format, Mark, readme, require_own
from pipelines.outside.export_tables import SUBJECT, carried_boxes, exported_pairs, radiograph_table
from pipelines.outside.manifest_rows import beside
from pipelines.outside.rows import Alignment
from resources.catalogue import entries
from resources.manifests import table_bytes, table_from
from resources.object_store import ObjectStore

RADIOGRAPHS = "radiographs.parquet"
PAIRS = "pairs.parquet"
ANNOTATIONS = "annotations.json"
SHOWN = (
    *("radiograph_id", "split", "domain", "label", "view", *SUBJECT),
    *("image", "lungs", "lesion", "width", "height", "boxes", "window_low", "window_high", "source"),
)
ORDER = [("split", "ascending"), ("domain", "ascending"), ("radiograph_id", "ascending")]


@dataclass(frozen=True)
class Request:
    """What is to be exported.

    Attributes:
        cohort: the cohort's name.
        format: `folder`: images, masks, tables; `coco`: images and boxes.
        alignment: `none`, `it_pr` or `it_dpr`.
        split: train, validation or test; None takes all.
        subjects: tell pseudonym, sex and age in the tables.
        citation: what the README tells to cite.
    """

    cohort: str
    format: Format = "folder"
    alignment: Alignment = "it_dpr"
    split: str | None = None
    subjects: bool = False
    citation: str = ""


@dataclass(frozen=True)
class Exported:
    """What an export did.

    Attributes:
        counts: what the folder holds now.
        written: radiographs that were written.
        kept: radiographs that were up to date.
        removed: files that were removed.
        damaged: why radiographs were left out whose artefact is damaged.
    """

    counts: dict[str, int]
    written: int
    kept: int
    removed: int
    damaged: list[str]


def export_cohort(store: ObjectStore, target: ObjectStore, request: Request) -> Exported:
    """Bring an export's folder up to date with the store.

    `radiographs.parquet` names only files that are there, at every moment: it is cut down to what stays before the
    first file changes, and completed at the end. An export that was killed is completed by the next.

    Args:
        store: the object store.
        target: the folder.
        request: what is to be exported.

    Raises:
        ExportError: the folder isn't an export of the same kind, lies in the store, or there are no boxes in the frame.
        FileNotFoundError: a stage has not run yet.
        ValueError: the split has no row, shards lie in different frames, or pairs are older than the registration.
    """
    if lies_in(target, store):
        raise ExportError("the folder lies in the store, where only stages write; give another one")
    wanted, manifests = _wanted(store, request)
    mark = Mark(cohort=request.cohort, format=request.format, alignment=request.alignment, split=request.split)
    present = target.find("")
    require_own(target, mark, present)
    mark.write(target)
    pixels = _refreshed(store, target, request, wanted, present)
    counts, more = _write_tables(store, target, request, pixels.table)
    mark = mark.model_copy(update={"manifests": {**manifests, **more}, "counts": counts, "complete": True})
    target.write("README.txt", readme(mark, request.citation).encode())
    mark.write(target)
    return Exported(counts, pixels.table.num_rows - pixels.kept, pixels.kept, pixels.removed, pixels.damaged)


@dataclass(frozen=True)
class _Pixels:
    table: pa.Table
    kept: int
    removed: int
    damaged: list[str]


def _refreshed(
    store: ObjectStore, target: ObjectStore, request: Request, wanted: pa.Table, present: set[str]
) -> _Pixels:
    """Bring the pictures up to date; before the first one changes, the table is cut down to those that stay."""
    before = target.read_or_none(RADIOGRAPHS)
    same = unchanged(wanted, None if before is None else table_from(before), present)
    target.write(RADIOGRAPHS, table_bytes(_shown(same)))
    removed = remove_others(target, present, _files(same))
    todo = wanted.filter(pc.invert(pc.is_in(wanted["image"], value_set=same["image"].combine_chunks())))
    written = write_radiographs(store, target, todo, request.format == "folder")
    table = pa.concat_tables([same, written.table.select(same.column_names)]).sort_by(ORDER)
    return _Pixels(table, same.num_rows, removed, written.damaged)


def _write_tables(
    store: ObjectStore, target: ObjectStore, request: Request, radiographs: pa.Table
) -> tuple[dict[str, int], dict[str, str]]:
    """Write what tells of the pictures; how much there is, and the manifests that were read for it."""
    target.write(RADIOGRAPHS, table_bytes(_shown(radiographs)))
    counts = {"radiographs": radiographs.num_rows}
    if request.format == "coco":
        description = f"{request.cohort}, {FRAMES[request.alignment]}"
        content, lost = annotations(radiographs, {"description": description, "version": "1", "notice": NOTICE})
        target.write(ANNOTATIONS, json.dumps(content).encode())
        return {**counts, "boxes": len(content["annotations"]), "boxes_outside_their_image": lost}, {}
    pairs = exported_pairs(store, request.cohort, request.alignment, radiographs, request.subjects)
    target.write(PAIRS, table_bytes(pairs.table))
    return {**counts, "pairs": pairs.table.num_rows}, pairs.manifests


def citation_of(cohort: str) -> str:
    """What a cohort's declaration tells to cite; empty where it is not declared on this machine."""
    declared = [entry for entry in entries() if entry.name == cohort and not entry.problem]
    return str(declared[0].mapping.get("citation") or "") if declared else ""


def _wanted(store: ObjectStore, request: Request) -> tuple[pa.Table, dict[str, str]]:
    """Radiographs to be exported; for COCO those whose boxes are known in the frame."""
    if request.format == "coco" and request.alignment == "it_pr":
        raise ExportError("boxes are kept on the canvas and in IT-DPR's frame; give alignment none or it_dpr")
    table, manifests = radiograph_table(store, request.cohort, request.alignment, request.split, request.subjects)
    if request.format == "coco" and request.alignment == "it_dpr":
        boxes = carried_boxes(store, request.cohort, table)
        table = beside(table, boxes.table, "radiograph_id", {"boxes": "boxes"})
        manifests |= boxes.manifests
    if request.format == "folder":
        # Old pairs are refused before the folder changes.
        exported_pairs(store, request.cohort, request.alignment, table, request.subjects)
    if request.format == "coco":
        table = table.filter(pc.is_valid(table["boxes"])).drop_columns(["lungs"])
    return table, manifests


def _shown(table: pa.Table) -> pa.Table:
    """Columns for the reader: artefacts are the store's business."""
    return table.select([name for name in SHOWN if name in table.column_names])


def _files(table: pa.Table) -> set[str]:
    columns = [name for name in ("image", "lungs", "lesion") if name in table.column_names]
    return {path for name in columns for path in table[name].drop_null().to_pylist()}
