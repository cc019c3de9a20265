"""Rows of a cohort from the names of its files."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import PurePosixPath

from assets.radiographs.declaration import CohortDeclaration
from assets.radiographs.declared_masks import MASK_COLUMNS
from assets.radiographs.source_row import SourceRow
from assets.radiographs.table import row_of


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
        row = row_of(declaration, number, {"image": name, "label": declaration.folders[folder], **masks})
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
