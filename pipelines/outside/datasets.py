"""Map-style torch data sets over a store, on this machine or on S3; Dagster is not needed."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import torch
from torch.utils.data import Dataset

from pipelines.outside.frames import ArtifactReader
from pipelines.outside.items import BOXES, Item, box_array, frame_of, frame_tensors
from pipelines.outside.rows import SIDES, Alignment, pair_rows, radiograph_rows
from resources.object_store import ObjectStore

if TYPE_CHECKING:
    from pipelines.outside.swapping import Exchange

SWAP_ODDS = 0.5


class _Stored(Dataset[Item]):
    """A data set with one item a row of a table."""

    def __init__(self, table: pa.Table, reader: ArtifactReader, lesions: bool) -> None:
        self._table = table
        self._reader = reader
        self._lesions = lesions
        self._optional = ("lesion",) if lesions else ()

    def __len__(self) -> int:
        """Number of items."""
        return int(self._table.num_rows)

    def __iter__(self) -> Iterator[Item]:
        """The items in the manifest's order."""
        return (self[index] for index in range(len(self)))

    def _row(self, index: int) -> Item:
        if not -len(self) <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        return {name: self._table[name][int(index)].as_py() for name in self._table.column_names}


class PseudoPairs(_Stored):
    """Pseudo-pairs of a cohort in the common frame.

    An item has, for each side (`abnormal`, `normal`):

    - `{side}`: float32 (1, H, W) in [0, 1]; `{side}_lungs`: uint8 (1, H, W), 1 the right and 2 the left lung;
    - `{side}_lesion`: uint8 (1, H, W), 1 inside, 0 everywhere where there is no mask, and `{side}_has_lesion`: bool,
      both only with `lesions`;
    - `{side}_boxes`: float32 (K, 4), columns x, y, width, height, px of the frame, only with `boxes`;
    - `{side}_label` and `{side}_id`;

    and `pair_id`. The manifest is read once, when the data set is made; pixels are read when an item is asked for.

    Args:
        store: folder or fsspec URL of the store, such as `s3://bucket/prefix`.
        cohort: the cohort's name.
        split: train, validation or test; None takes all.
        lesions: give lesion masks, too.
        lung_swap: with even odds exchange left and right lung, of both sides of a pair or of neither; for training
            alone. The choice is made by torch's random numbers, which a loader's workers seed from its generator.
        boxes: give lesion boxes, too; batches need `items.collate`.
        check: compare every artefact that is read with its manifest's digest; remote ones always are.
        cache_mib: most that each process keeps in memory, MiB; a normal radiograph stands in several pairs.
        storage_options: fsspec options of the store, such as an endpoint.

    Raises:
        FileNotFoundError: the cohort has no pairs in this store.
        ValueError: the split has none, lungs were to be exchanged in another split than train, or by a reference lung
            that is newer than the pairs.
        CorruptArtifact: an artefact of an item is missing or altered (when the item is asked for).
    """

    def __init__(
        self,
        store: str | Path,
        cohort: str,
        split: str | None = "train",
        *,
        lesions: bool = False,
        lung_swap: bool = False,
        boxes: bool = False,
        check: bool = True,
        cache_mib: float = 64.0,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        if lung_swap and split != "train":
            raise ValueError(f"lung_swap is for training alone, not for the split {split}; leave it out")
        objects = ObjectStore(str(store), storage_options or {})
        names = ["id", "label", "artifact", "artifact_digest", *([BOXES] if boxes else [])]
        columns = [f"{side}_{name}" for side in SIDES for name in names]
        table = pair_rows(objects, cohort, split, [*columns, *(["reference"] if lung_swap else [])]).table
        super().__init__(table, ArtifactReader(objects, check, cache_mib), lesions)
        self._boxes = boxes
        self._exchange: Exchange | None = None
        if lung_swap:
            from pipelines.outside.swapping import exchange_of

            self._exchange = exchange_of(objects, cohort, table["reference"].unique().to_pylist())

    def __getitem__(self, index: int) -> Item:
        """The item of a pair.

        Raises:
            IndexError: there is no such pair.
            CorruptArtifact: an artefact is missing or altered.
        """
        row = self._row(index)
        exchange = self._exchange if self._exchange and float(torch.rand(())) < SWAP_ODDS else None
        item: Item = {"pair_id": row["pair_id"]}
        for side in SIDES:
            shown = self._side(row, side, exchange)
            item[side] = shown.pop("image")
            item |= {f"{side}_{name}": value for name, value in shown.items()}
        return item

    def _side(self, row: Item, side: str, exchange: "Exchange | None") -> Item:
        wanted = row[f"{side}_artifact"], row[f"{side}_artifact_digest"], ("image", "lungs"), self._optional
        found = frame_of(self._reader.read(*wanted))
        item = frame_tensors(exchange.frame(found) if exchange else found, self._lesions)
        if self._boxes:
            boxes = box_array(row[f"{side}_{BOXES}"])
            placed = exchange.boxes(boxes) if exchange else boxes
            item[BOXES] = torch.from_numpy(placed.astype(np.float32))
        return {**item, "label": row[f"{side}_label"], "id": row[f"{side}_id"]}


class Radiographs(_Stored):
    """Single radiographs of a cohort in a frame.

    An item has `image` (float32 (1, H, W) in [0, 1]), `lungs` (uint8 (1, H, W), 1 right, 2 left), with `lesions` also
    `lesion` and `has_lesion` (see `PseudoPairs`), `abnormal` (bool), `label`, `domain` and `radiograph_id`.

    Args:
        store: folder or fsspec URL of the store, such as `s3://bucket/prefix`.
        cohort: the cohort's name.
        split: train, validation or test; None takes all.
        alignment: `it_dpr` or `it_pr`, the registered frames; `none`, the canvas, in the window of the lungs.
        lesions: give lesion masks, too.
        check: compare every artefact that is read with its manifest's digest; remote ones always are.
        cache_mib: most that each process keeps in memory, MiB.
        storage_options: fsspec options of the store, such as an endpoint.

    Raises:
        FileNotFoundError: the cohort has no radiographs of that alignment in this store.
        ValueError: the split has none, the alignment is unknown, or shards lie in different frames.
        CorruptArtifact: an artefact of an item is missing or altered (when the item is asked for).
    """

    def __init__(
        self,
        store: str | Path,
        cohort: str,
        split: str | None = "train",
        *,
        alignment: Alignment = "it_dpr",
        lesions: bool = False,
        check: bool = True,
        cache_mib: float = 64.0,
        storage_options: dict[str, Any] | None = None,
    ) -> None:
        objects = ObjectStore(str(store), storage_options or {})
        table = radiograph_rows(objects, cohort, alignment, split).table
        super().__init__(table, ArtifactReader(objects, check, cache_mib), lesions)
        self._on_canvas = alignment == "none"

    def __getitem__(self, index: int) -> Item:
        """The item of a radiograph.

        Raises:
            IndexError: there is no such radiograph.
            CorruptArtifact: an artefact is missing or altered.
        """
        row = self._row(index)
        names = ("image",) if self._on_canvas else ("image", "lungs")
        arrays = self._reader.read(row["artifact"], row["artifact_digest"], names, self._optional)
        if self._on_canvas:
            masks = self._reader.read(row["lungs_artifact"], row["lungs_artifact_digest"], ("lungs",))
            found = frame_of({**arrays, **masks}, (row["window_low"], row["window_high"]))
        else:
            found = frame_of(arrays)
        return {
            **frame_tensors(found, self._lesions),
            "abnormal": row["domain"] == "abnormal",
            **{name: row[name] for name in ("label", "domain", "radiograph_id")},
        }
