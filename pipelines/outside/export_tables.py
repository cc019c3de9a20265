"""Which radiographs and pairs an export holds, and under which names, as tables."""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from assets.tables.common import BOX
from pipelines.outside.manifest_rows import beside, require_current_pairs
from pipelines.outside.rows import SIDES, Alignment, Rows, pair_rows, radiograph_rows, shard_rows
from resources.object_store import ObjectStore

SUBJECT = ("patient", "sex", "age")
BOXES = pa.list_(BOX)
PAIR = (
    "policy",
    *(f"{side}_{name}" for side in SIDES for name in ("id", "label", "patient", "folded_share", "flags", "boxes")),
    "similarity_before",
    "similarity_after",
)


def radiograph_table(
    store: ObjectStore, cohort: str, alignment: Alignment, split: str | None, subjects: bool
) -> tuple[pa.Table, dict[str, str]]:
    """Radiographs to be exported, and the manifests that they come from (digest by stage and partition).

    Besides the manifest's columns a row has the `image`, `lungs` and `lesion` file below the export's folder (whether
    there is a lesion mask shows when the artefact is read), and `source`, which changes where a file would.

    Args:
        store: the object store.
        cohort: the cohort's name.
        alignment: the frame.
        split: train, validation or test; None takes all.
        subjects: tell pseudonym, sex and age, too.

    Raises:
        FileNotFoundError: a stage has not run yet.
        ValueError: shards lie in different frames, or the split has no row.
    """
    rows = radiograph_rows(store, cohort, alignment, split)
    details = ["view", *(SUBJECT if subjects else ()), *(["boxes"] if alignment == "none" else [])]
    known = shard_rows(store, cohort, "radiographs", ["radiograph_id", *details])
    table = beside(rows.table, known.table, "radiograph_id", {name: name for name in details})
    stem = [table["split"], table["domain"], pc.binary_join_element_wise(table["radiograph_id"], "png", ".")]
    for kind, folder in (("image", "images"), ("lungs", "lungs"), ("lesion", "lesions")):
        table = table.append_column(kind, pc.binary_join_element_wise(pa.scalar(folder), *stem, "/"))
    table = table.append_column("source", _source(table))
    return table, {**rows.manifests, **known.manifests}


def exported_pairs(
    store: ObjectStore, cohort: str, alignment: Alignment, radiographs: pa.Table, subjects: bool
) -> Rows:
    """The pairs of which both sides are exported, with the files of both.

    Boxes are told for `it_dpr` alone: the manifest holds them in its frame.

    Raises:
        FileNotFoundError: `pseudo_pairs` has not run yet.
        ValueError: a pair with boxes was made from another registration than the radiographs.
    """
    left_out = {name for side in SIDES for name in _hidden(side, alignment, subjects)}
    columns = [name for name in PAIR if name not in left_out]
    made_from = [f"{side}_artifact_digest" for side in SIDES] if alignment == "it_dpr" else []
    pairs = pair_rows(store, cohort, None, [*columns, *made_from])
    table = pairs.table
    for side in SIDES if made_from else ():
        _require_same(cohort, table[f"{side}_id"], table[f"{side}_artifact_digest"], radiographs)
    table = table.drop_columns(made_from)
    for side in SIDES:
        table = beside(table, radiographs, f"{side}_id", {"image": f"{side}_image"}, "radiograph_id")
        table = table.filter(pc.is_valid(table[f"{side}_image"]))
    return Rows(table, pairs.manifests)


def carried_boxes(store: ObjectStore, cohort: str, radiographs: pa.Table) -> Rows:
    """Boxes in the frame of IT-DPR of every radiograph that stands in a pair: `radiograph_id`, `boxes`.

    Raises:
        FileNotFoundError: `pseudo_pairs` has not run yet.
        ValueError: a pair was made from another registration than the radiographs.
    """
    names = ("id", "boxes", "artifact_digest")
    pairs = pair_rows(store, cohort, None, [f"{side}_{name}" for side in SIDES for name in names])
    for side in SIDES:
        _require_same(cohort, pairs.table[f"{side}_id"], pairs.table[f"{side}_artifact_digest"], radiographs)
    sides = [
        pa.table({"radiograph_id": pairs.table[f"{side}_id"], "boxes": pairs.table[f"{side}_boxes"].cast(BOXES)})
        for side in SIDES
    ]
    return Rows(pa.concat_tables(sides).combine_chunks(), pairs.manifests)


def _require_same(cohort: str, ids: pa.ChunkedArray, digests: pa.ChunkedArray, radiographs: pa.Table) -> None:
    """Refuse pairs of which a side that is exported was registered anew since: their boxes lie in another frame."""
    at = pc.index_in(ids, value_set=radiographs["radiograph_id"].combine_chunks())
    same = pc.equal(radiographs["artifact_digest"].take(at), digests)
    # Null is a radiograph that is not exported.
    require_current_pairs(cohort, pc.all(same, min_count=0).as_py())


def _hidden(side: str, alignment: Alignment, subjects: bool) -> Sequence[str]:
    return [*([] if subjects else [f"{side}_patient"]), *([] if alignment == "it_dpr" else [f"{side}_boxes"])]


def _source(table: pa.Table) -> pa.ChunkedArray:
    digests = [table[name] for name in ("artifact_digest", "lungs_artifact_digest") if name in table.column_names]
    return pc.binary_join_element_wise(*digests, "-")
