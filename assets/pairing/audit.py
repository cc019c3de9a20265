"""What must never hold of radiographs and pseudo-pairs: each function names the offenders, and none is a pass.

All work on pyarrow tables with the columns that they name, so that a cohort of 100,000 pairs is judged in a moment. A
radiograph that a table no longer has isn't judged: it cannot disagree.
"""

import pyarrow as pa
import pyarrow.compute as pc

SIDES = ("abnormal", "normal")


def patients_in_two_splits(rows: pa.Table) -> list[str]:
    """Patients whose radiographs lie in more than one split.

    Args:
        rows: columns patient and split.
    """
    splits = rows.select(["patient", "split"]).group_by("patient").aggregate([("split", "count_distinct")])
    return _ordered([splits.filter(pc.greater(splits["split_count_distinct"], 1))["patient"]])


def same_pixels_twice(rows: pa.Table) -> list[str]:
    """Radiograph ids, which are hashes of pixels, that more than one row has.

    Args:
        rows: column radiograph_id.
    """
    times = rows.select(["radiograph_id"]).group_by("radiograph_id").aggregate([([], "count_all")])
    return _ordered([times.filter(pc.greater(times["count_all"], 1))["radiograph_id"]])


def pairs_of_one_patient(pairs: pa.Table) -> list[str]:
    """Pairs both of whose sides are the same patient.

    Args:
        pairs: columns pair_id, abnormal_patient and normal_patient.
    """
    return _ordered([pairs.filter(pc.equal(pairs["abnormal_patient"], pairs["normal_patient"]))["pair_id"]])


def pairs_across_splits(pairs: pa.Table, radiographs: pa.Table) -> list[str]:
    """Pairs with a side whose radiograph is in another split than the pair.

    Args:
        pairs: columns pair_id, split, abnormal_id and normal_id.
        radiographs: columns radiograph_id and split, as they are now.
    """
    sides = [_beside(pairs, side, ["split"], radiographs, ["split"]) for side in SIDES]
    return _ordered([both.filter(_differ(both["split"], both["now_split"]))["pair_id"] for both in sides])


def pair_labels_flipped(pairs: pa.Table, radiographs: pa.Table) -> list[str]:
    """Pairs with a side whose radiograph has another label than the pair says, or belongs to the other domain.

    Args:
        pairs: columns pair_id and, of both sides, id and label.
        radiographs: columns radiograph_id, label and domain, as they are now.
    """
    found = []
    for side in SIDES:
        both = _beside(pairs, side, [f"{side}_label"], radiographs, ["label", "domain"])
        flipped = pc.or_(_differ(both[f"{side}_label"], both["now_label"]), _differ(both["now_domain"], side))
        found.append(both.filter(flipped)["pair_id"])
    return _ordered(found)


def labels_flipped(rows: pa.Table, radiographs: pa.Table) -> list[str]:
    """Radiographs of a later stage whose label or domain is another than the radiograph's own.

    Args:
        rows: columns radiograph_id, label and domain, as the later stage carried them.
        radiographs: the same columns, as they are now.
    """
    names = ["label", "domain"]
    both = rows.select(["radiograph_id", *names]).join(_now(radiographs, names), "radiograph_id", join_type="inner")
    flipped = pc.or_(_differ(both["label"], both["now_label"]), _differ(both["domain"], both["now_domain"]))
    return _ordered([both.filter(flipped)["radiograph_id"]])


def _now(radiographs: pa.Table, names: list[str]) -> pa.Table:
    kept = radiographs.select(["radiograph_id", *names])
    return kept.rename_columns(["radiograph_id", *(f"now_{name}" for name in names)])


def _beside(pairs: pa.Table, side: str, columns: list[str], radiographs: pa.Table, names: list[str]) -> pa.Table:
    """Pairs with the radiograph of one side; where two radiographs have one id, the pair comes with each."""
    kept = pairs.select(["pair_id", f"{side}_id", *columns])
    return kept.join(_now(radiographs, names), f"{side}_id", "radiograph_id", join_type="inner")


def _differ(one: pa.ChunkedArray, other: pa.ChunkedArray | str) -> pa.ChunkedArray:
    """Null is a value like any other here: a label that is gone has changed."""
    return pc.not_equal(pc.fill_null(one, ""), other if isinstance(other, str) else pc.fill_null(other, ""))


def _ordered(found: list[pa.ChunkedArray]) -> list[str]:
    return sorted({name for column in found for name in pc.unique(column).to_pylist()})
