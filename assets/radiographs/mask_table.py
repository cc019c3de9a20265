"""A published table of lung masks (CheXmask), read in passing and joined to a cohort's images by file name."""

import csv
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import PurePosixPath
from typing import BinaryIO

import pyarrow as pa
from pyarrow import csv as arrow_csv

from assets.radiographs.declaration import DeclarationError
from assets.radiographs.declared_masks import CheXmask
from assets.radiographs.lung_masks import EncodedLungs, encoded_lungs
from assets.radiographs.source_row import SourceRow

RIGHT, LEFT, HEIGHT, WIDTH, DICE_RCA = "Right Lung", "Left Lung", "Height", "Width", "Dice RCA (Mean)"
SUFFIXES = {".png", ".jpg", ".jpeg", ".tif", ".tiff", ".dcm", ".dicom"}
HEADER_BYTES = 1 << 20
# A row must fit: some hundred kilobytes for the three organs of a large image, landmarks besides.
BLOCK_BYTES = 8 << 20

Parts = tuple[str, ...]


@dataclass
class _Images:
    """Images by their whole path, and by every end of it: `b`, `a/b` and `x/a/b` for x/a/b.png."""

    whole: dict[Parts, list[int]] = field(default_factory=lambda: defaultdict(list))
    ends: dict[Parts, list[int]] = field(default_factory=lambda: defaultdict(list))

    def add(self, number: int, path: str) -> None:
        """Take in the image of a row."""
        parts = _parts(path)
        self.whole[parts].append(number)
        for start in range(len(parts)):
            self.ends[parts[start:]].append(number)

    def named(self, identifier: str) -> list[int]:
        """Rows whose image ends as the id does, else those whose whole path is the longest end of the id."""
        parts = _parts(identifier)
        if parts in self.ends:
            return self.ends[parts]
        ends = (parts[start:] for start in range(1, len(parts)))
        return next((self.whole[end] for end in ends if end in self.whole), [])


def with_published_masks(
    rows: Sequence[SourceRow], wanted: Collection[int], declared: CheXmask, stream: BinaryIO
) -> list[SourceRow]:
    """Rows with their masks of a published table; a row that gets none says why in `mask_problem`.

    An id fits an image where one is the end of the other, folder by folder, suffixes aside: `p1/s2/view.jpg` fits
    `images/p1/s2/view.png`. The table is read block by block, and of it only what belongs to wanted rows is kept.

    Args:
        rows: the whole cohort, so that an id that fits two of its images is found out.
        wanted: numbers of the rows whose masks are kept; others come back as they are.
        declared: the table's id column and the least quality.
        stream: the table, CSV in UTF-8 with a header.

    Raises:
        DeclarationError: not such a table, a missing column, or no id that fits any image.
    """
    images = _Images()
    for row in rows:
        if row.problem is None:
            images.add(row.number, row.image)
    found: dict[int, tuple[EncodedLungs | None, str | None]] = {}
    fitting: set[str] = set()
    for identifier, cells in _records(stream, declared.id):
        numbers = images.named(identifier)
        # Once is enough for an id such as view1_frontal, which may stand for every image in every row.
        if not numbers or (len(numbers) > 1 and identifier in fitting):
            continue
        fitting.add(identifier)
        for number in (number for number in numbers if number in wanted):
            found[number] = _judged(number in found, len(numbers) > 1, cells, declared)
    if not fitting:
        raise DeclarationError(
            "chexmask: no id of the mask table fits the file name of an image; correct chexmask.id or chexmask.table"
        )
    return [_completed(row, found) if row.number in wanted else row for row in rows]


def _completed(row: SourceRow, found: dict[int, tuple[EncodedLungs | None, str | None]]) -> SourceRow:
    lungs, problem = found.get(row.number, (None, "the mask table has no row for this image; add it or do without"))
    return replace(row, encoded_lungs=lungs, mask_problem=problem)


def _judged(
    repeated: bool, shared: bool, cells: Callable[[], dict[str, str]], declared: CheXmask
) -> tuple[EncodedLungs | None, str | None]:
    if shared:
        return None, "one id of the mask table fits several images; expected one; use ids that name the folder too"
    if repeated:
        return None, "the mask table has several rows for this image; expected one; remove the others"
    values = cells()
    try:
        dice = float(values[DICE_RCA])
    except ValueError:
        return None, f"found no number as {DICE_RCA} in the mask table; expected 0 to 1; fill it in"
    # A NaN fails this comparison too.
    if not dice >= declared.smallest_dice_rca:
        return None, (
            f"found a {DICE_RCA} below {declared.smallest_dice_rca:g} in the mask table; expected a mask of that "
            "quality; do without it or lower chexmask.smallest_dice_rca"
        )
    lungs, problem = encoded_lungs(*(values[name] for name in (RIGHT, LEFT, HEIGHT, WIDTH)))
    if lungs is None and problem is None:
        return None, "found empty masks in the mask table; expected both lungs; do without them"
    return lungs, problem


def _records(stream: BinaryIO, id_column: str) -> Iterator[tuple[str, Callable[[], dict[str, str]]]]:
    """Ids of a table's rows, each with what reads its other cells; rows of a wrong length are passed over."""
    columns = [id_column, RIGHT, LEFT, HEIGHT, WIDTH, DICE_RCA]
    names = _header(stream, columns)
    try:
        reader = arrow_csv.open_csv(
            stream,
            # One thread: rows must come in their order, and machines have few to spare.
            read_options=arrow_csv.ReadOptions(use_threads=False, block_size=BLOCK_BYTES, column_names=names),
            # CheXmask's landmarks were saved with line breaks in the cell.
            parse_options=arrow_csv.ParseOptions(newlines_in_values=True, invalid_row_handler=lambda row: "skip"),
            convert_options=arrow_csv.ConvertOptions(
                include_columns=columns, column_types=dict.fromkeys(columns, pa.string()), strings_can_be_null=False
            ),
        )
        for batch in reader:
            for index, identifier in enumerate(batch.column(id_column).to_pylist()):
                yield identifier, partial(_cells, batch, index)
    except pa.ArrowInvalid:
        raise DeclarationError(
            "chexmask: the mask table is no CSV in UTF-8 with rows below 8 MiB; unpack it or copy it again"
        ) from None


def _cells(batch: pa.RecordBatch, index: int) -> dict[str, str]:
    return {name: batch.column(name)[index].as_py() for name in batch.schema.names}


def _header(stream: BinaryIO, columns: Sequence[str]) -> list[str]:
    line = stream.readline(HEADER_BYTES)
    try:
        names = next(csv.reader([line.decode("utf-8-sig")], strict=True), [])
    except (UnicodeDecodeError, csv.Error):
        raise DeclarationError("chexmask: the mask table is no CSV in UTF-8; unpack it or copy it again") from None
    for column in columns:
        if names.count(column) != 1:
            how = "twice" if column in names else "not at all"
            raise DeclarationError(
                f"chexmask: the mask table has the column {column!r} {how}; expected the id column that chexmask.id "
                f"names, and {', '.join(columns[1:])}; give the table as CheXmask publishes it"
            )
    return names


def _parts(path: str) -> Parts:
    # Only suffixes of images: the ids of DICOM files have dots of their own.
    pure = PurePosixPath(path.strip())
    return pure.with_suffix("").parts if pure.suffix.lower() in SUFFIXES else pure.parts
