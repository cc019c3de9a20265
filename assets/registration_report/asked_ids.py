"""Which radiographs of a large cohort a report is about, found in tables before any row is looked at."""

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.chosen_frames import common_ids


def tested_ids(tables: Sequence[pa.Table], at_most: int) -> list[str]:
    """Ids of the first test radiographs that are in every table; the first table says which are for tests."""
    radiographs, *others = tables
    return common_ids([radiographs.filter(pc.equal(radiographs["split"], "test")), *others])[:at_most]


def normal_ids(tables: Sequence[pa.Table], at_most: int) -> list[str]:
    """Ids of the first normal radiographs, one a patient, that are in every table.

    Args:
        tables: the first one has domain, patient and split.
        at_most: so many of all, and so many of those that were not trained on.
    """
    radiographs, *others = tables
    normal = radiographs.filter(pc.equal(radiographs["domain"], "normal")).select(["radiograph_id", "patient", "split"])
    common = pa.array(common_ids([normal, *others]), pa.string())
    rows = normal.filter(pc.is_in(normal["radiograph_id"], value_set=common)).sort_by("radiograph_id")
    first = rows.take(np.sort(np.unique(rows["patient"].to_numpy(), return_index=True)[1]))
    unseen = first.filter(pc.not_equal(first["split"], "train"))
    return sorted({name for group in (first, unseen) for name in group["radiograph_id"][:at_most].to_pylist()})
