"""Tables beside a manifest that only save work: whole or not there, and made again where they are lost."""

from collections.abc import Collection

import pyarrow as pa

from resources.manifests import Place, digest_of, table_bytes, table_from
from resources.object_store import ObjectStore


def read_side_tables(store: ObjectStore, place: Place, name: str, schema: pa.Schema) -> tuple[pa.Table, list[str]]:
    """Rows of all tables of one kind beside a manifest, and the paths of all, damaged ones among them.

    Args:
        store: the object store.
        place: stage and partition.
        name: kind of table; a folder of the place.
        schema: what a table must have; others are passed over, and so are damaged ones.
    """
    paths = sorted(store.find(f"{place.folder}/{name}"))
    tables = [table for path in paths if (table := _whole(path, store.read_or_none(path), schema)) is not None]
    return pa.concat_tables([schema.empty_table(), *tables]), paths


def write_side_table(
    store: ObjectStore, place: Place, name: str, table: pa.Table, instead_of: Collection[str] = ()
) -> list[str]:
    """Write a table beside a manifest, or nothing where it is empty, then remove those that it replaces.

    Two runs that write at once both leave theirs.

    Returns:
        Path of the table, none where it is empty.
    """
    kept = ""
    if table.num_rows:
        data = table_bytes(table)
        kept = f"{place.folder}/{name}/{digest_of(data)}.parquet"
        if kept not in instead_of:
            store.write(kept, data)
    for path in instead_of:
        if path != kept:
            store.delete(path)
    return [kept] if kept else []


def _whole(path: str, data: bytes | None, schema: pa.Schema) -> pa.Table | None:
    """A table whose bytes are those that its name tells, None for any other."""
    if data is None or path.rpartition("/")[2] != f"{digest_of(data)}.parquet":
        return None
    try:
        table = table_from(data)
    except pa.ArrowException:
        return None
    return table if table.schema == schema else None
