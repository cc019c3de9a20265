from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.evaluation.settings import EvaluationSettings
from assets.localisation_summary.settings import SummarySettings
from assets.study.analysis import analysed
from assets.study.cells_localised import LOCALISATION as HEAD
from assets.study.cells_localised import localisation_cells
from assets.study.localised import LOCALISATION_COLUMNS, PRIORS, Localised, arms_only, localised
from assets.study.markdown import markdown
from assets.study.member import Member
from assets.study.report import Shown, render_study
from assets.study.rows import study_rows
from assets.tables.localisation import LOCALISATION, LOCALISED
from tests.study.made_up import members, study

ARMS = [(arm, seed) for arm in ("none/cut", "it_pr/cut") for seed in (0, 1)]
SETTINGS = SummarySettings(resamples=100)
SCHEMA = pa.schema([LOCALISATION.field(name) for name in LOCALISATION_COLUMNS])


def drawn(fold: int, arm: str, hits: list[float], seed: int = 0) -> list[dict[str, Any]]:
    """Abnormal test radiographs with one box each; `hits` are the pointing game and the overlap of each."""
    box = {"x": 1.0, "y": 1.0, "width": 4.0, "height": 4.0}
    return [
        {
            "radiograph_id": f"f{fold}r{number}",
            "patient": f"f{fold}p{number}",
            "domain": "abnormal",
            "split": "test",
            "status": "ok",
            "arm": arm,
            "alignment": arm.partition("/")[0],
            "method": arm.partition("/")[2],
            "seed": seed,
            "truth": "boxes",
            "boxes": [{**box, "kind": ""}],
            "detections": [{**box, "score": 1.0}],
            "iou": [hit],
            "iou_any": [hit],
            "iobb": [hit],
            **dict.fromkeys(LOCALISED, hit),
            "smoothness": 3.0,
        }
        for number, hit in enumerate(hits)
    ]


def member(*rows: list[dict[str, Any]], cohort: str = "c") -> Member:
    flat = [{name: row.get(name) for name in SCHEMA.names} for group in rows for row in group]
    return Member(cohort, localised=pa.Table.from_pylist(flat, schema=SCHEMA))


def value(rows: list[dict[str, Any]], measure: str, arm: str = "none/cut") -> dict[str, Any]:
    (row,) = [row for row in rows if (row["arm"], row["measure"]) == (arm, measure)]
    return row


def test_every_radiograph_of_every_fold_counts_once() -> None:
    folds = [
        member(drawn(0, "none/cut", [1, 0, 1]), drawn(0, "chance/centre", [0, 0, 1]), cohort="a"),
        member(drawn(1, "none/cut", [1]), drawn(1, "chance/centre", [0]), cohort="b"),
    ]
    rows = list(localised(folds, SETTINGS).rows)
    found = value(rows, "pointing")
    assert (found["value"], found["centre"], found["images"], found["boxes"]) == (0.75, 0.25, 4, 4)
    assert found["centre_difference"] == pytest.approx(0.5)
    assert value(rows, "cl_10")["value"] == 0.75
    assert not any(row["measure"].startswith(("ap_", "froc_")) for row in rows)
    assert {row["arm"] for row in arms_only(rows)} == {"none/cut"}


def test_an_arm_that_a_fold_lacks_is_left_out_by_name_and_radiographs_are_kept() -> None:
    folds = [
        member(drawn(0, "none/cut", [1, 0]), drawn(0, "it_pr/cut", [1, 1]), cohort="a"),
        member(drawn(1, "none/cut", [1, 0]), cohort="b"),
    ]
    found = localised(folds, SETTINGS)
    assert {row["arm"] for row in found.rows} == {"none/cut"}
    assert value(list(found.rows), "pointing")["images"] == 4
    assert found.left_out == {"it_pr/cut, seed 0": ["b"]}
    analysis = replace(analysed(study(), members(study()), EvaluationSettings(), SETTINGS), localisation=told(found))
    rows = study_rows(analysis)
    why = "it_pr/cut, seed 0 (not localised in b)"
    assert f"Not in the tables of localisation: {why}." in markdown(analysis, rows)
    assert f"Left out: {why}." in render_study(analysis, rows, Shown(""))


def told(found: Localised) -> dict[str, Localised]:
    return {"gan": found, "cheap": Localised()}


def test_the_mean_of_seeds_has_the_interval_of_its_difference_to_each_prior() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 2, (2, 40)).astype(float)
    centre, heat = rng.integers(0, 2, 40) * first, rng.integers(0, 2, 40).astype(float)
    arms = [drawn(0, "none/cut", list(first)), drawn(0, "none/cut", list(second), 1)]
    priors = [drawn(0, "chance/centre", list(centre)), drawn(0, "chance/heatmap", list(heat))]
    rows = [row for row in localised([member(*arms, *priors)], SETTINGS).rows if row["measure"] == "pointing"]
    by_seed = {row["seed"]: row for row in rows if row["arm"] == "none/cut"}
    assert set(by_seed) == {"all", 0, 1}
    both = by_seed["all"]
    assert both["value"] == pytest.approx((first.mean() + second.mean()) / 2)
    # the same as one arm whose every radiograph is hit as often as by both seeds on average
    halves = localised([member(drawn(0, "none/cut", list((first + second) / 2)), *priors)], SETTINGS).rows
    (alone,) = [row for row in halves if (row["arm"], row["measure"]) == ("none/cut", "pointing")]
    for name in ("low", "high", *(f"{prior}_difference{end}" for prior in PRIORS for end in ("", "_low", "_high"))):
        assert both[name] == pytest.approx(alone[name])
    assert both["low"] > min(by_seed[seed]["low"] for seed in (0, 1))


def test_without_boxes_there_is_nothing() -> None:
    assert localised([Member("a"), Member("b", "not begun")], SETTINGS) == Localised()
    normal = [
        {**row, "truth": "normal", "domain": "normal", "boxes": [], "iou": [], "iou_any": [], "iobb": []}
        for row in drawn(0, "none/cut", [0.0])
    ]
    assert localised([member(normal)], SETTINGS) == Localised([])


def test_columns_of_the_table_have_intervals_by_seed_and_means_over_seeds() -> None:
    found = members(study())
    folds = [
        replace(
            each,
            localised=member(
                *(
                    drawn(fold, arm, [0.0, 1.0, float(seed)], seed)
                    for arm in ("none/cut", "it_pr/cut")
                    for seed in (0, 1)
                ),
                drawn(fold, "chance/centre", [0.0, 0.0, 1.0]),
            ).localised,
        )
        for fold, each in enumerate(found["gan"])
    ]
    analysis = analysed(study(), {**found, "gan": folds}, EvaluationSettings(), SETTINGS)
    rows = study_rows(analysis)
    text = render_study(analysis, rows, Shown(""))
    assert "it_pr/cut, seed 1" in text
    assert text.count("CL@0.1") == 1
    by_line = {(row["protocol"], row["arm"], row["seed"]): row for row in rows}
    first, both = by_line["gan", "it_pr/cut", "0"], by_line["gan", "it_pr/cut", "all"]
    assert (first["pointing"], first["pointing_centre"], first["boxes"]) == (
        pytest.approx(1 / 3),
        pytest.approx(1 / 3),
        6,
    )
    assert first["pointing_low"] <= first["pointing"] <= first["pointing_high"]
    assert first["cl_10_over_centre_low"] <= 0 <= first["cl_10_over_centre_high"]
    assert both["pointing"] == pytest.approx(np.mean([1 / 3, 2 / 3]))
    assert both["pointing_low"] < both["pointing"] < both["pointing_high"]
    assert both["pointing_over_centre_low"] < both["pointing"] - both["pointing_centre"]
    assert both["pointing_over_centre_high"] > both["pointing"] - both["pointing_centre"]
    assert both["pointing_heatmap"] is None
    assert "it_pr/cut, mean of seeds" in text
    told = markdown(analysis, rows)
    assert f"| it_pr/cut | 6 | 0.500 [{both['pointing_low']:.3f}, {both['pointing_high']:.3f}] | +0.167 [" in told
    assert "pointing" not in by_line["gan", "it_pr/pca", "all"]
    assert "pointing" not in by_line["cheap", "none/pca", "all"]


def test_cells_of_what_was_not_measured_are_empty() -> None:
    assert localisation_cells({}) == ("-",) * len(HEAD)


def test_each_fold_looks_for_the_surest_region_as_its_own_validation_patients_prefer() -> None:
    def fold(number: int, narrow: float, wide: float) -> Member:
        overlaps = [
            {"sigma": sigma, "iou": [hit], "iobb": [hit], "iou_by_share": [[hit] * 9]}
            for sigma, hit in ((2.0, narrow), (8.0, wide))
        ]
        rows = [
            {**row, "by_sigma": overlaps, "iou": [narrow], "split": "test" if place < 3 else "validation"}
            for place, row in enumerate(drawn(number, "none/cut", [0.0] * 9))
        ]
        return member(rows, cohort=f"c-{number}")

    found = localised([fold(0, 0.0, 1.0), fold(1, 1.0, 0.0)], SETTINGS).rows
    assert value(list(found), "cl_10")["value"] == 1.0
    assert value(list(found), "cl_10")["boxes"] == 6
