from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.image_scores.asset_overlays import Overlays
from assets.image_scores.asset_rows import image_tasks
from assets.image_scores.settings import ImageScoreSettings
from assets.localisation.measured import measure
from assets.localisation.rows import in_source_pixels
from assets.localisation.settings import LocalisationSettings
from assets.localisation.truth import truth_of
from assets.tables.scores import EVALUATION, IMAGE_SCORES
from resources.arrays import CorruptArtifact
from resources.incremental import Refreshed
from resources.manifests import Place, publish
from resources.object_store import ObjectStore
from tests.image_scores.stored_images import (
    COHORT,
    SHARD,
    SIDE,
    Row,
    by_image,
    decided,
    hot_map,
    image,
    put,
    run_of,
    scored,
    six_images,
    store_rows,
    with_an_arm_of_affine,
)
from tests.outside.synthetic import lungs_of

FOLDER = f"stages/image_scores/{SHARD}/overlays"


@pytest.fixture
def store(home: Path, local_store: ObjectStore) -> ObjectStore:
    return six_images(local_store)


def brought(store: ObjectStore, **settings: object) -> Refreshed:
    run = run_of(store)
    return run.refresh(image_tasks(run, ImageScoreSettings.model_validate(settings)))


def rows_of(store: ObjectStore, **settings: object) -> dict[tuple[int, str | None], Row]:
    return dict(by_image(brought(store, **settings).rows))


def test_a_row_an_image_and_arm_and_one_for_each_that_was_set_aside(store: ObjectStore) -> None:
    done = brought(store)
    rows = by_image(done.rows)
    # Row 4 is of the training part.
    assert list(rows) == [
        *((1, "it_dpr/cut"), (1, "none/pca"), (2, "it_dpr/cut"), (2, "none/pca")),
        *((3, None), (5, "it_dpr/cut"), (6, None)),
    ]
    above = rows[1, "it_dpr/cut"]
    assert (above["score_name"], above["score"], above["threshold"], above["above"]) == ("score_top5", 0.75, 0.5, True)
    assert (above["label"], above["domain"], above["status"], above["stage"]) == (
        "tuberculosis",
        "abnormal",
        "ok",
        None,
    )
    # At the threshold is not above it.
    assert rows[5, "it_dpr/cut"]["above"] is False
    assert rows[1, "none/pca"]["above"] is None
    failed = rows[2, "none/pca"]
    assert [failed[name] for name in ("status", "stage", "reason", "score", "detections")] == [
        *("failed", "anomaly_maps", "no pixel"),
        *(None, None),
    ]
    assert (rows[3, None]["stage"], rows[3, None]["status"]) == ("lung_masks", "needs_review")
    assert [rows[6, None][name] for name in ("stage", "boxes", "radiograph_id")] == ["radiographs", None, None]
    assert done.counts()["ok"] == 4
    assert len({row["key"] for row in done.rows}) == len(done.rows)


def test_the_arm_that_validation_prefers_is_the_best_and_without_areas_the_first(store: ObjectStore) -> None:
    assert {arm: row["best"] for (_, arm), row in rows_of(store).items() if arm} == {
        "it_dpr/cut": False,
        "none/pca": True,
    }
    put(store, "evaluation", [decided("none/pca", None, 0.875, "test")])
    assert {arm for (_, arm), row in rows_of(store).items() if row.get("best")} == {"it_dpr/cut"}


def test_boxes_and_detections_are_in_pixels_of_the_source(store: ObjectStore) -> None:
    row = rows_of(store)[1, "none/pca"]
    assert (row["width"], row["height"]) == (128, 64)
    assert row["boxes"] == [{"x": 20.0, "y": 10.0, "width": 40.0, "height": 20.0, "kind": "tb"}]
    found = row["detections"][0]
    # The square is at 14..22 by 28..36 px of the canvas; smoothing lets it grow by a pixel of that.
    assert abs(found["x"] - 28) <= 2
    assert abs(found["y"] - 24) <= 2
    assert abs(found["width"] - 16) <= 4
    assert abs(found["height"] - 16) <= 4


def test_detections_are_what_the_localisation_would_find(store: ObjectStore) -> None:
    lungs = lungs_of(SIDE) > 0
    native = np.where(lungs, hot_map(), 0).astype(np.float32)
    truth = truth_of([[10.0, 21.0, 20.0, 10.0]], None, (0.0, 16.0, 64.0, 32.0), (SIDE, SIDE), 0.001)
    expected = in_source_pixels(measure(native, truth, lungs, None, LocalisationSettings()), truth.boxes, image(0))
    assert rows_of(store)[1, "none/pca"]["detections"] == expected["detections"]


def test_detections_are_those_of_the_localisation_where_it_has_looked(store: ObjectStore) -> None:
    found = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "score": 0.5}
    rows = [
        {"radiograph_id": f"{number:032x}", "arm": arm, "seed": 0, "status": "ok", "detections": boxes}
        for number, arm, boxes in ((0, "it_dpr/cut", [found]), (0, "none/pca", []), (1, "it_dpr/cut", [found, found]))
    ]
    put(store, "localisation", [*rows, {**rows[0], "radiograph_id": f"{4:032x}"}])
    told = rows_of(store)
    assert told[1, "it_dpr/cut"]["detections"] == [found]
    assert told[1, "none/pca"]["detections"] == []
    assert told[2, "it_dpr/cut"]["detections"] == [found, found]


def test_detections_are_looked_for_in_all_arms_the_best_or_none(store: ObjectStore) -> None:
    looked = {"all": True, "best": True, "measured": False}
    for setting, expected in looked.items():
        assert (rows_of(store, detections=setting)[1, "none/pca"]["detections"] is not None) is expected
    put(store, "evaluation", [decided("it_dpr/cut", 0.5, 0.875)])
    assert rows_of(store, detections="best")[1, "none/pca"]["detections"] is None
    assert rows_of(store, detections="all")[1, "none/pca"]["detections"]


def test_nothing_is_detected_where_maps_are_to_be_compared_with_normals_that_are_too_few(store: ObjectStore) -> None:
    few = {"arm": "none/pca", "seed": 0, "status": "rejected", "reason": "two normals"}
    put(store, "normal_maps", [few])
    table = [{"radiograph_id": f"{n:032x}", "arm": "it_dpr/cut", "seed": 0, "detections": []} for n in (0, 1, 4)]
    put(store, "localisation", table, settings=LocalisationSettings(maps="absolute_z").model_dump())
    assert rows_of(store)[1, "none/pca"]["detections"] is None


def test_a_map_that_is_gone_stops_the_stage_and_names_it(store: ObjectStore) -> None:
    (path,) = [row["artifact"] for row in run_of(store).rows("anomaly_maps", columns=["artifact"]) if row["artifact"]]
    store.delete(path)
    with pytest.raises(CorruptArtifact, match="is missing"):
        brought(store)


def test_a_new_threshold_is_told_without_a_new_look_at_the_maps(store: ObjectStore) -> None:
    run, first = run_of(store), brought(store)
    publish(store, run.place, first.table(IMAGE_SCORES), {"parents": {}})
    put(store, "evaluation", [decided("it_dpr/cut", 0.875), decided("none/pca", None, 0.875)])
    again = brought(store)
    assert (again.computed, again.reused) == (0, len(first.rows))
    row = by_image(again.rows)[1, "it_dpr/cut"]
    assert (row["threshold"], row["above"]) == (0.875, False)
    put(store, "anomaly_maps", [scored(0, "it_dpr/cut", 0.75, key="another")])
    assert brought(store).computed == 1


def test_a_borrower_has_its_lenders_decisions(store: ObjectStore) -> None:
    def table(threshold: float) -> pa.Table:
        return pa.Table.from_pylist([decided("it_dpr/cut", threshold)], schema=EVALUATION)

    lender = Place("evaluation", "phantom")
    older = publish(store, lender, table(0.125), {"parents": {}})
    publish(store, lender, table(0.875), {"parents": {}})
    for borrow_from, threshold in (("phantom", 0.875), (f"phantom@{older[:8]}", 0.125)):
        put(store, "evaluation", [], settings={"borrow_from": borrow_from})
        assert rows_of(store)[1, "it_dpr/cut"]["threshold"] == threshold
    store.delete(lender.manifest(older))
    with pytest.raises(dg.Failure, match=f"{COHORT} borrows from evaluation@phantom @{older[:8]}"):
        brought(store)
    put(store, "evaluation", [decided("it_dpr/cut", 0.25)], settings={"borrow_from": f"phantom@{older[:8]}"})
    assert rows_of(store)[1, "it_dpr/cut"]["threshold"] == 0.25


def test_a_cohort_without_labels_normals_or_boxes_is_told_likewise(home: Path, local_store: ObjectStore) -> None:
    store = six_images(local_store, domain="other", label="unlabelled", boxes=[])
    put(store, "localisation", [])
    rows = rows_of(store, detections="best")
    assert {row["domain"] for row in rows.values()} == {"other"}
    assert rows[1, "none/pca"]["boxes"] == []
    assert rows[1, "none/pca"]["detections"]
    assert rows[1, "it_dpr/cut"]["detections"] is None


def test_an_arm_in_a_peers_frame_has_scores_boxes_and_what_its_peer_could_not_register(store: ObjectStore) -> None:
    usual = rows_of(store)
    rows = rows_of(with_an_arm_of_affine(store))
    assert rows[1, "affine/pca"]["detections"] == rows[1, "none/pca"]["detections"]
    assert rows[5, "affine/pca"]["status"] == "ok"
    left_out = rows[2, "affine/pca"]
    assert [left_out[name] for name in ("stage", "status", "reason", "seed", "best")] == [
        *("peer_registered", "needs_review", "affine: it folds"),
        *(0, False),
    ]
    assert rows.keys() - usual.keys() == {(number, "affine/pca") for number in (1, 2, 5)}
    assert all(rows[name]["key"] == row["key"] for name, row in usual.items())


def test_peers_are_not_read_where_no_arm_is_in_their_frames(store: ObjectStore) -> None:
    run = run_of(store)
    image_tasks(run, ImageScoreSettings())
    assert f"peer_registered@{SHARD}" not in run.parents
    with_an_arm_of_affine(store)
    image_tasks(run, ImageScoreSettings())
    assert f"peer_registered@{SHARD}" in run.parents


def test_an_overlay_of_an_arm_in_a_peers_frame_is_drawn(store: ObjectStore) -> None:
    with_an_arm_of_affine(store)
    put(store, "evaluation", [decided("affine/pca", None, 0.875)])
    row = rows_of(store)[1, "affine/pca"]
    assert row["best"]
    drawing = Overlays(run_of(store), [row])
    assert drawing.refresh(True) == 1
    assert list(drawing.sheet()) == ["highest affine/pca seed 0"]


def test_another_registration_by_a_peer_is_looked_at_anew(store: ObjectStore) -> None:
    before = rows_of(with_an_arm_of_affine(store))
    moved = [
        {**row, "key": "another"} if row["status"] == "ok" else row for row in store_rows(store, "peer_registered")
    ]
    put(store, "peer_registered", moved)
    after = rows_of(store)
    assert {name for name, row in after.items() if row["key"] != before[name]["key"]} == {
        (1, "affine/pca"),
        (5, "affine/pca"),
    }


def test_a_shard_without_scored_images_has_no_row_and_no_picture(store: ObjectStore) -> None:
    put(store, "radiographs", [image(3, split="train")])
    put(store, "anomaly_maps", [])
    done = brought(store)
    assert done.rows == []
    assert Overlays(run_of(store), done.rows).sheet() == {}


def overlays(store: ObjectStore, wanted: bool = True) -> tuple[int, set[str]]:
    done = brought(store)
    rows = [row for row in done.rows if row["row"] == 1]
    drawn = Overlays(run_of(store), rows).refresh(wanted)
    return drawn, {path.rpartition("/")[2] for path in store.find(FOLDER)}


def test_an_overlay_is_drawn_where_there_is_none_or_another_one_would_be(store: ObjectStore) -> None:
    names = {f"{0:032x}.png", "made.json"}
    assert overlays(store, wanted=False) == (0, set())
    assert overlays(store) == (1, names)
    assert overlays(store) == (0, names)
    store.delete(f"{FOLDER}/{0:032x}.png")
    assert overlays(store) == (1, names)
    put(store, "evaluation", [decided("it_dpr/cut", 0.5), decided("none/pca", 0.25, 0.875)])
    assert overlays(store) == (1, names)
    store.write(f"{FOLDER}/{7:032x}.png", b"of an image that is no more")
    assert overlays(store) == (0, names)
    assert overlays(store, wanted=False) == (0, set())


def test_the_sheet_is_of_the_preferred_arm(store: ObjectStore) -> None:
    rows = [row for row in brought(store).rows if row["row"] == 1]
    assert list(Overlays(run_of(store), rows).sheet()) == ["highest none/pca seed 0"]
