from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assets.images import to_uint16
from assets.pairing.frames import FrameRows, Row
from assets.prealignment.warp import quantize
from assets.registration_report.mean_images import (
    ALL,
    COMPARED,
    MEASURED,
    SHARPER,
    UNSEEN,
    around_lungs,
    gain_columns,
    gain_lines,
    measured_lines,
    stored_lines,
    stored_normals,
)
from assets.registration_report.registrations import Asked, Registrations
from assets.registration_report.settings import ReportSettings

SETTINGS = ReportSettings(resamples=100)
LUNGS = np.zeros((64, 64), np.uint8)
LUNGS[20:44, 12:28], LUNGS[20:44, 36:52] = 1, 2


def test_around_the_lungs_is_them_and_a_margin_of_a_thirty_second() -> None:
    region = around_lungs(LUNGS)
    assert region[LUNGS > 0].all()
    rows = np.flatnonzero(region.any(axis=1))
    assert (rows[0], rows[-1]) == (18, 45)
    assert not region[:, 55].any()


def test_a_line_names_what_is_compared_and_every_line_draws_alike() -> None:
    rng = np.random.default_rng(0)
    x = np.mgrid[:64, :64][1]
    shifted = [np.sin((x + shift) / 3).astype(np.float32) for shift in rng.normal(0, 3, 8)]
    aligned = [np.sin(x / 3).astype(np.float32)] * 8
    images = {"none": shifted, "it_pr": aligned, "again": aligned}
    lines = gain_lines("all", [("it_pr", "none"), ("again", "none")], images, LUNGS, SETTINGS)
    assert [(line["of"], line["arm"], line["over"], line["images"]) for line in lines] == [
        ("all", "it_pr", "none", 8),
        ("all", "again", "none", 8),
    ]
    first, second = ({name: line[name] for name in ("ratio", "low", "high")} for line in lines)
    assert first == second
    assert first["ratio"] >= first["low"] > 1


@pytest.mark.parametrize("count", [0, 1])
def test_fewer_than_two_images_have_no_mean_to_compare(count: int) -> None:
    images = {"none": [np.zeros((64, 64), np.float32)] * count, "it_pr": [np.zeros((64, 64), np.float32)] * count}
    assert gain_lines("all", [("it_pr", "none")], images, LUNGS, SETTINGS) == []


def rows_of(index: int, split: str, patient: str = "", domain: str = "normal") -> FrameRows:
    name = f"id {index}"
    subject = {"radiograph_id": name, "split": split, "patient": patient or name, "domain": domain}
    mask = {"key": "lungs", "window_low": 0.0, "window_high": 1.0}
    return FrameRows({"key": name, **subject}, mask, {"key": name}, {"key": name})


def artefacts(count: int) -> dict[str, dict[str, npt.NDArray[Any]]]:
    """Images with columns of waves, all in the same place; the lungs are the reference's."""
    wave = (0.5 + 0.4 * np.sin(np.mgrid[:64, :64][1] / 3)).astype(np.float32)
    return {"lungs": {"lungs": LUNGS}} | {f"id {k}": {"image": to_uint16(wave), "lungs": LUNGS} for k in range(count)}


def test_normals_are_all_of_them_and_those_not_trained_on() -> None:
    rows = [
        rows_of(0, "train"),
        rows_of(1, "validation", "a"),
        rows_of(2, "validation", "a"),
        rows_of(3, "test", domain="abnormal"),
        rows_of(4, "test"),
        rows_of(5, "test"),
    ]
    joined = {row.radiograph["radiograph_id"]: row for row in rows}
    found = stored_normals(joined, 3)
    ids = {of: [row.radiograph["radiograph_id"] for row in chosen] for of, chosen in found.items()}
    assert ids == {ALL: ["id 0", "id 1", "id 4"], UNSEEN: ["id 1", "id 4", "id 5"]}


def test_stored_frames_are_compared_for_each_group_that_has_two_images() -> None:
    stored = artefacts(3)
    groups = {ALL: [rows_of(k, "train") for k in range(3)], UNSEEN: [rows_of(2, "test")]}
    lines = stored_lines(groups, LUNGS, lambda row: stored[row["key"]], SETTINGS)
    assert [(line["of"], line["arm"], line["over"], line["images"]) for line in lines] == [
        (ALL, arm, over, 3) for arm, over in COMPARED
    ]
    assert set(SHARPER) <= set(COMPARED)
    assert [line["ratio"] for line in lines] == pytest.approx([1] * len(COMPARED))


def test_measured_arms_are_compared_with_the_lungs_box_even_where_it_is_no_arm() -> None:
    stored = artefacts(2)
    half, still = np.zeros((2, 64, 64), np.float32), np.zeros((2, 64, 64), np.float32)
    # reads half as far along the row as it is: what it shows is twice as wide and half as steep
    half[0] = -np.mgrid[:64, :64][1] / 2
    fields = {"none": still, "wide": half, "it_pr": still}
    stored |= {arm: {"displacement": quantize(field)} for arm, field in fields.items()}
    cases = {f"id {k}": rows_of(k, "test") for k in range(2)}
    asked = {name: Asked(rows.radiograph, rows.lungs, rows.prealigned) for name, rows in cases.items()}
    rows: list[Row] = [{"radiograph_id": name, "arm": arm, "key": arm} for name in cases for arm in fields]
    lines = measured_lines(Registrations(rows, list(fields), asked, lambda row: stored[row["key"]]), LUNGS, SETTINGS)
    assert [(line["of"], line["arm"], line["over"]) for line in lines] == [
        (MEASURED, "wide", "lung_box"),
        (MEASURED, "it_pr", "lung_box"),
    ]
    # the lungs lie where the reference's do, so the box moves nothing
    assert gain_columns("it_pr", lines)["sharpness"] == pytest.approx(1, abs=1e-3)
    wide = gain_columns("wide", lines)["sharpness"]
    assert wide is not None
    assert 0.2 < wide < 0.35
    assert set(gain_columns("none", lines).values()) == set(gain_columns("lung_box", lines).values()) == {None}
