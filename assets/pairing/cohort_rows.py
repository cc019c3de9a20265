"""One row for each registered radiograph of a cohort, with what the stages before know of it."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.tables.common import CARRIED

# Columns that are read of each stage; the first names the radiograph.
READ = {
    "radiographs": (*CARRIED, "key", "file_digest", "view", "sex", "age", "boxes", "mask_problem"),
    "lung_masks": ("radiograph_id", "key", "passed_over", "base_completed", "quality"),
    "prealigned_radiographs": ("radiograph_id", "key"),
    "registered_radiographs": (*CARRIED, "key", "artifact", "artifact_digest", "folded_share", "dice_reference"),
}

_TAKEN = {
    "radiographs": {
        "key": "radiograph_key",
        "boxes": "canvas_boxes",
        **{name: name for name in ("file_digest", "view", "sex", "age", "mask_problem")},
    },
    "lung_masks": {
        "key": "mask_key",
        **{name: name for name in ("passed_over", "base_completed", "quality")},
    },
    "prealigned_radiographs": {"key": "prealigned_key"},
}


def cohort_rows(tables: Mapping[str, pa.Table]) -> pa.Table:
    """Registered radiographs in the order of their ids, each id once.

    Args:
        tables: usable rows by stage, with the columns of `READ`, and `shard` in those that are registered.

    Returns:
        Columns of the registered rows, `radiograph_key`, `mask_key`, `prealigned_key`, `canvas_boxes`, `file_digest`,
        and what flags and strata are made of. A radiograph that an earlier stage does not know is left out.
    """
    rows = _sorted_once(tables["registered_radiographs"])
    where = {name: pc.index_in(rows["radiograph_id"], _ids(tables[name])) for name in _TAKEN}
    known = np.logical_and.reduce([pc.is_valid(index).to_numpy(zero_copy_only=False) for index in where.values()])
    rows = rows.filter(pa.array(known))
    for name, columns in _TAKEN.items():
        taken = tables[name].select(list(columns)).combine_chunks().take(where[name].filter(pa.array(known)))
        for column, renamed in columns.items():
            rows = rows.append_column(renamed, taken[column])
    return rows.combine_chunks()


def _sorted_once(rows: pa.Table) -> pa.Table:
    ordered = rows.combine_chunks().sort_by("radiograph_id")
    ids = ordered["radiograph_id"].to_numpy(zero_copy_only=False)
    again = np.concatenate([[False], ids[1:] == ids[:-1]]) if len(ids) else np.zeros(0, dtype=np.bool_)
    return ordered.filter(pa.array(~again))


def _ids(rows: pa.Table) -> pa.Array:
    return rows["radiograph_id"].combine_chunks()
