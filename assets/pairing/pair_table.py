"""The manifest of pairs, made column by column: a cohort has some 100,000 of them."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.audit import SIDES
from assets.pairing.matching import Rows

# Columns of a side, and those of the cohort's table that they are taken from.
SIDE_COLUMNS = {
    "id": "radiograph_id",
    **{
        name: name
        for name in (
            *("label", "patient", "file_digest", "shard", "radiograph_key", "mask_key", "prealigned_key", "key"),
            *("artifact", "artifact_digest", "folded_share", "dice_reference"),
        )
    },
}


@dataclass(frozen=True)
class PairTable:
    """Pairs ready to be published.

    Attributes:
        rows: the manifest.
        computed: pairs that no run had made before.
    """

    rows: pa.Table
    computed: int

    def counts(self) -> dict[str, int]:
        """Planned, computed and reused pairs, and pairs by status: a pair is either made or not there."""
        planned = self.rows.num_rows
        ways = {"computed": self.computed, "reused": planned - self.computed, "resumed": 0}
        return {"planned": planned, **ways, "ok": planned, "needs_review": 0, "rejected": 0, "failed": 0}

    def table(self, schema: pa.Schema) -> pa.Table:
        """The manifest with the columns of a schema."""
        return self.rows.select(schema.names).cast(schema)


def pair_ids(rows: pa.Table, pairs: Rows) -> list[str]:
    """Ids (M,) of pairs: a hash of the keys of both registered radiographs."""
    keys = rows["key"].to_pylist()
    return [_pair_id(keys[one], keys[other]) for one, other in pairs.tolist()]


def pair_table(
    rows: pa.Table, pairs: Rows, ids: list[str], shared: Mapping[str, str], own: Mapping[str, pa.Array]
) -> pa.Table:
    """The manifest's columns, in no particular order.

    Args:
        rows: radiographs with the columns of `SIDE_COLUMNS`, and split.
        pairs: (M, 2) rows, abnormal and normal.
        ids: of the pairs.
        shared: columns that are one text for every pair.
        own: other columns, one value a pair; they replace those made here.
    """
    columns: dict[str, pa.Array] = {name: pa.array(ids, pa.string()) for name in ("pair_id", "key")}
    for number, side in enumerate(SIDES):
        taken = rows.select(list(SIDE_COLUMNS.values())).take(pairs[:, number])
        columns |= {f"{side}_{name}": taken[source] for name, source in SIDE_COLUMNS.items()}
    columns["split"] = rows["split"].take(pairs[:, 0])
    stored = {"status": "ok", "reason": "", "artifact": "", "artifact_digest": ""}
    columns |= {name: pa.repeat(value, len(ids)) for name, value in {**stored, **shared}.items()}
    return pa.table({**columns, **own})


def values_before(ids: list[str], before: pa.Table | None, column: str) -> pa.Array:
    """A column of the previous manifest for these pairs (M,), null for those that it does not have."""
    wanted = pa.array(ids, pa.string())
    if before is None:
        return pa.nulls(len(ids))
    where = pc.index_in(wanted, before["pair_id"].combine_chunks())
    return before[column].combine_chunks().take(where)


def merged(known: pa.Array, places: npt.NDArray[np.intp], values: npt.NDArray[np.float64]) -> pa.Array:
    """A float column (M,) with values put at some places; NaN becomes null."""
    filled = known.cast(pa.float64()).to_numpy(zero_copy_only=False).copy()
    filled[places] = values
    return pa.array(filled, pa.float64(), mask=np.isnan(filled))


def boxes_before(before: pa.Table | None) -> dict[str, list[dict[str, object]]]:
    """Boxes in the frame that the previous manifest has, by the registered row's key."""
    if before is None:
        return {}
    found: dict[str, list[dict[str, object]]] = {}
    for side in SIDES:
        marked = before.filter(pc.greater(pc.list_value_length(before[f"{side}_boxes"]), 0))
        found |= dict(zip(*(marked[f"{side}_{name}"].to_pylist() for name in ("key", "boxes")), strict=True))
    return found


def _pair_id(abnormal: str, normal: str) -> str:
    """As `resources.manifests.fingerprint` of both keys, hexadecimal texts that need no escapes."""
    return hashlib.sha256(f'["{abnormal}","{normal}"]'.encode()).hexdigest()[:32]
