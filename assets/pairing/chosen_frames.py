"""Frames' rows of a few radiographs of a large cohort, whose manifests are read as tables."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.frames import FrameRows, Row, join, with_peers


def common_ids(tables: Sequence[pa.Table]) -> list[str]:
    """Ids of the radiographs that are in every table (column radiograph_id), in order."""
    first, *others = (table["radiograph_id"].combine_chunks() for table in tables)
    for other in others:
        first = first.filter(pc.is_in(first, value_set=other))
    found: list[str] = sorted(first.unique().to_pylist())
    return found


def rows_of(table: pa.Table, ids: Sequence[str]) -> list[Row]:
    """Rows of some radiographs, in the table's order."""
    wanted = pc.is_in(table["radiograph_id"], value_set=pa.array(ids, pa.string()))
    rows: list[Row] = table.filter(wanted).to_pylist()
    return rows


def join_chosen(tables: Sequence[pa.Table], ids: Sequence[str], peers: pa.Table | None = None) -> dict[str, FrameRows]:
    """`join` of some radiographs alone.

    Args:
        tables: of the four stages in the order of `join`.
        ids: radiographs; those that did not go through every stage are left out.
        peers: rows after peers; by default none are joined.
    """
    found = join(*(rows_of(table, ids) for table in tables))
    if peers is None:
        return found
    return dict(zip(found, with_peers(found.values(), rows_of(peers, ids)), strict=True))
