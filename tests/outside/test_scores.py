import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.scoring.score import SCORE_NAMES
from assets.tables import ANOMALY_MAPS, LOCALISATION, RADIOGRAPHS
from pipelines.outside.export_notice import ExportError
from pipelines.outside.export_scores import export_scores
from pipelines.outside.scores import MEANING, SCORES, decisions_of, score_table
from resources.arrays import CorruptArtifact, encode
from resources.manifests import Place, digest_of, publish, table_from
from resources.object_store import ObjectStore
from resources.tombstones import Tombstone, write_tombstone

COHORT, SHARD = "shenzhen", "shenzhen/0"
PATIENTS = [f"{number:024x}" for number in range(6)]
# Twice as wide as high: on the canvas of 64 px it is half as large and lies 16 px down.
PLACED = {"width": 128, "height": 64, "scale_x": 0.5, "scale_y": 0.5, "offset_x": -0.25, "offset_y": 15.75}


def put(
    store: ObjectStore,
    stage: str,
    rows: list[dict[str, Any]],
    schema: pa.Schema | None = None,
    **record: Any,  # noqa: ANN401 (pointers)
) -> str:
    table = (
        pa.Table.from_pylist(rows)
        if schema is None
        else pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    )
    partition = COHORT if stage == "evaluation" else SHARD
    return publish(store, Place(stage, partition), table, {"parents": {}, "settings": {}, **record})


def image(number: int, **columns: Any) -> dict[str, Any]:  # noqa: ANN401 (columns)
    told = {"radiograph_id": f"{number:032x}", "row": number + 1, "patient": PATIENTS[number], "status": "ok"}
    known = {"domain": "abnormal", "label": "tuberculosis", "split": "test", "reason": "", "boxes": []}
    return {**PLACED, **told, **known, **columns}


def scored(number: int, arm: str, score: float | None, **columns: Any) -> dict[str, Any]:  # noqa: ANN401 (columns)
    alignment, method = arm.split("/")
    values: dict[str, float | None] = {**dict.fromkeys(map(str, SCORE_NAMES), 9.0), "score_top5": score}
    named = {"arm": arm, "alignment": alignment, "method": method, "seed": 0, "status": "ok", "reason": ""}
    return {"radiograph_id": f"{number:032x}", **named, **values, **columns}


def decided(arm: str, threshold: float | None, *, chosen: bool = True) -> dict[str, Any]:
    method = arm.split("/")[1]
    return {"arm": arm, "method": method, "seed": 0, "score": "score_top5", "chosen": chosen, "threshold": threshold}


@pytest.fixture
def cohort(home: Path, local_store: ObjectStore) -> ObjectStore:
    """Six images: scored, two set aside, one in training, one of a file that could not be read."""
    box = {"x": 10.0, "y": 21.0, "width": 20.0, "height": 10.0, "kind": "tb"}
    undecoded = {**dict.fromkeys(PLACED), "radiograph_id": None, "status": "rejected", "reason": "row 6: damaged"}
    images = [
        image(0, boxes=[box]),
        image(1, domain="normal", label="normal"),
        image(2),
        image(3, split="train"),
        image(4, split="validation"),
        image(5, **undecoded),
    ]
    put(local_store, "radiographs", images, RADIOGRAPHS)
    aside = {"radiograph_id": f"{2:032x}", "status": "needs_review", "reason": "the lungs touch the border"}
    put(local_store, "lung_masks", [{"radiograph_id": f"{0:032x}", "status": "ok", "reason": ""}, aside])
    for stage in ("prealigned_radiographs", "registered_radiographs"):
        put(local_store, stage, [{"radiograph_id": f"{0:032x}", "status": "ok", "reason": ""}])
    maps = [
        scored(0, "it_dpr/cut", 0.75),
        scored(0, "none/pca", 0.5),
        scored(1, "it_dpr/cut", 0.25),
        scored(1, "none/pca", None, status="failed", reason="no pixel"),
        scored(4, "it_dpr/cut", 0.5),
    ]
    put(local_store, "anomaly_maps", maps, ANOMALY_MAPS)
    put(local_store, "evaluation", [decided("it_dpr/cut", 0.5), decided("none/pca", None)])
    return local_store


def by_image(table: pa.Table) -> dict[tuple[int, str | None], dict[str, Any]]:
    return {(row["row"], row["arm"]): row for row in table.to_pylist()}


def test_a_row_an_image_and_arm_and_one_for_each_that_was_set_aside(cohort: ObjectStore) -> None:
    table, read = score_table(cohort, COHORT, detect=False)
    assert table.schema == SCORES
    rows = by_image(table)
    # Row 4 is of the training part.
    assert set(rows) == {
        *((1, "it_dpr/cut"), (1, "none/pca"), (2, "it_dpr/cut"), (2, "none/pca")),
        *((3, None), (5, "it_dpr/cut"), (6, None)),
    }
    above = rows[1, "it_dpr/cut"]
    assert (above["score_name"], above["score"], above["threshold"], above["above"]) == ("score_top5", 0.75, 0.5, True)
    assert (above["patient"], above["label"], above["domain"], above["status"]) == (
        *(PATIENTS[0], "tuberculosis", "abnormal"),
        "ok",
    )
    # At the threshold is not above it.
    assert rows[5, "it_dpr/cut"]["above"] is False
    assert rows[1, "none/pca"]["above"] is None
    failed = rows[2, "none/pca"]
    assert (failed["status"], failed["stage"], failed["reason"], failed["score"]) == (
        *("failed", "anomaly_maps", "no pixel"),
        None,
    )
    assert (rows[3, None]["stage"], rows[3, None]["status"]) == ("lung_masks", "needs_review")
    assert (rows[6, None]["stage"], rows[6, None]["boxes"], rows[6, None]["radiograph_id"]) == (
        "radiographs",
        None,
        None,
    )
    assert set(read) == {f"{stage}@{SHARD}" for stage in ("radiographs", "lung_masks", "prealigned_radiographs")} | {
        f"{stage}@{SHARD}" for stage in ("registered_radiographs", "anomaly_maps")
    }


def test_boxes_are_in_pixels_of_the_source(cohort: ObjectStore) -> None:
    row = by_image(score_table(cohort, COHORT, detect=False)[0])[1, "it_dpr/cut"]
    assert (row["width"], row["height"]) == (128, 64)
    assert row["boxes"] == [{"x": 20.0, "y": 10.0, "width": 40.0, "height": 20.0, "kind": "tb"}]
    assert row["detections"] is None


def test_detections_are_those_of_the_localisation_and_none_where_none_were_looked_for(cohort: ObjectStore) -> None:
    found = {"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "score": 0.5}
    arm = {"arm": "it_dpr/cut", "seed": 0, "status": "ok"}
    rows = [
        {"radiograph_id": f"{0:032x}", "detections": [found], **arm},
        {"radiograph_id": f"{1:032x}", "detections": [], **arm},
    ]
    put(cohort, "localisation", rows, LOCALISATION)
    table = by_image(score_table(cohort, COHORT, detect=False)[0])
    assert table[1, "it_dpr/cut"]["detections"] == [found]
    assert table[2, "it_dpr/cut"]["detections"] == []
    assert table[1, "none/pca"]["detections"] is None


def test_nothing_is_detected_where_maps_are_to_be_compared_with_normals_that_are_too_few(cohort: ObjectStore) -> None:
    data = encode({"map": np.ones((8, 8), np.float16), "lungs": np.ones((8, 8), np.uint8)}, {})
    path = Place("anomaly_maps", SHARD).artifact("0a")
    cohort.write(path, data)
    stored = {"artifact": path, "artifact_digest": digest_of(data)}
    put(cohort, "anomaly_maps", [scored(0, "it_dpr/cut", 0.75, **stored)], ANOMALY_MAPS)
    few = {"arm": "it_dpr/cut", "seed": 0, "status": "rejected", "threshold": None}
    publish(cohort, Place("normal_maps", COHORT), pa.Table.from_pylist([few]), {"parents": {}})
    put(cohort, "localisation", [], LOCALISATION, settings={"maps": "absolute_z"})
    table = by_image(score_table(cohort, COHORT)[0])
    assert table[1, "it_dpr/cut"]["detections"] is None
    cohort.delete(path)
    with pytest.raises(CorruptArtifact, match="is missing"):
        score_table(cohort, COHORT)


def test_one_split_alone_and_no_other_word(cohort: ObjectStore) -> None:
    assert {row["split"] for row in score_table(cohort, COHORT, "validation", detect=False)[0].to_pylist()} == {
        "validation"
    }
    with pytest.raises(ValueError, match="split 'train' is not scored; give one of validation, test"):
        score_table(cohort, COHORT, "train", detect=False)


def test_a_borrower_without_rows_of_its_own_has_its_lenders_decisions(cohort: ObjectStore) -> None:
    lender = Place("evaluation", "phantom")
    older = publish(cohort, lender, pa.Table.from_pylist([decided("it_dpr/cut", 0.125)]), {})
    current = publish(cohort, lender, pa.Table.from_pylist([decided("it_dpr/cut", 0.875)]), {})
    read = {"parents": {str(lender): current}}
    for borrow_from, parents, threshold in (("phantom", read, 0.875), (f"phantom@{older[:8]}", {}, 0.125)):
        put(cohort, "evaluation", [decided("x/y", None)], settings={"borrow_from": borrow_from}, **parents)
        assert decisions_of(cohort, COHORT).threshold("it_dpr/cut", 0, "score_top5") == threshold


def test_nobody_who_withdrew_is_told(cohort: ObjectStore) -> None:
    write_tombstone(cohort, Tombstone(patient=PATIENTS[0], withdrawn_at="today", radiographs=(f"{1:032x}",)))
    assert {row["row"] for row in score_table(cohort, COHORT, detect=False)[0].to_pylist()} == {3, 5, 6}


def test_a_cohort_that_was_not_evaluated_says_what_is_missing(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(FileNotFoundError, match="evaluation@shenzhen has no manifest yet"):
        score_table(local_store, COHORT, detect=False)


def test_the_export_tells_every_column_and_can_be_repeated(cohort: ObjectStore, tmp_path: Path) -> None:
    target = ObjectStore(str(tmp_path / "scores"))
    counts = export_scores(cohort, target, COHORT, citation="Somebody 2014", detect=False)
    assert counts == {"rows": 7, "images": 5, "scored_images": 3}
    assert table_from(target.read("scores.parquet")).schema == SCORES
    text = target.read("README.txt").decode()
    assert all(f"\n{name} " in text for name in SCORES.names)
    assert "Research use only" in text
    assert "Somebody 2014" in text
    assert "Frame:" not in text
    mark = json.loads(target.read("export.json"))
    assert mark["complete"]
    assert f"anomaly_maps@{SHARD}" in mark["manifests"]
    assert export_scores(cohort, target, COHORT, "test", detect=False)["images"] == 4
    assert list(MEANING) == SCORES.names


def test_a_folder_of_something_else_or_in_the_store_is_refused(cohort: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear all")
    with pytest.raises(ExportError, match="not empty and no export made it"):
        export_scores(cohort, ObjectStore(str(tmp_path / "full")), COHORT)
    with pytest.raises(ExportError, match="lies in the store"):
        export_scores(cohort, ObjectStore(f"{cohort.root}/stages"), COHORT)
