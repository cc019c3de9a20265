"""A new cohort, and single image files, with the models of a cohort that was run before."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from assets.radiographs.phantom.cohort import phantom_label, phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from pipelines.lenders import TRAINING_ONLY
from pipelines.stages import STAGE_NAMES
from resources.manifests import read_pointer, table_from
from resources.object_store import ObjectStore
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(1200)

PHANTOMS = PhantomSettings(size=96, subjects=8, seed=77)
COUNT = 6


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Phantoms of another seed and shape as image files, and a file that is none."""
    folder = tmp_path / "hospital" / "images"
    folder.mkdir(parents=True)
    for index in range(COUNT):
        pixels = np.rint(phantom_subject(index, PHANTOMS.seed, PHANTOMS).image * 255).astype(np.uint8)
        Image.fromarray(np.pad(pixels, ((6, 6), (0, 0)))).save(folder / f"p{index}.png")
    (folder / "letter.png").write_bytes(b"dear all")
    return folder


def declared(images: Path, name: str, **change: Any) -> str:  # noqa: ANN401 (YAML)
    """Write a cohort file beside the images, where no catalogue looks; its path."""
    mapping = {"name": name, "root": ".", "folders": {"images": "any"}, "unlabelled": True, **change}
    path = images.parent / f"{name}.yaml"
    path.write_text(yaml.safe_dump(mapping))
    return str(path)


def labelled(images: Path, name: str) -> str:
    rows = [f"images/p{index}.png,{phantom_label(index)},p{index}" for index in range(COUNT)]
    (images.parent / "table.csv").write_text("\n".join(["image,label,patient", *rows]))
    of_labels = {"normal_labels": ["normal"], "abnormal_labels": ["abnormal"], "unlabelled": False, "folders": {}}
    return declared(images, name, table="table.csv", columns={"patient": "patient"}, **of_labels)


def told(printed: str) -> list[dict[str, Any]]:
    """The JSON objects of what `score` printed, errors and notices beside them."""
    return [json.loads(line) for line in printed.splitlines() if line.startswith("{")]


def test_a_new_cohort_and_single_files_get_the_same_scores_from_another_cohorts_models(
    finished: Installation, images: Path, tmp_path: Path
) -> None:
    printed = finished.run(labelled(images, "clinic"), "--model", "tiny")
    assert "clinic: translator of tiny, manifest " in printed
    translators = finished.rows("translator", "clinic")
    assert {row["borrowed_from"] for row in translators} == {"tiny"}
    lent = {row["key"]: row["artifact"] for row in finished.rows("translator")}
    assert {row["key"]: row["artifact"] for row in translators} == lent
    ran = [stage for stage in STAGE_NAMES if read_pointer(finished.store, finished.place(stage, "clinic"))]
    assert ran == [stage for stage in STAGE_NAMES if stage not in TRAINING_ONLY]
    assert {row["split"] for row in finished.rows("radiographs", "clinic")} == {"test"}
    evaluated = finished.rows("evaluation", "clinic")
    decided = {(row["arm"], row["score"]): row for row in finished.rows("evaluation")}
    for row in evaluated:
        assert row["threshold"] == decided[row["arm"], row["score"]]["threshold"]
        assert row["chosen"] == decided[row["arm"], row["score"]]["chosen"]
    status, shown = finished.call("status", "clinic", "--check")
    assert status == 0, shown

    expected = {
        row["radiograph_id"]: row["score_mean"]
        for row in finished.rows("anomaly_maps", "clinic")
        if row["arm"] == "it_dpr/pca"
    }
    files = [str(images / name) for name in ("p1.png", "letter.png", "p2.png", "nowhere.png")]
    out = tmp_path / "pictures"
    arguments = ("--model", "tiny", "--arm", "it_dpr/pca", "--out", str(out))
    status, printed = finished.call("score", *files, *arguments)
    assert status == 0, printed
    assert "Research use only" in printed
    results = told(printed)
    assert [result["image"] for result in results] == files
    assert list(results[0]) == [
        "image",
        "radiograph_id",
        "status",
        "reason",
        "score",
        "threshold",
        "mask_source",
        "overlay",
    ]
    assert [result["status"] for result in results] == ["ok", "failed", "ok", "failed"]
    sources = {row["radiograph_id"]: row["mask_source"] for row in finished.rows("lung_masks", "clinic")}
    assert [result["mask_source"] for result in results[::2]] == [
        sources[results[at]["radiograph_id"]] for at in (0, 2)
    ]
    assert results[1]["mask_source"] is None
    assert "lungs of tiny: drawn by " in printed
    for result in (results[0], results[2]):
        assert result["score"] == expected[result["radiograph_id"]]
        assert result["threshold"] == decided["it_dpr/pca", "score_mean"]["threshold"]
        with Image.open(result["overlay"]) as picture:
            assert picture.width == PHANTOMS.size
            assert picture.height > PHANTOMS.size + 12
        assert Path(result["overlay"]).name == f"{result['radiograph_id']}.png"
    assert "by its first bytes" in results[1]["reason"]
    assert "no such file" in results[3]["reason"]
    # Nothing of them is kept, and no picture or reason names a file.
    assert finished.store.find("stages/radiographs/Images") == set()
    assert not any("p1" in path.name for path in out.iterdir())
    status, printed = finished.call("score", files[1], files[3], *arguments)
    assert (status, [result["status"] for result in told(printed)]) == (1, ["failed", "failed"])

    target = tmp_path / "scores"
    status, printed = finished.call("export", "clinic", str(target), "--format", "scores")
    assert status == 0, printed
    rows = table_from(ObjectStore(str(target)).read("scores.parquet")).to_pylist()
    assert len(rows) == COUNT * len(translators)
    scores = {row["radiograph_id"]: row["score"] for row in rows if row["arm"] == "it_dpr/pca"}
    assert scores == expected


@pytest.mark.slow
def test_images_without_labels_are_scored_by_the_models_of_one_manifest_though_the_lender_went_on(
    finished: Installation, images: Path, tmp_path: Path
) -> None:
    digest = finished.pointer("translator")["digest"]
    named = f"tiny@{digest[:12]}"
    before = {row["key"] for row in finished.rows("translator")}
    finished.run("tiny", "--set", "translator.pca_components=3", "--until", "evaluation")
    assert {row["key"] for row in finished.rows("translator")} != before
    path = declared(images, "unknown")
    finished.run(path, "--model", named)
    assert {row["key"] for row in finished.rows("translator", "unknown")} == before
    assert {row["domain"] for row in finished.rows("anomaly_maps", "unknown")} == {"other"}
    assert finished.rows("evaluation", "unknown") == []
    status, shown = finished.call("status", "unknown", "--check")
    assert status == 0, shown
    status, shown = finished.call("verify", "unknown", "--quick")
    assert status == 0, shown

    target = tmp_path / "scores"
    status, printed = finished.call("export", "unknown", str(target), "--format", "scores")
    assert status == 0, printed
    rows = table_from(ObjectStore(str(target)).read("scores.parquet")).to_pylist()
    scored = [row for row in rows if row["status"] == "ok"]
    assert len(scored) == COUNT * len(before)
    assert all(row["score"] is not None for row in scored)
    for row in scored:
        for box in row["detections"]:
            assert 0 <= box["x"] < box["x"] + box["width"] <= row["width"]
            assert 0 <= box["y"] < box["y"] + box["height"] <= row["height"]
    assert any(row["detections"] for row in scored)
    (aside,) = [row for row in rows if row["status"] != "ok"]
    assert (aside["stage"], aside["label"]) == ("radiographs", "unlabelled")


def test_what_cannot_be_borrowed_is_one_line_and_nothing_runs(
    empty: Installation, tiny: dict[str, Any], images: Path
) -> None:
    path = declared(images, "unknown")
    for arguments, message in (
        ((path, "--model", "tiny"), "evaluation@tiny has no manifest yet; run `pseudopair run tiny`"),
        ((path, "--model", "nowhere"), "no cohort is named 'nowhere'"),
        (("tiny", "--model", "tiny"), "tiny cannot borrow from itself"),
        ((path, "--model", "tiny", "--seeds", "2"), "leave out --all-arms and --seeds"),
    ):
        status, printed = empty.call("run", *arguments)
        assert status == 1
        assert message in printed.replace("\n", " ")
        assert "Traceback" not in printed
    status, printed = empty.call("score", str(images / "p1.png"), "--model", "tiny")
    assert status == 1
    assert "evaluation@tiny has no manifest yet" in printed
    assert empty.store.find("stages") == set()
