"""Pixels of an export: written where they changed, removed where the store no longer has them."""

from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import fsspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.outside.frames import ArtifactReader
from pipelines.outside.manifest_rows import beside
from resources.arrays import CorruptArtifact
from resources.object_store import ObjectStore

FOLDERS = ("images", "lungs", "lesions")
# What an export learns of a radiograph by writing it.
LEARNT = {"width": pa.int32(), "height": pa.int32(), "lesion": pa.string()}
BATCH = 1000


@dataclass
class Written:
    """What became of the radiographs that were not up to date.

    Attributes:
        table: those that were written, with the columns of `LEARNT`.
        damaged: why others could not be, an artefact each.
    """

    table: pa.Table
    damaged: list[str] = field(default_factory=list)


def lies_in(target: ObjectStore, store: ObjectStore) -> bool:
    """Whether a target is the store's root or below it, whatever its address is called: by `file://`, `..`, a link.

    Remote ones of one protocol count as one storage, for what lies behind two endpoints is not known.
    """
    (fs, path), (store_fs, root) = (fsspec.core.url_to_fs(one.uri(""), **one.options) for one in (target, store))
    if target.is_local and store.is_local:
        real, top = Path(path).resolve(), Path(root)
        return top.exists() and any(place.exists() and place.samefile(top) for place in (real, *real.parents))
    return type(fs) is type(store_fs) and PurePosixPath(path).is_relative_to(PurePosixPath(root))


def unchanged(wanted: pa.Table, before: pa.Table | None, present: set[str]) -> pa.Table:
    """Rows of `wanted` whose files lie in the target as the export before wrote them, with the columns of `LEARNT`.

    Args:
        wanted: rows of `radiograph_table`.
        before: `radiographs.parquet` of the export before, None where there is none.
        present: files in the target.
    """
    learnt = pa.schema([("image", pa.string()), ("source", pa.string()), *LEARNT.items()]).empty_table()
    learnt = learnt if before is None else before.select(learnt.column_names)
    at = pc.index_in(wanted["image"], value_set=learnt["image"].combine_chunks())
    same = pc.fill_null(pc.equal(learnt["source"].take(at), wanted["source"]), False)
    wanted = beside(wanted.drop_columns("lesion"), learnt, "image", {name: name for name in LEARNT})
    there = pa.array(sorted(present), pa.string())
    for name in {"image", "lungs", "lesion"} & set(wanted.column_names):
        same = pc.and_(same, pc.or_(pc.is_null(wanted[name]), pc.is_in(wanted[name], value_set=there)))
    return wanted.filter(same)


def remove_others(target: ObjectStore, present: set[str], kept: set[str]) -> int:
    """Delete pictures of earlier exports that are not kept; returns how many."""
    others = [path for path in present if path not in kept and path.endswith(".png") and path.split("/")[0] in FOLDERS]
    for path in sorted(others):
        target.delete(path)
    return len(others)


def write_radiographs(store: ObjectStore, target: ObjectStore, rows: pa.Table, masks: bool) -> Written:
    """Write image, and masks where wanted, of each row as PNG; a damaged artefact leaves out its row alone.

    Args:
        store: where the artefacts are.
        target: the export's folder.
        rows: rows of `radiograph_table`.
        masks: write lungs and lesion masks, too.
    """
    reader = ArtifactReader(store, cache_mib=0)
    damaged: list[str] = []
    tables = []
    for batch in rows.to_batches(max_chunksize=BATCH):
        learnt: list[dict[str, Any]] = []
        for row in batch.to_pylist():
            try:
                learnt.append(_write(reader, target, row, masks))
            except CorruptArtifact as error:
                learnt.append(dict.fromkeys(LEARNT))
                damaged.append(str(error))
        columns = pa.Table.from_pylist(learnt, schema=pa.schema(list(LEARNT.items())))
        table = pa.Table.from_batches([batch]).drop_columns("lesion")
        for name in LEARNT:
            table = table.append_column(name, columns[name])
        tables.append(table.filter(pc.is_valid(table["width"])))
    return Written(pa.concat_tables(tables) if tables else unchanged(rows, None, set()), damaged)


def png(pixels: npt.NDArray[np.uint16] | npt.NDArray[np.uint8]) -> bytes:
    """Gray (H, W) pixels as PNG of 8 or 16 bits."""
    encoded: bytes = cv2.imencode(".png", pixels)[1].tobytes()
    return encoded


def _write(reader: ArtifactReader, target: ObjectStore, row: dict[str, Any], masks: bool) -> dict[str, Any]:
    one = "lungs_artifact" not in row
    needed = ("image", "lungs") if one else ("image",)
    arrays = dict(reader.read(row["artifact"], row["artifact_digest"], needed, ("lesion",)))
    if not one:
        arrays |= reader.read(row["lungs_artifact"], row["lungs_artifact_digest"], ("lungs",))
    shown = [name for name in ("image", "lungs", "lesion") if name in arrays and (masks or name == "image")]
    for name in shown:
        target.write(row[name], png(arrays[name]))
    height, width = arrays["image"].shape
    return {"width": width, "height": height, "lesion": row["lesion"] if "lesion" in shown else None}
