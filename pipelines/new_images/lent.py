"""What a cohort lends for one arm: rows of its models, the settings of its stages, the score and its threshold."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow.compute as pc

from assets.alignments import is_peer
from assets.evaluation.choice import decided, validation_areas
from pipelines.borrowing.lender import MODELS, BorrowingError, lent_generation, remade
from pipelines.borrowing.versions import require_version
from resources.borrowed import Lender, digests_of, lender_of
from resources.catalogue import CatalogueError, entry_named
from resources.generation import Generation
from resources.manifests import Place, table_from
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT

Row = dict[str, Any]


@dataclass(frozen=True)
class Lent:
    """A cohort's models for one arm.

    Attributes:
        cohort: the lender.
        generation: which models, and how the stages were set.
        rows: by model stage, those that the arm needs.
        arm: as written in settings: `it_dpr/cyclegan`.
        seed: of its training.
        score: name of the score that validation patients chose.
        threshold: above it an image is called abnormal; None where nothing decided it.
        digest: by which the models are named; empty for the current ones.
    """

    cohort: str
    generation: Generation
    rows: dict[str, list[Row]]
    arm: str
    seed: int
    score: str
    threshold: float | None
    digest: str = ""

    def seen(self, store: ObjectStore) -> frozenset[str]:
        """Pixels of radiographs that the models were fitted to, or chosen and bounded by."""
        owners = {str(row["borrowed_from"]) for rows in self.rows.values() for row in rows if row.get("borrowed_from")}
        lenders = {Lender(self.cohort, self.digest), *map(lender_of, owners)}
        return frozenset(pixels for lender in lenders for pixels in _taught(store, lender))


def lent(store: ObjectStore, model: str, arm: str | None = None, seed: int | None = None) -> Lent:
    """Models of `COHORT` or `COHORT@DIGEST` for one arm.

    Args:
        store: the object store.
        model: whose models.
        arm: by default the one that separates the lender's validation patients best.
        seed: by default the arm's best by the same measure.

    Raises:
        BorrowingError: no such cohort, arm or seed, or models that this version does not understand.
    """
    cohort, _, digest = model.partition("@")
    try:
        entry_named(cohort)
    except CatalogueError as error:
        raise BorrowingError(f"--model {model}: {error}") from None
    generation = lent_generation(store, cohort, digest)
    require_version(cohort, generation)
    rows = {stage: _rows(store, stage, cohort, generation) for stage in MODELS}
    if lacking := [stage for stage, found in rows.items() if not found]:
        raise BorrowingError(f"{cohort} has no row of {lacking[0]}; run {remade(cohort)}")
    chosen = _chosen(cohort, rows["translator"], rows["evaluation"], arm, seed)
    decisions = decided(rows["evaluation"])
    score = decisions.score(chosen["arm"])
    return Lent(
        cohort,
        generation,
        {stage: [row for row in found if _of_arm(row, chosen)] for stage, found in rows.items()},
        chosen["arm"],
        chosen["seed"],
        score,
        decisions.threshold(chosen["arm"], chosen["seed"], score),
        digest,
    )


def _taught(store: ObjectStore, lender: Lender) -> Iterator[str]:
    """Pixels of a lender's training and validation radiographs."""
    for shard in SHARDS_BY_COHORT.get(lender.cohort, ()):
        place = Place("radiographs", shard)
        for digest in digests_of(store, place, lender):
            table = table_from(store.read(place.manifest(digest)), ["radiograph_id", "split", "status"])
            apart = pc.or_(pc.equal(table["split"], "test"), pc.not_equal(table["status"], "ok"))
            yield from table.filter(pc.invert(apart))["radiograph_id"].to_pylist()


def _rows(store: ObjectStore, stage: str, cohort: str, generation: Generation) -> list[Row]:
    digest = generation.digest(stage, cohort)
    data = store.read_or_none(Place(stage, cohort).manifest(digest)) if digest else None
    if data is None:
        raise BorrowingError(f"{cohort} has no {stage} any more; run {remade(cohort)}")
    rows: list[Row] = table_from(data).to_pylist()
    return rows


def _chosen(
    cohort: str, translators: Sequence[Row], evaluated: Sequence[Row], arm: str | None, seed: int | None
) -> Row:
    """The translator of the arm that is asked for, or that validation patients speak for."""
    # Nothing brings new images into the frames of peers.
    trained = [row for row in translators if row["status"] == "ok" and not is_peer(row["arm"].partition("/")[0])]
    asked = [row for row in trained if arm in (None, row["arm"]) and seed in (None, row["seed"])]
    if not asked:
        there = ", ".join(f"{row['arm']} seed {row['seed']}" for row in trained)
        raise BorrowingError(f"{cohort} has no translator of that arm and seed; it has: {there or 'none'}")
    areas = validation_areas(evaluated)
    # Of equals, and where validation has not enough patients, the first.
    return max(asked, key=lambda row: areas.get((row["arm"], row["seed"]), -math.inf))


def _of_arm(row: Row, chosen: Row) -> bool:
    return all(name not in row or row[name] == chosen[name] for name in ("arm", "seed"))
