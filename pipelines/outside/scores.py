"""Scores and detections of a cohort's images as one table: a row an image and arm, and one where there is no score."""

import pyarrow as pa
import pyarrow.compute as pc

from assets.image_scores import columns
from assets.localisation.rows import SPLITS
from assets.tables.scores import IMAGE_SCORES
from pipelines.outside.manifest_rows import beside
from resources.manifests import Place, read_pointer, require_current
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from resources.tombstones import Withdrawn, withdrawn

STAGE = "image_scores"
# Told at the export: no score is another one for it.
MASK = "mask_source"
MEANING = {
    **columns.MEANING,
    MASK: "who drew its lungs: supplied, trained or pbtseg; thresholds hold for masks from where the lender's came",
}
SCORES = pa.schema([*(IMAGE_SCORES.field(name) for name in columns.MEANING), pa.field(MASK, pa.string())])


def score_table(store: ObjectStore, cohort: str, split: str | None = None) -> tuple[pa.Table, dict[str, str]]:
    """Every image of the scored splits with the chosen score of each arm, as the stage `image_scores` has them.

    Args:
        store: the object store.
        cohort: the cohort's name.
        split: validation or test; both by default.

    Returns:
        A table of `SCORES`, and the digests of the manifests that it is of, by stage and partition.

    Raises:
        FileNotFoundError: the stage has not run yet.
        ValueError: no such split is scored, or what the scores were made from has changed.
    """
    if split not in (None, *SPLITS):
        raise ValueError(f"split {split!r} is not scored; give one of {', '.join(SPLITS)}")
    gone = withdrawn(store, cohort)
    tables: list[pa.Table] = []
    read: dict[str, str] = {}
    for shard in SHARDS_BY_COHORT[cohort]:
        place = Place(STAGE, shard)
        pointer, table = require_current(store, place, list(columns.MEANING))
        _require_fresh(store, place, pointer["parents"], cohort)
        read |= {str(place): pointer["digest"], **pointer["parents"]}
        _, masks = require_current(store, Place("lung_masks", shard), ["radiograph_id", MASK])
        table = beside(table, masks, "radiograph_id", {MASK: MASK})
        tables.append(_shown(table, split, gone).cast(SCORES))
    return pa.concat_tables(tables).combine_chunks(), read


def _require_fresh(store: ObjectStore, place: Place, parents: dict[str, str], cohort: str) -> None:
    for parent, digest in parents.items():
        if (read_pointer(store, Place(*parent.split("@", 1))) or {}).get("digest") != digest:
            raise ValueError(f"{place} was made from an older {parent}; run `pseudopair run {cohort}`")


def _shown(table: pa.Table, split: str | None, gone: Withdrawn) -> pa.Table:
    if split is not None:
        table = table.filter(pc.equal(table["split"], split))
    for column, hidden in (("patient", gone.patients), ("radiograph_id", gone.radiographs)):
        table = table.filter(pc.invert(pc.is_in(table[column], value_set=pa.array(sorted(hidden), pa.string()))))
    return table
