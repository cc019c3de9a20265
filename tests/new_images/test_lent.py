from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipelines.borrowing.lender import MODELS, BorrowingError
from pipelines.new_images.lent import lent
from pipelines.versions import VERSIONS
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

COHORT = "shenzhen"
ARMS = [("it_dpr/cut", "cut", 0), ("it_dpr/cut", "cut", 1), ("none/pca", "pca", 0)]
AREAS: dict[tuple[str, int], float | None] = {("it_dpr/cut", 0): 0.7, ("it_dpr/cut", 1): 0.8, ("none/pca", 0): 0.6}


def evaluated(areas: dict[tuple[str, int], float | None]) -> list[dict[str, Any]]:
    """Rows in which the second score is the chosen one of each method."""
    return [
        {
            **{"arm": arm, "method": method, "seed": seed, "score": score, "split": split, "status": "ok"},
            "chosen": score == "score_top5",
            # The other score, and test patients, have no say.
            "auc": areas.get((arm, seed)) if (score, split) == ("score_top5", "validation") else 0.99,
            "threshold": 0.25 + seed if score == "score_top5" else 0.5,
        }
        for arm, method, seed in ARMS
        for score in ("score_mean", "score_top5")
        for split in ("validation", "test")
    ]


def publish_models(store: ObjectStore, areas: dict[tuple[str, int], float | None], **versions: str) -> None:
    arms: list[dict[str, Any]] = [
        {"arm": arm, "method": method, "seed": seed, "status": "ok", "artifact": ""} for arm, method, seed in ARMS
    ]
    rows: dict[str, list[dict[str, Any]]] = {"translator": arms, "normal_maps": arms, "evaluation": evaluated(areas)}
    parents: dict[str, str] = {}
    for stage in MODELS:
        table = pa.Table.from_pylist(rows.get(stage, [{"status": "ok", "artifact": ""}]))
        version = versions.get(stage, VERSIONS[stage])
        record = {"settings": {}, "version": version, "created_at": "", "parents": parents}
        parents = {**parents, f"{stage}@{COHORT}": publish(store, Place(stage, COHORT), table, record)}


def test_validation_patients_choose_arm_seed_score_and_threshold(home: Path, local_store: ObjectStore) -> None:
    publish_models(local_store, AREAS)
    found = lent(local_store, COHORT)
    assert (found.arm, found.seed, found.score, found.threshold) == ("it_dpr/cut", 1, "score_top5", 1.25)
    assert [row["seed"] for row in found.rows["translator"]] == [1]
    assert len(found.rows["normal_maps"]) == 1
    assert len(found.rows["reference_lung"]) == 1


def test_nothing_brings_new_images_into_the_frames_of_peers(
    home: Path, local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ARMS", [*ARMS, ("affine/cut", "cut", 0)])
    publish_models(local_store, {**AREAS, ("affine/cut", 0): 0.95})
    assert lent(local_store, COHORT).arm == "it_dpr/cut"
    with pytest.raises(BorrowingError, match="no translator of that arm"):
        lent(local_store, COHORT, "affine/cut")


def test_the_models_have_seen_their_owners_training_and_validation_radiographs(
    home: Path, local_store: ObjectStore
) -> None:
    def published(shard: str, *splits: str) -> None:
        rows = [{"radiograph_id": f"{shard} {split}", "split": split, "status": "ok"} for split in splits]
        rejected = {"radiograph_id": "rejected", "split": "train", "status": "rejected"}
        publish(local_store, Place("radiographs", shard), pa.Table.from_pylist([*rows, rejected]), {})

    publish_models(local_store, AREAS)
    published(f"{COHORT}/0", "train", "validation", "test")
    published(f"{COHORT}/0", "test")
    published("phantom/0", "train")
    found = lent(local_store, COHORT)
    assert found.seen(local_store) == frozenset()
    digest = found.generation.digest("translator", COHORT)
    pinned = lent(local_store, f"{COHORT}@{digest}").seen(local_store)
    assert pinned == {"shenzhen/0 train", "shenzhen/0 validation"}
    borrowed = {"reference_lung": [{"borrowed_from": "phantom@0123abcd"}]}
    assert replace(found, rows=borrowed).seen(local_store) == {"phantom/0 train"}


def test_an_arm_or_a_seed_may_be_asked_for(home: Path, local_store: ObjectStore) -> None:
    publish_models(local_store, AREAS)
    assert lent(local_store, COHORT, "none/pca").arm == "none/pca"
    found = lent(local_store, COHORT, seed=0)
    assert (found.arm, found.seed, found.threshold) == ("it_dpr/cut", 0, 0.25)
    with pytest.raises(BorrowingError, match="it has: it_dpr/cut seed 0, it_dpr/cut seed 1, none/pca seed 0"):
        lent(local_store, COHORT, "none/cyclegan")
    with pytest.raises(BorrowingError, match="no translator of that arm and seed"):
        lent(local_store, COHORT, "none/pca", 1)


def test_the_first_arm_speaks_where_validation_patients_are_too_few(home: Path, local_store: ObjectStore) -> None:
    publish_models(local_store, dict.fromkeys(AREAS))
    assert (lent(local_store, COHORT).arm, lent(local_store, COHORT).seed) == ("it_dpr/cut", 0)


def test_models_of_another_version_or_cohort_are_refused(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(BorrowingError, match="no cohort is named 'nowhere'"):
        lent(local_store, "nowhere")
    with pytest.raises(BorrowingError, match="evaluation@shenzhen has no manifest yet"):
        lent(local_store, COHORT)
    publish_models(local_store, AREAS, registration_model="0")
    with pytest.raises(BorrowingError, match=r"the registration_model of shenzhen is of version 0, this is"):
        lent(local_store, COHORT)


def test_a_manifest_that_gc_took_is_told(home: Path, local_store: ObjectStore) -> None:
    publish_models(local_store, AREAS)
    digest = lent(local_store, COHORT).generation.digest("normal_maps", COHORT)
    local_store.delete(Place("normal_maps", COHORT).manifest(digest))
    with pytest.raises(BorrowingError, match="shenzhen has no normal_maps any more; run `pseudopair run shenzhen`"):
        lent(local_store, COHORT)
