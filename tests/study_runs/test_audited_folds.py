"""What `pseudopair verify` makes of folds: the same images under another split, and arms with several seeds."""

import pyarrow as pa
import pytest

from pipelines import verify_rows
from pipelines.verify import verify
from resources.manifests import Place, publish
from resources.object_store import ObjectStore
from tests.verify.audited import (
    EACH,
    RADIOGRAPHS_0,
    carried,
    change,
    failed,
    fill,
    move,
    rows_of,
    stored,
)


@pytest.fixture
def folded(local_store: ObjectStore) -> ObjectStore:
    """Two cohorts that share an image, in the test split of one and in the validation split of the other."""
    fill(local_store)
    other = rows_of(local_store, Place("radiographs", "two/0"))[-1]["radiograph_id"]
    move(local_store, RADIOGRAPHS_0, EACH - 1, other)
    change(
        local_store, Place("radiographs", "two/0"), lambda rows: rows[-1].update(split="validation", patient="e" * 24)
    )
    return local_store


def test_a_fold_may_split_otherwise_what_another_cohort_holds(
    folded: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(failed(verify(folded))) == {"same_pixels_once"}
    monkeypatch.setattr(verify_rows, "VARIANTS", frozenset({"two"}))
    assert failed(verify(folded)) == {}


def test_within_a_fold_the_same_pixels_are_one_too_many(folded: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_rows, "VARIANTS", frozenset({"one", "two"}))
    other = rows_of(folded, Place("radiographs", "one/1"))[-1]["radiograph_id"]
    move(folded, RADIOGRAPHS_0, EACH - 1, other)
    assert failed(verify(folded)) == {"same_pixels_once": (other,)}


def test_an_arm_may_have_a_row_a_seed_and_no_more(local_store: ObjectStore) -> None:
    fill(local_store)
    place, source = Place("anomaly_maps", "one/0"), rows_of(local_store, RADIOGRAPHS_0)[0]

    def numbered(*seeds: int) -> None:
        rows = [
            {**carried(source), **stored(local_store, place, f"{n:032x}"), "arm": "none/cut", "seed": seed}
            for n, seed in enumerate(seeds)
        ]
        publish(local_store, place, pa.Table.from_pylist(rows), {"parents": {}})

    numbered(0, 1)
    assert failed(verify(local_store)) == {}
    numbered(1, 1)
    assert failed(verify(local_store)) == {"rows_unique": (f"anomaly_maps@one/0: {source['radiograph_id']}",)}
