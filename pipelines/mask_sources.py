"""Where lung masks come from, in a cohort and in the one whose models it borrows: a score depends on who drew them."""

from collections import Counter

import pyarrow.compute as pc

from resources.borrowed import lender_of
from resources.catalogue import CatalogueError, entry_named, shard_names
from resources.manifests import Place, read_previous
from resources.object_store import ObjectStore

STAGE = "lung_masks"
# Share of the masks that may come from elsewhere before it is told.
TOLERATED = 0.1


def mask_shares(store: ObjectStore, cohort: str) -> dict[str, float]:
    """Share of each source among a cohort's usable masks, the most frequent first; empty where there are none."""
    try:
        shards = shard_names(entry_named(cohort).mapping)
    except CatalogueError:
        return {}
    counts: Counter[str] = Counter()
    for shard in shards:
        table = read_previous(store, Place(STAGE, shard), ["status", "mask_source"])
        if table is not None:
            counts.update(table.filter(pc.equal(table["status"], "ok"))["mask_source"].to_pylist())
    return {source: count / counts.total() for source, count in counts.most_common()}


def other_masks(store: ObjectStore, cohort: str, model: str) -> str:
    """What is to be known where a cohort's masks come from elsewhere than its lender's; empty where they do not.

    Args:
        store: the object store.
        cohort: the borrower.
        model: `COHORT` or `COHORT@DIGEST` whose models it takes.
    """
    lender = lender_of(model).cohort
    own, theirs = mask_shares(store, cohort), mask_shares(store, lender)
    apart = sum(max(share - theirs.get(source, 0.0), 0.0) for source, share in own.items())
    if not (own and theirs) or apart <= TOLERATED:
        return ""
    return (
        f"{cohort}: lungs drawn by {_told(own)}; those of {lender} by {_told(theirs)}. Its thresholds "
        "may not hold here: set lung_masks.sources in the cohort's file, or borrow from a cohort whose masks "
        "come from where these do"
    )


def told_masks(store: ObjectStore, cohort: str) -> str:
    """Who drew a cohort's lungs, in words."""
    return _told(mask_shares(store, cohort)) or "nobody any more"


def _told(shares: dict[str, float]) -> str:
    return ", ".join(f"{source} {share:.0%}" for source, share in shares.items())
