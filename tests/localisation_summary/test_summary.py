from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.localisation_summary.settings import SummarySettings
from assets.localisation_summary.summary import counted_rows, summary_rows
from assets.localisation_summary.verdict import above_guesses
from assets.localisation_summary.worst import worst_misses
from assets.tables.localisation import LOCALISATION_SUMMARY
from tests.localisation_summary.made_up import Row, measured, normal, table_of

FEW = SummarySettings(resamples=100)
ARM, CENTRE, HEATMAP = "it_dpr/cut", "chance/centre", "chance/heatmap"


def cohort(hits: int, guessed: int, abnormals: int = 10, normals: int = 4) -> list[Row]:
    """An arm that finds the first boxes and a guess that finds fewer, on the same radiographs."""
    rows = [measured(ARM, number, hit=number < hits) for number in range(abnormals)]
    rows += [measured(CENTRE, number, hit=number < guessed) for number in range(abnormals)]
    return rows + [normal(arm, 100 + number, false=1) for arm in (ARM, CENTRE) for number in range(normals)]


def found(rows: list[Row], settings: SummarySettings = FEW) -> dict[tuple[str, int, str], Row]:
    summary = summary_rows(table_of(rows), settings)
    assert len({(row["arm"], row["seed"], row["measure"]) for row in summary}) == len(summary)
    return {(row["arm"], row["seed"], row["measure"]): row for row in summary}


def test_measures_are_of_the_test_radiographs_beside_the_guess() -> None:
    summary = found(cohort(8, 3))
    pointing = summary[ARM, 0, "pointing"]
    assert (pointing["value"], pointing["centre"]) == (0.8, 0.3)
    assert pointing["centre_difference"] == pytest.approx(0.5)
    assert 0 < pointing["centre_difference_low"] < 0.5 < pointing["centre_difference_high"]
    assert pointing["low"] < 0.8 < pointing["high"]
    assert (pointing["boxes"], pointing["images"], pointing["normals"], pointing["left_out"]) == (10, 10, 4, 0)
    assert "heatmap" not in pointing
    for measure in ("cl_10", "cl_50", "cl_any_30", "iobb_10"):
        assert summary[ARM, 0, measure]["value"] == 0.8
    assert summary[ARM, 0, "energy"]["value"] == pytest.approx(0.8 * 0.5 + 0.2 * 0.05)
    # Two misses and one detection on each of four normal radiographs, of fourteen radiographs.
    assert summary[ARM, 0, "false_positives"]["value"] == pytest.approx(6 / 14)
    assert summary[ARM, 0, "froc_8"]["value"] == 0.8
    assert "centre" not in summary[CENTRE, 0, "pointing"]


def test_normal_radiographs_count_as_images_and_their_detections_as_false() -> None:
    few, many = (cohort(10, 0, normals=number) for number in (1, 30))
    assert found(few)[ARM, 0, "ap_10"]["value"] == 1.0
    loud = [
        {**row, "detections": [{**row["detections"][0], "score": 9.0}]} if row["truth"] == "normal" else row
        for row in many
    ]
    assert found(loud)[ARM, 0, "ap_10"]["value"] == pytest.approx(10 / 40)
    # Thirty of forty radiographs have a false detection that comes first.
    assert found(loud)[ARM, 0, "froc_0.5"]["value"] == 0.0
    assert found(loud)[ARM, 0, "froc_1"]["value"] == 1.0


def test_what_no_truth_can_tell_has_no_row() -> None:
    summary = found(cohort(8, 3))
    assert (ARM, 0, "box_pixel_auc") in summary
    assert (ARM, 0, "pixel_auc") not in summary
    assert (ARM, 0, "dice") not in summary
    assert (ARM, 0, "dice_all") not in summary


def test_dice_is_told_of_lesions_alone_and_with_normals() -> None:
    lesion: Row = {"truth": "lesion", "dice": 0.25, "pixel_auc": 0.75}
    rows = [measured(ARM, number, **lesion) for number in range(3)] + [normal(ARM, 9, dice=1.0)]
    summary = found(rows)
    assert (summary[ARM, 0, "dice"]["value"], summary[ARM, 0, "dice_all"]["value"]) == (0.25, pytest.approx(1.75 / 4))
    assert summary[ARM, 0, "pixel_auc"]["value"] == 0.75


def test_all_arms_are_measured_on_the_radiographs_that_every_arm_has() -> None:
    rows = [row for row in cohort(8, 3) if (row["arm"], row["radiograph_id"]) != (CENTRE, f"{0:032x}")]
    pointing = found(rows)[ARM, 0, "pointing"]
    assert (pointing["value"], pointing["images"], pointing["left_out"]) == (pytest.approx(7 / 9), 9, 1)
    failed = [
        {**row, "status": "failed"} if row["arm"] == CENTRE and row["patient"] == f"{0:024x}" else row
        for row in cohort(8, 3)
    ]
    assert found(failed)[ARM, 0, "pointing"]["value"] == pointing["value"]


def test_findings_of_other_kinds_count_only_where_no_abnormal_one_is_drawn() -> None:
    rows = cohort(8, 3)
    other = [measured(arm, 50, hit=False, domain="other") for arm in (ARM, CENTRE)]
    assert found([*rows, *other])[ARM, 0, "pointing"]["images"] == 10
    alone = [{**row, "domain": "other"} for row in rows if row["truth"] != "normal"]
    assert found(alone)[ARM, 0, "pointing"]["value"] == 0.8


def test_validation_radiographs_are_not_counted() -> None:
    rows = [*cohort(8, 3), *(measured(arm, 60, split="validation") for arm in (ARM, CENTRE))]
    assert found(rows)[ARM, 0, "pointing"]["images"] == 10


def test_radiographs_of_one_patient_are_drawn_together() -> None:
    alone = found(cohort(5, 0, normals=0))[ARM, 0, "pointing"]
    two = [{**row, "patient": f"{int(row['patient'], 16) // 5:024x}"} for row in cohort(5, 0, normals=0)]
    together = found(two)[ARM, 0, "pointing"]
    assert together["value"] == alone["value"] == 0.5
    # Of two patients one has all the hits.
    assert (together["low"], together["high"]) == (0.0, 1.0)
    assert 0 < alone["low"] < alone["high"] < 1


def test_random_maps_as_smooth_as_the_arm_are_averaged_over_their_draws() -> None:
    rows = cohort(8, 3)
    for width, smooth, guessed in ((3.0, 1.9, (2, 4)), (12.0, 7.0, (0, 0))):
        for seed, hits in enumerate(guessed):
            rows += [
                measured(f"chance/random_{width:g}", number, hit=number < hits, seed=seed, smoothness=smooth)
                for number in range(10)
            ]
            rows += [normal(f"chance/random_{width:g}", 100 + number, seed=seed) for number in range(4)]
    summary = found(rows)
    assert summary[ARM, 0, "pointing"]["random"] == pytest.approx(0.3)
    assert summary[ARM, 0, "pointing"]["random_sigma"] == 3.0
    assert summary["chance/random_3", 0, "pointing"]["value"] == pytest.approx(0.3)
    assert ("chance/random_3", 1, "pointing") not in summary
    rough = [{**row, "smoothness": 6.0} if row["arm"] == ARM else row for row in rows]
    assert found(rough)[ARM, 0, "pointing"]["random_sigma"] == 12.0
    constant = [{**row, "smoothness": None} if row["arm"] == ARM else row for row in rows]
    assert "random" not in found(constant)[ARM, 0, "pointing"]


def test_seeds_are_rows_of_their_own() -> None:
    rows = [*cohort(8, 3), *({**row, "seed": 1} for row in cohort(2, 3) if row["arm"] == ARM)]
    summary = found(rows)
    assert [summary[ARM, seed, "pointing"]["value"] for seed in (0, 1)] == [0.8, 0.2]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [normal(ARM, 1), normal(CENTRE, 1)],
        [measured(CENTRE, 1)],
        [measured(ARM, 1, split="validation")],
        [measured(ARM, 1, status="rejected")],
        [measured(ARM, 1), measured(CENTRE, 2)],
    ],
)
def test_nothing_to_be_summed_up_gives_no_row(rows: list[Row]) -> None:
    assert summary_rows(table_of(rows), FEW) == []


def test_a_cohort_without_normals_has_no_other_false_detections_than_misses() -> None:
    summary = found(cohort(8, 3, normals=0))
    assert summary[ARM, 0, "pointing"]["normals"] == 0
    assert summary[ARM, 0, "false_positives"]["value"] == pytest.approx(0.2)


def test_an_arm_that_detects_nothing_finds_nothing() -> None:
    rows = [
        {**row, "detections": [], "iou": [0.0], "iou_any": [0.0], "iobb": [0.0]} if row["truth"] != "normal" else row
        for row in cohort(8, 3)
    ]
    summary = found(rows)
    for measure in ("cl_10", "ap_10", "froc_8"):
        assert summary[ARM, 0, measure]["value"] == 0.0


def test_rows_fit_the_table_and_are_the_same_again() -> None:
    rows = summary_rows(table_of(cohort(8, 3)), FEW)
    shaped = [{name: row.get(name) for name in LOCALISATION_SUMMARY.names} for row in rows]
    assert {name for row in rows for name in row} <= set(LOCALISATION_SUMMARY.names)
    assert pa.Table.from_pylist(shaped, schema=LOCALISATION_SUMMARY).num_rows == len(rows)
    assert rows == summary_rows(table_of(cohort(8, 3)[::-1]), FEW)


def test_the_settings_decide_level_seed_and_overlap() -> None:
    rows = cohort(8, 3)
    wide, narrow = (found(rows, FEW.model_copy(update={"confidence": level}))[ARM, 0, "cl_10"] for level in (0.99, 0.6))
    assert wide["high"] - wide["low"] > narrow["high"] - narrow["low"]
    other = found(rows, FEW.model_copy(update={"bootstrap_seed": 7}))[ARM, 0, "energy"]
    assert other["low"] != found(rows)[ARM, 0, "energy"]["low"]
    half = [
        {**row, "detections": [{**row["detections"][0], "height": 5.0}]} if row["truth"] != "normal" else row
        for row in rows
    ]
    strict = FEW.model_copy(update={"froc_iou": 0.6})
    assert found(half)[ARM, 0, "froc_8"]["value"] == 0.8
    assert found(half, strict)[ARM, 0, "froc_8"]["value"] == 0.0


def verdict(rows: list[Row]) -> Any:  # noqa: ANN401
    return above_guesses(summary_rows(table_of(rows), FEW))


def test_the_check_passes_where_an_arm_exceeds_the_guesses_by_an_interval() -> None:
    passed = verdict(cohort(9, 1))
    assert passed.passed
    assert passed.figures == {
        "arm": f"{ARM}, seed 0",
        "pointing": 0.9,
        "cl_10": 0.9,
        "pointing_centre": 0.1,
        "cl_10_centre": 0.1,
    }
    assert not verdict(cohort(5, 5)).passed
    assert not verdict(cohort(1, 9)).passed


def test_the_check_asks_for_every_guess() -> None:
    better = [{**row, "arm": HEATMAP} for row in cohort(0, 10) if row["arm"] == CENTRE]
    assert not verdict([*cohort(9, 1), *better]).passed


def test_the_check_has_nothing_against_a_cohort_without_boxes() -> None:
    assert verdict([]).passed


def test_the_worst_misses_come_first_by_what_their_area_would_get() -> None:
    energies = [0.05, 0.5, 0.02, 0.3]
    rows = [measured(ARM, number, energy=energy) for number, energy in enumerate(energies)]
    rows[3]["area_share"] = 0.9
    rows += [measured(CENTRE, 0), normal(ARM, 9), {**measured(ARM, 0, seed=1), "energy": 0.0}]
    worst = worst_misses(counted_rows(table_of(rows)), 3)
    assert list(worst) == [ARM]
    assert [int(row["radiograph_id"], 16) for row in worst[ARM]] == [2, 3, 0]
    assert {row["seed"] for row in worst[ARM]} == {0}


def test_localisation_over_thresholds_has_an_area_and_a_variation() -> None:
    steady, early = [[0.5] * 9], [[0.5] * 3 + [0.0] * 6]
    rows = [
        measured(arm, number, iou_by_share=by_share)
        for arm, by_share in ((ARM, steady), (CENTRE, early))
        for number in range(4)
    ]
    summary = found(rows)
    assert summary[ARM, 0, "cl_10_area"]["value"] == 1.0
    assert summary[ARM, 0, "cl_10_variation"]["value"] == 0.0
    # Found up to the third of nine thresholds, and half of the way to the fourth.
    assert summary[CENTRE, 0, "cl_10_area"]["value"] == pytest.approx(2.5 / 8)
    assert summary[CENTRE, 0, "cl_10_variation"]["value"] == pytest.approx(np.sqrt(2))


def test_nothing_found_at_any_threshold_has_no_variation() -> None:
    rows = [measured(arm, 1, hit=False, iou_by_share=[[0.0] * 9]) for arm in (ARM, CENTRE)]
    summary = found(rows)
    assert summary[ARM, 0, "cl_10_area"]["value"] == 0.0
    assert (ARM, 0, "cl_10_variation") not in summary
