"""Which radiographs an arm misjudges most, so that they can be looked at."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.evaluation.scored import KNOWN

SHOWN = 6


def worst_failures(rows: pa.Table, score: str, count: int = SHOWN) -> pa.Table:
    """Abnormal radiographs that score lowest, then normal ones that score highest, the worst first in either.

    Args:
        rows: an arm's scored test radiographs of one fold; a class may be missing.
        score: column to go by; rows without it are left out.
        count: radiographs of each class at most.

    Returns:
        The rows, with `share`: of the other class's radiographs, those that score higher (abnormal) or lower (normal).
    """
    values = pc.fill_null(pc.cast(rows[score], pa.float64()), float("nan"))
    known = rows.filter(pc.and_(pc.is_finite(values), pc.is_in(rows["domain"], value_set=pa.array(KNOWN))))
    abnormal, normal = (known.filter(pc.equal(known["domain"], domain)) for domain in ("abnormal", "normal"))
    missed = _share(abnormal, normal, score, above=True)
    alarms = _share(normal, abnormal, score, above=False)
    return pa.concat_tables([_worst(missed, score, count, "ascending"), _worst(alarms, score, count, "descending")])


def _share(rows: pa.Table, others: pa.Table, score: str, *, above: bool) -> pa.Table:
    own, ranked = np.asarray(rows[score].to_numpy()), np.sort(np.asarray(others[score].to_numpy()))
    below = np.searchsorted(ranked, own, side="right" if above else "left") / max(1, ranked.size)
    return rows.append_column("share", pa.array(1 - below if above else below, pa.float64()))


def _worst(rows: pa.Table, score: str, count: int, order: str) -> pa.Table:
    return rows.sort_by([(score, order), ("radiograph_id", "ascending")]).slice(0, count)
