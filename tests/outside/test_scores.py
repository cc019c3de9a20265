import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from assets.tables.scores import IMAGE_SCORES
from pipelines.outside.export_notice import ExportError
from pipelines.outside.export_scores import export_scores
from pipelines.outside.scores import MEANING, SCORES, score_table
from resources.manifests import Place, publish, table_from
from resources.object_store import ObjectStore
from resources.taken_models import Taken, take
from resources.tombstones import Tombstone, write_tombstone

COHORT, SHARD = "shenzhen", "shenzhen/0"
PATIENTS = [f"{number:024x}" for number in range(6)]


def image(number: int, arm: str | None = "it_dpr/cut", **columns: Any) -> dict[str, Any]:  # noqa: ANN401 (columns)
    told = {"radiograph_id": f"{number:032x}", "row": number + 1, "patient": PATIENTS[number], "status": "ok"}
    known = {"domain": "abnormal", "label": "tuberculosis", "split": "test", "reason": "", "key": f"{number}{arm}"}
    return {**told, **known, "arm": arm, "score": 0.5 if arm else None, **columns}


def put(store: ObjectStore, rows: list[dict[str, Any]], parents: dict[str, str]) -> str:
    table = pa.Table.from_pylist([{name: row.get(name) for name in IMAGE_SCORES.names} for row in rows], IMAGE_SCORES)
    return publish(store, Place("image_scores", SHARD), table, {"parents": parents, "settings": {}})


@pytest.fixture
def cohort(home: Path, local_store: ObjectStore) -> ObjectStore:
    """Five images of which one was set aside and one could not be read."""
    evaluated = publish(local_store, Place("evaluation", COHORT), pa.table({"arm": ["a"]}), {"parents": {}})
    rows = [
        *(image(0), image(0, "none/pca"), image(1), image(1, "none/pca", score=None, status="failed")),
        image(2, None, status="needs_review", stage="lung_masks", reason="the lungs touch the border"),
        image(4, split="validation"),
        image(5, None, radiograph_id=None, status="rejected", stage="radiographs", reason="row 6: damaged"),
    ]
    put(local_store, rows, {f"evaluation@{COHORT}": evaluated})
    masks = [{"radiograph_id": f"{number:032x}", "mask_source": "trained", "status": "ok"} for number in (0, 4)]
    publish(local_store, Place("lung_masks", SHARD), pa.Table.from_pylist(masks), {"parents": {}})
    return local_store


def test_the_table_is_that_of_the_stage_without_what_is_the_stages_own(cohort: ObjectStore) -> None:
    table, read = score_table(cohort, COHORT)
    assert table.schema == SCORES
    assert list(MEANING) == SCORES.names
    assert {row["row"]: row["mask_source"] for row in table.to_pylist()} == {
        **{1: "trained", 2: None, 3: None},
        **{5: "trained", 6: None},
    }
    assert set(IMAGE_SCORES.names) - set(SCORES.names) == {"key", "artifact", "artifact_digest"}
    assert [(row["row"], row["arm"]) for row in table.to_pylist()] == [
        *((1, "it_dpr/cut"), (1, "none/pca"), (2, "it_dpr/cut"), (2, "none/pca"), (3, None), (5, "it_dpr/cut")),
        (6, None),
    ]
    assert set(read) == {f"image_scores@{SHARD}", f"evaluation@{COHORT}"}


def test_one_split_alone_and_no_other_word(cohort: ObjectStore) -> None:
    assert {row["split"] for row in score_table(cohort, COHORT, "validation")[0].to_pylist()} == {"validation"}
    with pytest.raises(ValueError, match="split 'train' is not scored; give one of validation, test"):
        score_table(cohort, COHORT, "train")


def test_nobody_who_withdrew_is_told(cohort: ObjectStore) -> None:
    write_tombstone(cohort, Tombstone(patient=PATIENTS[0], withdrawn_at="today", radiographs=(f"{1:032x}",)))
    assert {row["row"] for row in score_table(cohort, COHORT)[0].to_pylist()} == {3, 5, 6}


def test_a_cohort_whose_images_were_not_told_says_what_is_missing(home: Path, local_store: ObjectStore) -> None:
    with pytest.raises(FileNotFoundError, match="image_scores@shenzhen/0 has no manifest yet"):
        score_table(local_store, COHORT)


def test_scores_by_an_older_threshold_are_refused(cohort: ObjectStore) -> None:
    publish(cohort, Place("evaluation", COHORT), pa.table({"arm": ["b"]}), {"parents": {}})
    with pytest.raises(ValueError, match="made from an older evaluation@shenzhen; run `pseudopair run shenzhen`"):
        score_table(cohort, COHORT)


def test_the_export_tells_every_column_and_can_be_repeated(cohort: ObjectStore, tmp_path: Path) -> None:
    target = ObjectStore(str(tmp_path / "scores"))
    counts = export_scores(cohort, target, COHORT, citation="Somebody 2014")
    assert counts == {"rows": 7, "images": 5, "scored_images": 3}
    assert table_from(target.read("scores.parquet")).schema == SCORES
    text = target.read("README.txt").decode()
    assert all(f"\n{name} " in text for name in SCORES.names)
    assert "Research use only" in text
    assert "Somebody 2014" in text
    assert "Frame:" not in text
    assert "Models of" not in text
    mark = json.loads(target.read("export.json"))
    assert mark["complete"]
    assert f"image_scores@{SHARD}" in mark["manifests"]
    assert export_scores(cohort, target, COHORT, "test")["images"] == 4


def test_a_folder_of_something_else_or_in_the_store_is_refused(cohort: ObjectStore, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear all")
    with pytest.raises(ExportError, match="not empty and no export made it"):
        export_scores(cohort, ObjectStore(str(tmp_path / "full")), COHORT)
    with pytest.raises(ExportError, match="lies in the store"):
        export_scores(cohort, ObjectStore(f"{cohort.root}/stages"), COHORT)


def test_the_export_says_whose_models_they_are_and_where_other_masks_are_from(
    cohort: ObjectStore, tmp_path: Path
) -> None:
    take(COHORT, Taken(model="phantom", fixed={}))
    masks = pa.Table.from_pylist([{"mask_source": "supplied", "status": "ok"}])
    publish(cohort, Place("lung_masks", "phantom/0"), masks, {})
    target = ObjectStore(str(tmp_path / "scores"))
    export_scores(cohort, target, COHORT)
    text = target.read("README.txt").decode()
    assert "Models of phantom. shenzhen: lungs drawn by trained 100%; those of phantom by supplied 100%" in text
