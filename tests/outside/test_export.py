import io
import json
import uuid
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from pipelines.cli import app
from pipelines.outside.export import Exported, Request, citation_of, export_cohort
from pipelines.outside.export_notice import NOTICE, ExportError
from resources.manifests import Place as Of
from resources.manifests import read_pointer
from resources.object_store import ObjectStore
from resources.tombstones import Tombstone, write_tombstone
from tests.outside.synthetic import Cohort, Row, synthetic

REGISTERED = "registered_radiographs"
STAGES = {"it_dpr": REGISTERED, "it_pr": "prealigned_radiographs", "none": "radiographs"}


@pytest.fixture
def cohort(local_store: ObjectStore) -> Cohort:
    return synthetic(local_store)


@pytest.fixture
def target(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "exported"))


def run(cohort: Cohort, target: ObjectStore, **request: Any) -> Exported:  # noqa: ANN401
    return export_cohort(cohort.store, target, Request(cohort.name, **request))


def rows(target: ObjectStore, name: str = "radiographs") -> list[Row]:
    found: list[Row] = pq.read_table(io.BytesIO(target.read(f"{name}.parquet"))).to_pylist()
    return found


def pixels(target: ObjectStore, path: str) -> npt.NDArray[Any]:
    return np.asarray(cv2.imdecode(np.frombuffer(target.read(path), np.uint8), cv2.IMREAD_UNCHANGED))


def contents(target: ObjectStore) -> dict[str, bytes]:
    return {path: target.read(path) for path in target.find("")}


@pytest.mark.parametrize("alignment", ["it_dpr", "it_pr", "none"])
def test_what_is_exported_is_what_the_artefacts_hold(cohort: Cohort, target: ObjectStore, alignment: str) -> None:
    done = run(cohort, target, alignment=alignment)
    assert (done.written, done.kept, done.damaged) == (8, 0, [])
    assert done.counts == {"radiographs": 8, "pairs": len(cohort.pairs)}
    exported = rows(target)
    assert len(exported) == 8
    for row in exported:
        arrays = cohort.arrays[STAGES[alignment], row["radiograph_id"]]
        lungs = cohort.arrays["lung_masks" if alignment == "none" else STAGES[alignment], row["radiograph_id"]]["lungs"]
        image = pixels(target, row["image"])
        assert image.dtype == np.uint16
        np.testing.assert_array_equal(image, arrays["image"])
        np.testing.assert_array_equal(pixels(target, row["lungs"]), lungs)
        assert (row["height"], row["width"]) == image.shape
        assert (row["lesion"] is None) == ("lesion" not in arrays)
        if row["lesion"]:
            np.testing.assert_array_equal(pixels(target, row["lesion"]), arrays["lesion"])
        source = cohort.row(STAGES[alignment], row["radiograph_id"])
        assert row["image"] == f"images/{source['split']}/{source['domain']}/{source['radiograph_id']}.png"
        assert row["view"] == "PA"
        assert ("window_low" in row) == ("boxes" in row) == (alignment == "none")
    files = {path for row in exported for path in (row["image"], row["lungs"], row["lesion"]) if path}
    assert target.find("") == files | {"README.txt", "export.json", "pairs.parquet", "radiographs.parquet"}


def test_pairs_name_the_exported_files(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target)
    images = {row["radiograph_id"]: row["image"] for row in rows(target)}
    pairs = rows(target, "pairs")
    assert [pair["pair_id"] for pair in pairs] == [pair["pair_id"] for pair in cohort.pairs]
    for pair, source in zip(pairs, cohort.pairs, strict=True):
        for side in ("abnormal", "normal"):
            assert pair[f"{side}_image"] == images[pair[f"{side}_id"]] == images[source[f"{side}_id"]]
            assert pair[f"{side}_boxes"] == source[f"{side}_boxes"]


def test_an_export_goes_to_s3_as_well(s3_store: ObjectStore) -> None:
    cohort = synthetic(s3_store)
    target = ObjectStore(f"{s3_store.root}-{uuid.uuid4().hex}", s3_store.options)
    run(cohort, target)
    row = rows(target)[0]
    np.testing.assert_array_equal(
        pixels(target, row["image"]), cohort.arrays[REGISTERED, row["radiograph_id"]]["image"]
    )
    assert run(cohort, target).kept == 8


def test_a_split_alone_can_be_exported_and_another_time_all(cohort: Cohort, target: ObjectStore) -> None:
    assert run(cohort, target, split="test").counts == {"radiographs": 2, "pairs": 1}
    assert {row["split"] for row in rows(target)} == {"test"}
    done = run(cohort, target)
    assert (done.written, done.kept, done.removed) == (6, 2, 0)
    done = run(cohort, target, split="train")
    assert (done.written, done.kept) == (0, 6)
    assert done.removed == 5
    assert not [path for path in target.find("") if "/test/" in path]


def test_a_second_export_changes_no_byte(cohort: Cohort, target: ObjectStore, tmp_path: Path) -> None:
    run(cohort, target)
    before = contents(target)
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("exported/**/*.png")}
    done = run(cohort, target)
    assert (done.written, done.kept, done.removed) == (0, 8, 0)
    assert contents(target) == before
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("exported/**/*.png")} == stamps


def test_only_what_changed_is_written_again(cohort: Cohort, target: ObjectStore, tmp_path: Path) -> None:
    run(cohort, target)
    changed, relabelled = cohort.rows[REGISTERED][1], cohort.rows[REGISTERED][0]
    other = cohort.arrays[REGISTERED, cohort.rows[REGISTERED][3]["radiograph_id"]]
    source = cohort.rows[REGISTERED][3]
    changed["artifact"], changed["artifact_digest"] = source["artifact"], source["artifact_digest"]
    relabelled["split"] = "test"
    cohort.pair_anew(changed)
    cohort.publish()
    stamps = {path: path.stat().st_mtime_ns for path in tmp_path.glob("exported/images/**/*.png")}
    done = run(cohort, target)
    assert (done.written, done.kept) == (2, 6)
    now = {path: path.stat().st_mtime_ns for path in tmp_path.glob("exported/images/**/*.png")}
    assert len({path for path in stamps if now.get(path) == stamps[path]}) == 6
    by_id = {row["radiograph_id"]: row for row in rows(target)}
    np.testing.assert_array_equal(pixels(target, by_id[changed["radiograph_id"]]["image"]), other["image"])
    assert by_id[relabelled["radiograph_id"]]["image"].startswith("images/test/")
    assert len([path for path in target.find("images") if relabelled["radiograph_id"] in path]) == 1


def test_a_lost_file_is_written_again(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target)
    before = contents(target)
    target.delete(next(row["lesion"] for row in rows(target) if row["lesion"]))
    assert run(cohort, target).written == 1
    assert contents(target) == before


def test_rows_that_were_set_aside_are_not_exported_and_go_where_they_were(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target)
    aside = cohort.rows[REGISTERED][1]
    aside["status"] = "needs_review"
    cohort.publish()
    done = run(cohort, target)
    assert done.removed == 3
    assert not [path for path in target.find("") if aside["radiograph_id"] in path]
    assert aside["radiograph_id"] not in {row["radiograph_id"] for row in rows(target)}
    assert all(aside["radiograph_id"] != pair["abnormal_id"] for pair in rows(target, "pairs"))


@pytest.mark.parametrize("alignment", ["it_dpr", "it_pr", "none"])
def test_who_withdrew_is_gone_from_the_next_export(cohort: Cohort, target: ObjectStore, alignment: str) -> None:
    run(cohort, target, alignment=alignment)
    gone = cohort.rows[REGISTERED][1]
    write_tombstone(cohort.store, Tombstone(patient=gone["patient"], withdrawn_at="2026-01-01T00:00:00Z"))
    run(cohort, target, alignment=alignment)
    for path, data in contents(target).items():
        assert gone["radiograph_id"] not in path
        assert gone["radiograph_id"].encode() not in data
    held = [table for name in ("radiographs", "pairs") for table in rows(target, name)]
    assert gone["radiograph_id"] not in json.dumps(held)


def test_no_pseudonym_sex_or_age_is_told_unless_asked_for(cohort: Cohort, target: ObjectStore, tmp_path: Path) -> None:
    run(cohort, target)
    told = json.dumps([rows(target), rows(target, "pairs")])
    pseudonyms = {row["patient"] for row in cohort.rows[REGISTERED]}
    assert not [pseudonym for pseudonym in pseudonyms if pseudonym in told]
    assert not {"patient", "sex", "age"} & set(rows(target)[0])
    asked = ObjectStore(str(tmp_path / "asked"))
    run(cohort, asked, subjects=True)
    assert {row["patient"] for row in rows(asked)} == pseudonyms
    assert {(row["sex"], row["age"]) for row in rows(asked)} == {("f", 40.0)}
    assert {pair["normal_patient"] for pair in rows(asked, "pairs")} < pseudonyms


def test_the_readme_tells_use_frame_and_where_it_comes_from(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target, citation="A paper, 2026")
    text = target.read("README.txt").decode()
    assert NOTICE in text
    assert "IT-DPR" in text
    assert "A paper, 2026" in text
    manifests = json.loads(target.read("export.json"))["manifests"]
    places = [Of(stage, shard) for stage in (REGISTERED, "radiographs") for shard in cohort.shards]
    for place in [*places, Of("pseudo_pairs", cohort.name)]:
        pointer = read_pointer(cohort.store, place)
        assert pointer is not None
        assert manifests[str(place)] == pointer["digest"]
        assert pointer["digest"] in text
    assert len(manifests) == len(places) + 1


def test_what_a_declaration_tells_to_cite_is_told() -> None:
    assert "Jaeger et al. 2014" in citation_of("shenzhen")
    assert citation_of("nobody declared this") == ""


def test_a_folder_of_somebody_else_is_refused_and_left_alone(cohort: Cohort, target: ObjectStore) -> None:
    target.write("images/holiday.png", b"mine")
    with pytest.raises(ExportError, match="not empty and no export made it"):
        run(cohort, target)
    target.write("export.json", b'{"made_by": "me"}')
    with pytest.raises(ExportError, match="not empty and no export made it"):
        run(cohort, target)
    assert contents(target) == {"images/holiday.png": b"mine", "export.json": b'{"made_by": "me"}'}


@pytest.mark.parametrize("other", [{"alignment": "none"}, {"format": "coco"}])
def test_an_export_of_another_kind_is_refused(cohort: Cohort, target: ObjectStore, other: dict[str, Any]) -> None:
    run(cohort, target)
    before = contents(target)
    with pytest.raises(ExportError, match="holds an export of made_up folder it_dpr, not of made_up"):
        run(cohort, target, **other)
    assert contents(target) == before


@pytest.mark.parametrize(
    "address", ["{store}/exported", "{store}", "file://{store}/new", "{store}/../{name}/a", "{link}/a"]
)
def test_nothing_is_exported_into_the_store(cohort: Cohort, tmp_path: Path, address: str) -> None:
    root = Path(cohort.store.root)
    link = tmp_path / "link"
    link.symlink_to(root / "stages")
    before = contents(cohort.store)
    with pytest.raises(ExportError, match="lies in the store"):
        run(cohort, ObjectStore(address.format(store=root, name=root.name, link=link)))
    assert contents(cohort.store) == before


def test_nothing_is_exported_into_a_remote_store(s3_store: ObjectStore) -> None:
    cohort = synthetic(s3_store)
    other_name = s3_store.root.replace("s3://", "s3a://")
    with pytest.raises(ExportError, match="lies in the store"):
        run(cohort, ObjectStore(f"{other_name}//exported", s3_store.options))


@pytest.mark.parametrize("layout", ["folder", "coco"])
def test_boxes_of_another_registration_are_not_exported_with_its_images(
    cohort: Cohort, target: ObjectStore, layout: str
) -> None:
    changed, source = cohort.rows[REGISTERED][1], cohort.rows[REGISTERED][3]
    changed["artifact"], changed["artifact_digest"] = source["artifact"], source["artifact_digest"]
    cohort.publish()
    with pytest.raises(
        ValueError, match=r"made_up: pairs are older than the registration; run `pseudopair run made_up`"
    ):
        run(cohort, target, format=layout)
    assert contents(target) == {}
    cohort.pair_anew(changed)
    cohort.publish()
    assert run(cohort, target, format=layout).written


def test_own_files_beside_the_export_stay(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target)
    target.write("notes.txt", b"mine")
    target.write("images/list.txt", b"mine")
    run(cohort, target, split="test")
    assert {"notes.txt", "images/list.txt"} <= target.find("")


def test_a_damaged_artefact_leaves_out_its_radiograph_alone(cohort: Cohort, target: ObjectStore) -> None:
    run(cohort, target, split="test")
    bad = cohort.rows[REGISTERED][0]
    cohort.store.write(bad["artifact"], b"altered")
    done = run(cohort, target)
    assert len(done.damaged) == 1
    assert bad["artifact"] in done.damaged[0]
    assert (done.counts["radiographs"], len(rows(target))) == (7, 7)
    assert not [path for path in target.find("") if bad["radiograph_id"] in path]


def killed(cohort: Cohort, target: ObjectStore, patched: pytest.MonkeyPatch, at: int) -> None:
    """Export, but end with the `at`-th change of the folder left undone."""
    changes = 0
    write, delete = ObjectStore.write, ObjectStore.delete

    def counted(change: Any) -> Any:  # noqa: ANN401
        def limited(store: ObjectStore, path: str, *data: bytes) -> None:
            nonlocal changes
            changes += store.root == target.root
            if changes == at:
                raise KeyboardInterrupt
            change(store, path, *data)

        return limited

    patched.setattr(ObjectStore, "write", counted(write))
    patched.setattr(ObjectStore, "delete", counted(delete))
    with pytest.raises(KeyboardInterrupt):
        run(cohort, target)
    patched.undo()
    assert at == 1 or not json.loads(target.read("export.json"))["complete"]


@pytest.mark.parametrize("at", range(1, 22, 4))
def test_a_killed_export_names_only_what_is_there_and_is_completed_by_the_next(
    cohort: Cohort, target: ObjectStore, tmp_path: Path, at: int
) -> None:
    whole = ObjectStore(str(tmp_path / "whole"))
    run(cohort, whole)
    run(cohort, target, split="test")
    with pytest.MonkeyPatch.context() as patched:
        killed(cohort, target, patched, at)
    for row in rows(target):
        arrays = cohort.arrays[REGISTERED, row["radiograph_id"]]
        np.testing.assert_array_equal(pixels(target, row["image"]), arrays["image"])
    run(cohort, target)
    assert contents(target) == contents(whole)


@pytest.mark.parametrize("at", range(1, 13, 2))
def test_after_a_kill_no_pixels_pass_for_those_before(
    cohort: Cohort, target: ObjectStore, tmp_path: Path, at: int
) -> None:
    whole = ObjectStore(str(tmp_path / "whole"))
    run(cohort, whole)
    run(cohort, target)
    changed, other = cohort.rows[REGISTERED][1], cohort.rows[REGISTERED][3]
    own = changed["artifact"], changed["artifact_digest"]
    changed["artifact"], changed["artifact_digest"] = other["artifact"], other["artifact_digest"]
    cohort.pair_anew(changed)
    cohort.publish()
    with pytest.MonkeyPatch.context() as patched:
        killed(cohort, target, patched, at)
    # The store goes back to what was exported first.
    changed["artifact"], changed["artifact_digest"] = own
    cohort.pair_anew(changed)
    cohort.publish()
    run(cohort, target)
    assert contents(target) == contents(whole)


@pytest.mark.parametrize("alignment", ["none", "it_dpr"])
def test_coco_boxes_are_those_of_the_manifests(cohort: Cohort, target: ObjectStore, alignment: str) -> None:
    outside = {"x": 20.0, "y": 0.0, "width": 4.0, "height": 4.0, "kind": "nodule"}
    cohort.rows["radiographs"][1]["boxes"].append(outside)
    cohort.publish()
    done = run(cohort, target, format="coco", alignment=alignment)
    content = json.loads(target.read("annotations.json"))
    names = {image["id"]: image["radiograph_id"] for image in content["images"]}
    told = {(names[one["image_id"]], tuple(one["bbox"])) for one in content["annotations"]}
    carried = {pair["abnormal_id"]: pair["abnormal_boxes"][0] for pair in cohort.pairs}
    canvas = {row["radiograph_id"]: row["boxes"][0] for row in cohort.rows["radiographs"] if row["boxes"]}
    expected = {
        (name, tuple(box[side] for side in ("x", "y", "width", "height")))
        for name, box in (canvas if alignment == "none" else carried).items()
    }
    assert told == expected
    assert done.counts["boxes_outside_their_image"] == (1 if alignment == "none" else 0)
    for image in content["images"]:
        stage = STAGES[alignment]
        shown = pixels(target, image["file_name"])
        np.testing.assert_array_equal(shown, cohort.arrays[stage, image["radiograph_id"]]["image"])
        assert (image["height"], image["width"]) == shown.shape
    assert not target.find("lungs") | target.find("lesions")
    assert run(cohort, target, format="coco", alignment=alignment).kept == done.written


def test_coco_of_the_registered_frame_leaves_out_whom_no_pair_tells_of(cohort: Cohort, target: ObjectStore) -> None:
    alone = cohort.pairs[0]["abnormal_id"]
    cohort.pairs = [pair for pair in cohort.pairs if pair["abnormal_id"] != alone]
    cohort.publish()
    assert run(cohort, target, format="coco").counts["radiographs"] == 7
    assert alone not in {row["radiograph_id"] for row in rows(target)}


def test_coco_of_a_frame_without_boxes_is_refused(cohort: Cohort, target: ObjectStore) -> None:
    with pytest.raises(ExportError, match="give alignment none or it_dpr"):
        run(cohort, target, format="coco", alignment="it_pr")
    assert target.find("") == set()


@pytest.mark.usefixtures("home")
def test_the_command_exports_and_says_what_it_did(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_STORE", cohort.store.root)
    runner = CliRunner()
    folder = str(tmp_path / "exported")
    done = runner.invoke(app, ["export", "made_up", folder, "--split", "test", "--subjects"])
    assert (done.exit_code, "2 radiographs, 1 pairs" in done.output) == (0, True), done.output
    again = runner.invoke(app, ["export", "made_up", folder])
    assert "6 radiographs written, 2 kept, 0 files removed" in again.output
    cohort.store.delete(cohort.rows[REGISTERED][0]["artifact"])
    boxes = runner.invoke(
        app, ["export", "made_up", str(tmp_path / "boxes"), "--format", "coco", "--alignment", "none"]
    )
    assert (boxes.exit_code, "4 boxes" in boxes.output) == (0, True), boxes.output
    lacking = runner.invoke(app, ["export", "made_up", str(tmp_path / "second")])
    assert lacking.exit_code == 1
    assert "1 radiographs left out" in lacking.output
    assert "is missing" in lacking.output


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "has no manifest yet"),
        (["made_up", "--split", "validation"], "no row in split 'validation'"),
        (["made_up", "--format", "coco", "--alignment", "it_pr"], "give alignment none or it_dpr"),
    ],
)
def test_the_command_says_why_it_cannot(
    cohort: Cohort, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_STORE", cohort.store.root)
    done = CliRunner().invoke(app, ["export", arguments[0], str(tmp_path / "exported"), *arguments[1:]])
    assert done.exit_code == 1
    assert message in done.output
    assert not (tmp_path / "exported").exists()
