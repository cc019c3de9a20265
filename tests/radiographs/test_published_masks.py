"""Published lung masks from their files to the manifest: what is taken, what is left out, what a change recomputes."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.run_length import encode_runs
from resources.manifests import read_artifact
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
PHANTOMS = PhantomSettings(size=96, subjects=8, seed=5)
MARK = "doe_jane"
HEADER = ("Image Index", "Dice RCA (Mean)", "Landmarks", "Left Lung", "Right Lung", "Height", "Width")
Lungs = npt.NDArray[np.uint8]


def lungs(index: int) -> Lungs:
    return phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs


def write(path: Path, pixels: npt.NDArray[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_image(folder: Path, index: int) -> None:
    image = phantom_subject(index, PHANTOMS.seed, PHANTOMS).image
    write(folder / f"{MARK}_{index}.png", np.rint(image * 255).astype(np.uint8))


def record(index: int, labels: Lungs, dice: str = "0.9") -> list[str]:
    left, right = encode_runs(labels == 2), encode_runs(labels == 1)
    return [f"{MARK}_{index}.png", dice, "[[1 2]\n [3 4]]", left, right, *map(str, labels.shape)]


def write_table(path: Path, records: list[list[str]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([HEADER, *records])


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


def declaration(root: Path, **other: Any) -> dict[str, Any]:  # noqa: ANN401
    return {
        "name": "published",
        "root": str(root),
        "folders": {"images": "healthy"},
        "normal_labels": ["healthy"],
        "settings": {"radiographs": {"size": 96}},
        **other,
    }


def manifest(installation: Installation) -> list[dict[str, Any]]:
    return sorted(installation.rows("radiographs", "published"), key=lambda row: row["row"])


def computed(installation: Installation) -> int:
    installation.run("published", "--until", "radiographs")
    return int(installation.pointer("radiographs", "published")["computed"])


def test_a_published_table_supplies_masks_and_a_bad_row_of_it_costs_only_its_mask(
    installation: Installation, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    for index in range(6):
        write_image(root / "images", index)
    records = [record(index, lungs(index)) for index in range(5)]
    records[1][3] = "7 2 5"
    records[2][1] = "0.4"
    records[3] = record(3, lungs(3)[:, :-20])
    records.append(record(4, lungs(4)))
    write_table(root / "masks.csv", records)
    installation.declare(declaration(root, chexmask={"table": "masks.csv", "id": "Image Index"}))
    printed = installation.run("published", "--until", "radiographs")

    rows = manifest(installation)
    assert {row["status"] for row in rows} == {"ok"}
    assert [row["has_lungs"] for row in rows] == [True] + 5 * [False]
    assert np.array_equal(read_artifact(installation.store, rows[0])["lungs"], lungs(0))
    reasons = [row["mask_problem"] for row in rows]
    assert reasons[0] is None
    for reason, word in zip(
        reasons[1:], ["odd count", "below 0.7", "same size or aspect", "several rows", "no row for this"], strict=True
    ):
        assert word in reason
    held = [printed, *reasons[1:], *(path.read_text("latin-1") for path in installation.home.rglob("*.*")
                                     if path.is_file())]  # fmt: skip
    assert not any(mark in text for text in held for mark in (MARK, "7 2 5", records[0][3][:40]))

    # A changed and a mended row of the table change its digest, by which `status` tells, and they alone are computed.
    before = installation.pointer("radiographs", "published")["source"]
    records[0] = record(0, np.roll(lungs(0), 1, axis=0))
    records[1] = record(1, lungs(1))
    write_table(root / "masks.csv", records)
    assert computed(installation) == 2
    assert installation.pointer("radiographs", "published")["source"] != before
    assert [row["has_lungs"] for row in manifest(installation)] == [True, True] + 4 * [False]


def test_folders_of_one_lung_each_supply_masks_and_exchanged_ones_are_found_out(
    installation: Installation, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    masks = {side: root / "ManualMask" / f"{side}Mask" for side in ("right", "left")}
    for index in range(5):
        write_image(root / "images", index)
        for side, label in (("right", 1), ("left", 2)):
            drawn = 3 - label if index == 2 else label
            if index < 4 and (index, side) != (1, "left"):
                write(masks[side] / f"{MARK}_{index}.png", np.where(lungs(index) == drawn, 255, 0).astype(np.uint8))
    folders = {"right_mask_folder": "ManualMask/rightMask", "left_mask_folder": "ManualMask/leftMask"}
    installation.declare(declaration(root, **folders))
    assert computed(installation) == 4

    rows = manifest(installation)
    assert [row["status"] for row in rows] == ["ok", "rejected", "rejected", "ok", "ok"]
    assert [row["has_lungs"] for row in rows] == [True, None, None, True, False]
    assert "mask of the right lung but none of the left" in rows[1]["reason"]
    assert "exchange the two in the declaration" in rows[2]["reason"]
    assert np.array_equal(read_artifact(installation.store, rows[0])["lungs"], lungs(0))

    # Either file of a pair decides its row's key.
    for index, side, label in ((0, "right", 1), (3, "left", 2)):
        smaller = np.where(lungs(index) == label, 255, 0).astype(np.uint8)
        smaller[np.nonzero(smaller)[0].min()] = 0
        write(masks[side] / f"{MARK}_{index}.png", smaller)
    assert computed(installation) == 2
    kept = {row["key"] for row in rows} & {row["key"] for row in manifest(installation)}
    assert kept == {rows[index]["key"] for index in (1, 2, 4)}
