"""The same pixels in two shards: which row is set aside, by what all other shards have published."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache, partial

import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.frames import Row
from assets.radiographs.consistency import COMPARED, copy_reason, lent_reason, same_pixels
from assets.radiographs.verdicts import JUDGED_BY, not_yet_published, usable
from resources.borrowed import digests_of, lenders_named
from resources.manifests import Place, read_pointer, read_previous, table_from
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT, VARIANTS, cohort_of
from resources.stage_run import StageRun

REQUESTS_AT_ONCE = 16
# Some 0.3 MB each. A process that works on all shards of more than these reads every manifest for each of them.
MANIFESTS_KEPT = 512


def set_aside_copies(run: StageRun, rows: Sequence[Row], stands: Callable[[int, Row], bool]) -> None:
    """Reject rows whose pixels another shard or cohort has published in a way that they cannot share.

    What was published first stays. Of two rows that both are published, which two shards that run at once bring about,
    that of the higher partition goes as soon as its shard is run again.

    Args:
        run: of a shard.
        rows: all of this run; `status` and `reason` are set in place.
        stands: whether a row that another shard of the cohort (number) has published is still that shard's.
    """
    mine = usable(rows)
    new = {row["row"] for row in not_yet_published(mine, _published(run))}
    for partition, others in _published_elsewhere(run) if mine else ():
        same_cohort = cohort_of(partition) == run.cohort
        for row, other in same_pixels(mine, others):
            if row["row"] not in new and run.partition < partition:
                continue
            reason = copy_reason(row, other, partition, same_cohort)
            if reason and (not same_cohort or stands(int(partition.rpartition("/")[2]), other)):
                row["status"], row["reason"] = "rejected", reason
    _set_aside_lent(run, mine)


def _set_aside_lent(run: StageRun, mine: Sequence[Row]) -> None:
    """Reject rows of which a model that the cohort borrows has seen the pixels, a study's fold among the lenders, too.

    It is the borrower's row that goes, whichever was published first: the model cannot forget it.
    """
    for lender in lenders_named(run.mapping.get("settings") or {}) if mine else ():
        for shard in SHARDS_BY_COHORT.get(lender.cohort, ()) if lender.cohort != run.cohort else ():
            place = Place(run.stage, shard)
            for digest in digests_of(run.store, place, lender):
                for row, other in same_pixels(mine, _compared(run.store.root, place, digest)):
                    if reason := lent_reason(row, other, shard):
                        row["status"], row["reason"] = "rejected", reason


def _published(run: StageRun) -> set[tuple[str, ...]]:
    """JUDGED_BY of the usable rows of the shard's previous manifest."""
    before = read_previous(run.store, run.place, [*JUDGED_BY, "status"])
    if before is None:
        return set()
    kept = before.filter(pc.equal(before["status"], "ok"))
    return set(zip(*(kept[name].to_pylist() for name in JUDGED_BY), strict=True))


def _published_elsewhere(run: StageRun) -> Iterator[tuple[str, pa.Table]]:
    """Columns COMPARED of the current manifests of all other shards, of every cohort that rows are compared with."""
    alone = bool(run.mapping.get("variant_of"))
    cohorts = [cohort for cohort in SHARDS_BY_COHORT if cohort == run.cohort or not (alone or cohort in VARIANTS)]
    shards = [key for cohort in cohorts for key in SHARDS_BY_COHORT[cohort] if key != run.partition]
    with ThreadPoolExecutor(REQUESTS_AT_ONCE) as requests:
        tables = requests.map(partial(_current, run.store), (Place(run.stage, shard) for shard in shards))
        yield from ((shard, found) for shard, found in zip(shards, tables, strict=True) if found is not None)


def _current(store: ObjectStore, place: Place) -> pa.Table | None:
    pointer = read_pointer(store, place)
    return None if pointer is None else _compared(store.root, place, pointer["digest"])


@lru_cache(maxsize=MANIFESTS_KEPT)
def _compared(root: str, place: Place, digest: str) -> pa.Table:
    """Columns COMPARED of a manifest. None ever changes, so each is read once a process, not once for every shard."""
    return table_from(ObjectStore(root).read(place.manifest(digest)), COMPARED)
