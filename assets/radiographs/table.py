"""Rows of a cohort from its table."""

import csv
import difflib
import io
import re
from collections import Counter
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.radiographs.cells import parse_age, parse_aspect, parse_boxes, parse_sex, text_of
from assets.radiographs.declaration import CohortDeclaration, DeclarationError
from assets.radiographs.lung_masks import encoded_lungs
from assets.radiographs.paths import path_problem
from assets.radiographs.source_row import UNLABELLED, SourceRow

MASK_ROLES = ("lung_mask", "right_lung_mask", "left_lung_mask", "lesion_mask")


def table_of(data: bytes) -> pa.Table:
    """Table of a Parquet or CSV file (UTF-8, comma); the bytes tell which.

    All CSV cells stay text, so that the patient 007 does not become 7.

    Raises:
        DeclarationError: not readable, a repeated column, or a row of another length than the header.
    """
    if data[:4] == b"PAR1":
        try:
            # on this thread alone: see `resources.manifests.table_from`
            return pq.ParquetFile(pa.BufferReader(data), pre_buffer=False).read(use_threads=False)
        except (pa.ArrowException, OSError, ValueError):
            raise DeclarationError("the table is a damaged Parquet file; copy it again") from None
    try:
        rows = list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error):
        raise DeclarationError("the table is neither Parquet nor CSV in UTF-8; save it as one of these") from None
    if not rows:
        raise DeclarationError("the table is empty; expected a header and one row an image")
    header, body = rows[0], [row for row in rows[1:] if row]
    twice = [name for name, count in Counter(header).items() if count > 1]
    if twice:
        raise DeclarationError(f"the table has the column {twice[0]!r} twice; rename one")
    for number, row in enumerate(body, start=1):
        if len(row) != len(header):
            raise DeclarationError(
                f"row {number} of the table has {len(row)} cells, its header {len(header)}; quote cells with commas"
            )
    return pa.table({name: pa.array([row[i] for row in body], pa.string()) for i, name in enumerate(header)})


def rows_of(declaration: CohortDeclaration, table: pa.Table) -> list[SourceRow]:
    """Rows of a declared table; a row that cannot be used says why in `problem`.

    Raises:
        DeclarationError: a declared column is not in the table.
    """
    unread = {"label"} if declaration.unlabelled else set()
    declared = declaration.columns.model_dump(exclude=unread)
    wanted = {role: column for role, column in declared.items() if column is not None}
    for role, column in wanted.items():
        if column not in table.column_names:
            raise DeclarationError(
                f"columns.{role}: the table has no column {column!r}{_close(column, table)} among its "
                f"{table.num_columns}; correct columns.{role} in the declaration, or give the table a header"
            )
    cells = {role: table.column(column).to_pylist() for role, column in wanted.items()}
    named = [
        row_of(declaration, number + 1, {role: values[number] for role, values in cells.items()})
        for number in range(table.num_rows)
    ]
    return _without_repeats(named)


def _close(column: str, table: pa.Table) -> str:
    # Only names like the one looked for: without a header the first row, a patient's, stands for the names.
    close = difflib.get_close_matches(column, table.column_names, n=1, cutoff=0.75)
    return f" (there is {close[0]!r})" if close else ""


def row_of(declaration: CohortDeclaration, number: int, cells: dict[str, Any]) -> SourceRow:
    """One row from its cells; `problem` says why it cannot be used.

    Args:
        declaration: of the cohort.
        number: of the row, from 1.
        cells: by role, as `declaration.columns` names them; a role that is missing counts as empty.
    """
    image = text_of(cells["image"]) or ""
    label = UNLABELLED if declaration.unlabelled else text_of(cells["label"]) or ""
    boxes, box_problem = parse_boxes(cells.get("boxes"))
    aspect, aspect_problem = parse_aspect(cells.get("true_aspect_wh"))
    patient, patient_problem = _patient(declaration, image, cells.get("patient"))
    masks = {role: text_of(cells.get(role)) for role in MASK_ROLES}
    path_problems = (f"{role} {why}" for role, path in masks.items() if path and (why := path_problem(path)))
    encoded, encoding_problem = encoded_lungs(
        *(cells.get(role) for role in ("right_lung_rle", "left_lung_rle", "mask_height", "mask_width"))
    )
    problem = path_problem(image)
    view = text_of(cells.get("view"))
    return SourceRow(
        number=number,
        image=image,
        lung_mask=masks["lung_mask"],
        lesion_mask=masks["lesion_mask"],
        right_lung_mask=masks["right_lung_mask"],
        left_lung_mask=masks["left_lung_mask"],
        encoded_lungs=encoded,
        mask_problem=encoding_problem,
        patient=patient,
        label=label,
        domain=declaration.domain_of(label),
        boxes=boxes,
        view=view.upper() if view else None,
        sex=parse_sex(cells.get("sex")),
        age=parse_age(cells.get("age")),
        true_aspect_wh=aspect,
        problem=(f"image {problem}" if problem else None)
        or next(path_problems, None)
        or _half_a_pair(masks["right_lung_mask"], masks["left_lung_mask"])
        or _label_problem(declaration, label)
        or patient_problem
        or box_problem
        or aspect_problem,
    )


def _half_a_pair(right: str | None, left: str | None) -> str | None:
    if (right is None) == (left is None):
        return None
    sides = ("right", "left") if left is None else ("left", "right")
    return f"has a mask of the {sides[0]} lung but none of the {sides[1]}; add it, or take the other out too"


def _label_problem(declaration: CohortDeclaration, label: str) -> str | None:
    if declaration.domain_of(label) is not None:
        return None
    if not label:
        return "no label; fill the column"
    return "its label is unknown to the declaration; list it in normal_labels, abnormal_labels or other_labels"


def _patient(declaration: CohortDeclaration, image: str, cell: object) -> tuple[str | None, str | None]:
    """Patient id of a row, or the problem that leaves it without one."""
    if declaration.patient_rule == "header":
        return None, None
    if declaration.patient_rule == "column":
        patient = text_of(cell)
        return patient, None if patient else "no patient id; fill the column or set patient_from: name"
    match = re.fullmatch(declaration.patient_pattern, PurePosixPath(image).stem)
    found = match["patient"] if match else None
    if not (found or "").strip():
        return None, "the file name does not match patient_pattern; mend the pattern or rename the file"
    return found, None


def _without_repeats(rows: list[SourceRow]) -> list[SourceRow]:
    first: dict[str, int] = {}
    checked = []
    for row in rows:
        seen = first.setdefault(row.image, row.number)
        repeated = seen != row.number and row.problem is None
        text = f"same image path as row {seen}; keep one of the two rows"
        checked.append(replace(row, problem=text) if repeated else row)
    return checked
