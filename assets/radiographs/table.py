"""Rows of a cohort from its table, or from the names of its files."""

import csv
import difflib
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from assets.radiographs.cells import Box, parse_age, parse_aspect, parse_boxes, parse_sex, text_of
from assets.radiographs.declaration import CohortDeclaration, DeclarationError, Domain
from assets.radiographs.declared_masks import MASK_COLUMNS
from assets.radiographs.lung_masks import EncodedLungs, encoded_lungs
from assets.radiographs.paths import path_problem

UNLABELLED = "unlabelled"
MASK_ROLES = ("lung_mask", "right_lung_mask", "left_lung_mask", "lesion_mask")


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One radiograph as the source describes it, not yet read.

    Attributes:
        number: 1-based row of the table (its header not counted) or of the sorted listing; reasons name rows by it.
        image: path below the root.
        lung_mask: path below the root, or None.
        lesion_mask: path below the root, or None.
        patient: id in the source's words; None where the DICOM header names the patient. Identifying.
        label: as the source says.
        domain: what the label means; None only together with a problem.
        boxes: (x, y, width, height, class) in source pixels.
        view: upper case, or None.
        sex: M, F or None.
        age: years, or None.
        true_aspect_wh: width / height before squashing, or None.
        problem: why the row cannot be used, naming neither file nor patient; None if it can.
        right_lung_mask: path of the patient's right lung below the root, only together with the left one's.
        left_lung_mask: the same of the left lung.
        encoded_lungs: run-length encoded masks, or None.
        mask_problem: why a published mask is left out though the radiograph is kept, naming neither file nor patient.
        may_be_held_out: whether its patient can be in test or validation.
    """

    number: int
    image: str = field(repr=False)
    lung_mask: str | None = field(repr=False)
    lesion_mask: str | None = field(repr=False)
    patient: str | None = field(repr=False)
    label: str
    domain: Domain | None
    boxes: tuple[Box, ...]
    view: str | None
    sex: str | None
    age: float | None
    true_aspect_wh: float | None
    problem: str | None
    right_lung_mask: str | None = field(default=None, repr=False)
    left_lung_mask: str | None = field(default=None, repr=False)
    encoded_lungs: EncodedLungs | None = field(default=None, repr=False)
    mask_problem: str | None = None
    may_be_held_out: bool = True

    @property
    def files(self) -> list[tuple[str, str | None]]:
        """What each file is and its path below the root; None for a mask that the row does not have.

        Sides are listed only where a row has them: keys of rows hang on the order and number of files.
        """
        paths = [("image", self.image), ("lung mask", self.lung_mask), ("lesion mask", self.lesion_mask)]
        sides = [("right lung mask", self.right_lung_mask), ("left lung mask", self.left_lung_mask)]
        return [*paths, *(side for side in sides if side[1] is not None)]

    @property
    def assigned_by(self) -> str:
        """What stands for the patient where split and shard are drawn; a row without one is drawn by itself."""
        return self.patient or self.image.strip() or f"row {self.number}"


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
        _row_of(declaration, number + 1, {role: values[number] for role, values in cells.items()})
        for number in range(table.num_rows)
    ]
    return _without_repeats(named)


def _close(column: str, table: pa.Table) -> str:
    # Only names like the one looked for: without a header the first row, a patient's, stands for the names.
    close = difflib.get_close_matches(column, table.column_names, n=1, cutoff=0.75)
    return f" (there is {close[0]!r})" if close else ""


def _row_of(declaration: CohortDeclaration, number: int, cells: dict[str, Any]) -> SourceRow:
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


def rows_of_listing(declaration: CohortDeclaration, names: Sequence[str]) -> list[SourceRow]:
    """Rows of a cohort declared by folders.

    Args:
        declaration: with `folders`.
        names: paths of all files below the root, masks included, with forward slashes.

    Returns:
        One row for every file below a declared folder that matches the pattern, sorted by path; hidden files and
        mask folders and table are left out. The deepest folder that holds a file gives its label.
    """
    listed = set(names)
    wanted = _glob_regex(declaration.pattern)
    images = [
        (name, folder)
        for name in sorted(listed)
        if wanted.fullmatch(name) and (folder := _folder_of(declaration, name)) is not None
    ]
    stems = Counter(PurePosixPath(name).stem for name, _ in images)
    rows = []
    for number, (name, folder) in enumerate(images, start=1):
        found = {
            role: _mask_of(getattr(declaration, masks_in), declaration.mask_suffix, name, listed, stems)
            for masks_in, role in MASK_COLUMNS.items()
        }
        masks = {role: mask for role, (mask, _) in found.items()}
        row = _row_of(declaration, number, {"image": name, "label": declaration.folders[folder], **masks})
        problem = next((why for _, why in found.values() if why), None)
        rows.append(replace(row, problem=problem or row.problem))
    return rows


def _folder_of(declaration: CohortDeclaration, name: str) -> str | None:
    parts = PurePosixPath(name).parts
    is_mask_table = declaration.chexmask is not None and name == declaration.chexmask.table
    if is_mask_table or any(part.startswith(".") for part in parts):
        return None
    mask_folders = [folder for field_name in MASK_COLUMNS if (folder := getattr(declaration, field_name))]
    if any(PurePosixPath(name).is_relative_to(folder) for folder in mask_folders):
        return None
    holding = [folder for folder in declaration.folders if PurePosixPath(name).is_relative_to(folder)]
    return max(holding, key=lambda folder: len(PurePosixPath(folder).parts), default=None)


def _mask_of(
    mask_folder: str | None, suffix: str, name: str, listed: set[str], stems: Counter[str]
) -> tuple[str | None, str | None]:
    """Listed mask of an image: at the image's own path below the mask folder, else directly in it."""
    if mask_folder is None:
        return None, None
    folder, path = PurePosixPath(mask_folder), PurePosixPath(name)
    own = str(folder / path.parent / (path.stem + suffix))
    flat = str(folder / (path.stem + suffix))
    if own in listed:
        return own, None
    if flat not in listed:
        return None, None
    if stems[path.stem] > 1:
        return None, "several images share one mask's name; give each folder's masks a folder of their own"
    return flat, None


def _glob_regex(pattern: str) -> re.Pattern[str]:
    """Glob as a regular expression: `*` and `?` stay within a folder, `**/` crosses any number of them."""
    pieces = re.split(r"(\*\*/|\*\*|\*|\?)", pattern)
    meaning = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.compile("".join(meaning.get(piece, re.escape(piece)) for piece in pieces))


def restrict_rows(rows: Sequence[SourceRow], lines: Iterable[str]) -> list[SourceRow]:
    """Rows whose image is named by a line of the declaration's `rows` file; numbers stay those of the table.

    Args:
        rows: of the whole table or listing.
        lines: image paths; blank lines and lines that start with # do not count.

    Raises:
        DeclarationError: a line names no row.
    """
    names = _named_images(rows, lines)
    return [row for row in rows if row.image in names]


def only_these_held_out(rows: Sequence[SourceRow], lines: Iterable[str]) -> list[SourceRow]:
    """All rows; patients with an image that no line of the declaration's `rows` file names are only trained on.

    Args:
        rows: of the whole table or listing.
        lines: as for `restrict_rows`.

    Raises:
        DeclarationError: a line names no row.
    """
    names = _named_images(rows, lines)
    barred = {row.assigned_by for row in rows if row.image not in names}
    return [replace(row, may_be_held_out=row.assigned_by not in barred) for row in rows]


def _named_images(rows: Sequence[SourceRow], lines: Iterable[str]) -> set[str]:
    wanted = {number: line.strip() for number, line in enumerate(lines, start=1) if line.strip()}
    wanted = {number: name for number, name in wanted.items() if not name.startswith("#")}
    known = {row.image for row in rows}
    unknown = [number for number, name in wanted.items() if name not in known]
    if unknown:
        raise DeclarationError(
            f"rows: {len(unknown)} of {len(wanted)} lines name no image of the cohort, the first is line {unknown[0]}; "
            "write image paths as the table does"
        )
    return set(wanted.values())
