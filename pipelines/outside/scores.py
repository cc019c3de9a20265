"""Scores and detections of a cohort's images as one table: a row an image and arm, and one where there is no score."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from assets.evaluation.choice import Decisions, decided
from assets.radiographs.geometry import Canvas, restore_boxes
from assets.scoring.score import SCORE_NAMES
from assets.tables import BOX, DETECTION
from pipelines.outside.detections import Detector
from resources.borrowed import lender_of, pinned_manifest
from resources.manifests import Place, read_pointer, require_current, table_from
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from resources.tombstones import Withdrawn, withdrawn

Row = dict[str, Any]

SPLITS = ("validation", "test")
# Where an image may be set aside, in order; its last row tells why.
STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
CORNERS = ("x", "y", "width", "height")
SCORES = pa.schema(
    [
        ("radiograph_id", pa.string()),
        ("row", pa.int32()),
        ("patient", pa.string()),
        ("label", pa.string()),
        ("domain", pa.string()),
        ("split", pa.string()),
        ("status", pa.string()),
        ("stage", pa.string()),
        ("reason", pa.string()),
        ("arm", pa.string()),
        ("seed", pa.int32()),
        ("score_name", pa.string()),
        ("score", pa.float64()),
        ("threshold", pa.float64()),
        ("above", pa.bool_()),
        ("width", pa.int32()),
        ("height", pa.int32()),
        ("boxes", pa.list_(BOX)),
        ("detections", pa.list_(DETECTION)),
    ]
)
COLUMNS: dict[str, Sequence[str]] = {
    "radiographs": (
        *("radiograph_id", "row", "patient", "label", "domain", "split", "status", "reason", "width", "height"),
        *("scale_x", "scale_y", "offset_x", "offset_y", "boxes"),
    ),
    "anomaly_maps": (
        *("radiograph_id", "status", "reason", "arm", "method", "seed", *SCORE_NAMES),
        *("artifact", "artifact_digest"),
    ),
}
MEANING = {
    "radiograph_id": "hash of the decoded pixels; null where a file could not be decoded",
    "row": "number of the row in the cohort's table or sorted listing, counted from 1 (`pseudopair where COHORT ROW`)",
    "patient": "pseudonym of the patient, the same in all rows of a patient",
    "label": "as the cohort's source says; `unlabelled` in a cohort without labels",
    "domain": "what the label means: normal, abnormal or other",
    "split": "validation or test; training images are not scored",
    "status": "ok, needs_review, rejected or failed; only ok has a score",
    "stage": "the stage that set the image aside; null for ok",
    "reason": "why; empty for ok",
    "arm": "alignment and method that the score is of; null where the image was set aside before",
    "seed": "of the arm's training",
    "score_name": "which score it is: the one that validation patients chose for the method",
    "score": "of this image; higher is more abnormal",
    "threshold": "from validation normals; null where there was none",
    "above": "whether the score exceeds the threshold",
    "width": "columns of the source image; boxes and detections are in its pixels",
    "height": "rows of the source image",
    "boxes": "findings as the source marks them: x, y, width, height by their edges, and kind",
    "detections": "boxes where the anomaly map stands out, highest score first; null without a map",
}


@dataclass(frozen=True)
class _Found:
    """Detections of a shard: those that were measured, and a way to look for others."""

    measured: Mapping[tuple[Any, ...], list[Row]]
    detector: Detector | None

    def of(self, radiograph: Row, scored: Row) -> list[Row] | None:
        known = self.measured.get((radiograph["radiograph_id"], scored["arm"], scored["seed"]))
        if known is not None or self.detector is None or scored["status"] != "ok":
            return known
        return self.detector.detections(radiograph, scored)


def score_table(
    store: ObjectStore, cohort: str, split: str | None = None, *, detect: bool = True
) -> tuple[pa.Table, dict[str, str]]:
    """Every image of the scored splits with the chosen score of each arm.

    Args:
        store: the object store.
        cohort: the cohort's name.
        split: validation or test; both by default.
        detect: look for detections in images that the localisation stage did not measure, for nothing is drawn in
            them; some tenths of a second an image and arm.

    Returns:
        A table of `SCORES`, and the digests of the manifests that were read, by stage and partition.

    Raises:
        FileNotFoundError: a stage has not run yet.
        ValueError: no such split is scored.
    """
    if split not in (None, *SPLITS):
        raise ValueError(f"split {split!r} is not scored; give one of {', '.join(SPLITS)}")
    wanted = SPLITS if split is None else (split,)
    read: dict[str, str] = {}
    decisions = decisions_of(store, cohort)
    gone = withdrawn(store, cohort)
    tables = []
    for shard in SHARDS_BY_COHORT[cohort]:
        found = _Found(_detections(store, shard, read), Detector(store, shard, cohort) if detect else None)
        rows = _shard_rows(store, shard, wanted, decisions, gone, read, found)
        tables.append(pa.Table.from_pylist(rows, schema=SCORES))
    return pa.concat_tables(tables).combine_chunks(), read


def decisions_of(store: ObjectStore, cohort: str) -> Decisions:
    """Which score speaks for a method and above what, as the cohort's evaluation has it, or that which it borrows.

    Raises:
        FileNotFoundError: the cohort has not been evaluated.
        LookupError: the borrowed manifest is gone.
    """
    pointer, table = require_current(store, Place("evaluation", cohort))
    text = pointer["settings"].get("borrow_from")
    if not text:
        return decided(table.to_pylist())
    lender = lender_of(text)
    place = Place("evaluation", lender.cohort)
    digest = lender.digest or pointer["parents"].get(str(place), "")
    return decided(table_from(store.read(pinned_manifest(store, place, digest))).to_pylist())


def _shard_rows(
    store: ObjectStore,
    shard: str,
    splits: Sequence[str],
    decisions: Decisions,
    gone: Withdrawn,
    read: dict[str, str],
    found: _Found,
) -> list[Row]:
    by_stage = {stage: _rows(store, Place(stage, shard), read) for stage in STAGES}
    ends: dict[str, tuple[str, Row]] = {}
    for stage in STAGES[1:]:
        ends |= {row["radiograph_id"]: (stage, row) for row in by_stage[stage] if row["status"] != "ok"}
    scored: dict[str, list[Row]] = defaultdict(list)
    for row in _rows(store, Place("anomaly_maps", shard), read):
        scored[row["radiograph_id"]].append(row)
    rows: list[Row] = []
    for radiograph in by_stage["radiographs"]:
        hidden = radiograph["patient"] in gone.patients or radiograph["radiograph_id"] in gone.radiographs
        if radiograph["split"] not in splits or hidden:
            continue
        name = radiograph["radiograph_id"]
        if radiograph["status"] != "ok":
            rows.append(_aside(radiograph, "radiographs", radiograph))
        elif name in ends:
            rows.append(_aside(radiograph, *ends[name]))
        else:
            rows += [_scored(radiograph, row, decisions, found) for row in scored.get(name, [])]
    return rows


def _aside(radiograph: Row, stage: str, row: Row) -> Row:
    return {**_image(radiograph), "status": row["status"], "stage": stage, "reason": row["reason"]}


def _scored(radiograph: Row, row: Row, decisions: Decisions, found: _Found) -> Row:
    name = decisions.score(row["method"])
    score, threshold = row[name], decisions.threshold(row["arm"], row["seed"], name)
    known = score is not None and threshold is not None
    return {
        **_image(radiograph),
        "status": row["status"],
        "stage": None if row["status"] == "ok" else "anomaly_maps",
        "reason": row["reason"],
        "arm": row["arm"],
        "seed": row["seed"],
        "score_name": name,
        "score": score,
        "threshold": threshold,
        "above": score > threshold if known else None,
        "detections": found.of(radiograph, row),
    }


def _image(radiograph: Row) -> Row:
    names = ("radiograph_id", "row", "patient", "label", "domain", "split", "width", "height")
    return {**{name: radiograph[name] for name in names}, "boxes": _in_source(radiograph)}


def _in_source(radiograph: Row) -> list[Row] | None:
    """Boxes of the canvas in pixels of the source image; None where the image was not decoded."""
    if radiograph["scale_x"] is None:
        return None
    canvas = Canvas(*(radiograph[name] for name in ("scale_x", "scale_y", "offset_x", "offset_y")))
    boxes = radiograph["boxes"] or []
    placed = restore_boxes(np.array([[box[name] for name in CORNERS] for box in boxes], dtype=np.float64), canvas)
    return [
        {**dict(zip(CORNERS, each, strict=True)), "kind": box["kind"]}
        for box, each in zip(boxes, placed.tolist(), strict=True)
    ]


def _detections(store: ObjectStore, shard: str, read: dict[str, str]) -> dict[tuple[Any, ...], list[Row]]:
    """Detections by radiograph, arm and seed, of the radiographs that they were looked for in."""
    place = Place("localisation", shard)
    if read_pointer(store, place) is None:
        return {}
    rows = _rows(store, place, read, ("radiograph_id", "arm", "seed", "detections", "status"))
    return {
        (row["radiograph_id"], row["arm"], row["seed"]): row["detections"]
        for row in rows
        if row["detections"] is not None
    }


def _rows(store: ObjectStore, place: Place, read: dict[str, str], columns: Sequence[str] | None = None) -> list[Row]:
    wanted = columns or COLUMNS.get(place.stage, ("radiograph_id", "status", "reason"))
    pointer, table = require_current(store, place, wanted)
    read[str(place)] = pointer["digest"]
    rows: list[Row] = table.to_pylist()
    return rows
