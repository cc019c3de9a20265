"""How wide a method's maps are smoothed before their surest region is looked for: as validation radiographs prefer."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.localisation_summary.measures import LEVELS
from assets.localisation_summary.summary import counted_rows
from assets.tables.localisation import BY_SIGMA

# Validation radiographs: on fewer a share of boxes says nothing of which width is better.
FEWEST = 5


def at_chosen_sigma(rows: pa.Table) -> tuple[pa.Table, dict[str, float]]:
    """Rows with the surest region, and all that it tells, at the width that validation chose for their method.

    Of the widths that were tried, a method (a guess as well, in all frames and with all seeds) gets the one with the
    largest share of the boxes of validation radiographs that the surest region overlaps by 0.1, of equal ones and with
    too few such radiographs the first, which is `localisation.detection_sigma`. Test radiographs have no say.

    Args:
        rows: of the localisation stage, all shards of a cohort.

    Returns:
        The rows, methods together, and the width by method; a method without any finding has none.
    """
    if "by_sigma" not in rows.column_names:
        # Measured by an earlier version, as the folds of a study may be.
        return rows, {}
    found: list[pa.Table] = []
    chosen: dict[str, float] = {}
    for method in sorted(rows["method"].unique().to_pylist()):
        own = rows.filter(pc.equal(rows["method"], method))
        tried = own["by_sigma"].drop_null()
        if len(tried):
            number = _preferred(own)
            chosen[method] = tried[0].as_py()[number]["sigma"]
            own = own if number == 0 else _taken(own, number)
        found.append(own)
    return pa.concat_tables(found) if found else rows, chosen


def _preferred(rows: pa.Table) -> int:
    counted = counted_rows(rows, "validation")
    drawn = counted.filter(pc.is_valid(counted["by_sigma"]))
    if len(pc.unique(drawn["radiograph_id"])) < FEWEST:
        return 0
    count = pc.min(pc.list_value_length(drawn["by_sigma"])).as_py()
    overlaps = [pc.list_flatten(_column(drawn, number, "iou")).to_numpy() for number in range(count)]
    return int(np.argmax([(each >= LEVELS[0]).mean() for each in overlaps]))


def _taken(rows: pa.Table, number: int) -> pa.Table:
    known = pc.is_valid(rows["by_sigma"])
    drawn, rest = rows.filter(known), rows.filter(pc.invert(known))
    for name in BY_SIGMA:
        at = drawn.schema.get_field_index(name)
        drawn = drawn.set_column(at, rows.schema.field(name), _column(drawn, number, name))
    return pa.concat_tables([drawn, rest])


def _column(rows: pa.Table, number: int, name: str) -> pa.Array:
    return pc.struct_field(pc.list_element(rows["by_sigma"].combine_chunks(), number), name)
