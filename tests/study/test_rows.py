from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from assets.evaluation.patients import PatientScores
from assets.evaluation.report_model import ShortcutResult
from assets.evaluation.roc import auc
from assets.evaluation.settings import EvaluationSettings
from assets.study.analysis import analysed
from assets.study.contrasts import contrast
from assets.study.entries import entries
from assets.study.fold_arm import FoldArm
from assets.study.inference import holm
from assets.study.markdown import markdown
from assets.study.member import Member
from assets.study.pooled import paired, pooled
from assets.study.report import Shown, finding, render_study
from assets.study.rows import Row, study_rows
from assets.study.shortcuts import pooled_shortcuts
from assets.tables.study import STUDY_TABLE
from tests.study.made_up import members, scaled, study

STUDY = study()
SETTINGS = EvaluationSettings()
Members = dict[str, list[Member]]


def rows_of(found: Members) -> list[Row]:
    return study_rows(analysed(STUDY, found, SETTINGS))


def by_line(rows: list[Row]) -> dict[tuple[str, str, str], Row]:
    return {(row["protocol"], row["arm"], row["seed"]): row for row in rows}


def without(found: Members, protocol: str, place: int, member: Member) -> Members:
    folds = [member if fold == place else each for fold, each in enumerate(found[protocol])]
    return {**found, protocol: folds}


def test_lines_are_the_arms_over_their_seeds_and_then_by_seed() -> None:
    lines = [(row["protocol"], row["arm"], row["seed"]) for row in rows_of(members(STUDY))]
    assert lines == [
        ("gan", "none/cut", "all"),
        ("gan", "none/cut", "0"),
        ("gan", "none/cut", "1"),
        ("gan", "it_pr/cut", "all"),
        ("gan", "it_pr/cut", "0"),
        ("gan", "it_pr/cut", "1"),
        # it draws nothing, so it has one seed
        ("gan", "it_pr/pca", "all"),
        ("cheap", "none/pca", "all"),
        ("cheap", "it_pr/pca", "all"),
    ]


def test_rows_fit_the_manifest_and_have_keys_of_their_own() -> None:
    rows = rows_of(members(STUDY))
    assert {name for row in rows for name in row} <= set(STUDY_TABLE.names)
    filled = [{name: row.get(name) for name in STUDY_TABLE.names} for row in rows]
    assert pa.Table.from_pylist(filled, schema=STUDY_TABLE).num_rows == len(rows)
    assert len({row["key"] for row in rows}) == len(rows)
    assert rows_of(members(STUDY)) == rows


def test_a_seed_s_line_is_pooled_over_its_folds() -> None:
    found = members(STUDY)
    row = by_line(rows_of(found))["gan", "it_pr/cut", "1"]
    expected = pooled([member.arms["it_pr/cut", 1].test for member in found["gan"]]).auc
    assert (row["auc"], row["auc_se"]) == (expected.area, expected.standard_error)
    assert expected.interval is not None
    assert (row["auc_low"], row["auc_high"]) == (expected.interval.low, expected.interval.high)
    assert (row["normals"], row["abnormals"], row["folds"], row["folds_scored"]) == (60, 60, 2, 2)
    assert (row["scores"], row["status"], row["seeds"]) == (["score_mean"], "ok", 1)


def test_the_mean_of_seeds_beats_them_and_tells_their_spread() -> None:
    lines = by_line(rows_of(members(STUDY)))
    mean, single = lines["gan", "none/cut", "all"], [lines["gan", "none/cut", seed]["auc"] for seed in "01"]
    assert mean["auc"] > np.mean(single)
    assert mean["seed_sd"] == pytest.approx(np.std(single, ddof=1))
    assert mean["seeds"] == 2
    assert mean["seed_mean"] == pytest.approx(np.mean(single))
    assert mean["seed_mean_low"] < mean["seed_mean"] < mean["seed_mean_high"]
    assert lines["gan", "it_pr/pca", "all"]["seed_sd"] is None


def test_arms_are_compared_with_their_own_method_in_the_plain_frame() -> None:
    found = members(STUDY)
    lines = by_line(rows_of(found))
    row = lines["gan", "it_pr/cut", "0"]
    first, second = (pooled([member.arms[arm, 0].test for member in found["gan"]]) for arm in ("it_pr/cut", "none/cut"))
    expected = paired(first, second)
    assert row["compared_to"] == "none/cut"
    assert (row["difference"], row["p"]) == (expected.difference, expected.p_value)
    assert row["difference_low"] < row["difference"] < row["difference_high"]
    assert row["detectable"] > 0
    both = lines["gan", "it_pr/cut", "all"]
    assert both["compared_seeds"] == 2
    assert both["difference"] == pytest.approx(both["auc"] - lines["gan", "none/cut", "all"]["auc"])
    # itself, and an arm whose method has no plain counterpart in its protocol
    assert "compared_to" not in lines["gan", "none/cut", "all"]
    assert "compared_to" not in lines["gan", "it_pr/pca", "all"]
    assert lines["cheap", "it_pr/pca", "all"]["compared_to"] == "none/pca"


def test_p_values_are_adjusted_within_a_protocol_and_seed() -> None:
    three = {**STUDY.model_dump(), "protocols": [{**STUDY.model_dump()["protocols"][0], "arms": ARMS}]}
    other = type(STUDY).model_validate(three)
    found = members(STUDY)["gan"]
    wide = [replace(m, arms={**m.arms, **{("it_dpr/cut", s): m.arms["it_pr/cut", s] for s in (0, 1)}}) for m in found]
    rows = study_rows(analysed(other, {"gan": wide}, SETTINGS))
    for seed in ("all", "0", "1"):
        family = [row for row in rows if row["seed"] == seed and row.get("p") is not None]
        assert len(family) == 2
        assert [row["p_holm"] for row in family] == holm([row["p"] for row in family])


ARMS = ["none/cut", "it_pr/cut", "it_dpr/cut"]


def test_a_translator_is_compared_with_the_baseline_of_its_frame() -> None:
    lines = by_line(rows_of(members(STUDY)))
    assert lines["gan", "it_pr/cut", "all"]["baseline"] == "gan: it_pr/pca"
    # its own protocol has none of that frame: the other's has scored the same patients
    assert lines["gan", "none/cut", "all"]["baseline"] == "cheap: none/pca"
    row = lines["gan", "it_pr/cut", "all"]
    assert row["baseline_low"] < row["baseline_difference"] < row["baseline_high"]
    # what one training gives on average, not the ensemble, which the baseline has none of
    single = np.mean([lines["gan", "it_pr/cut", seed]["auc"] for seed in "01"])
    assert single < row["auc"]
    assert row["baseline_difference"] == pytest.approx(single - lines["gan", "it_pr/pca", "all"]["auc"])
    assert (row["baseline_normals"], row["baseline_abnormals"]) == (60, 60)
    assert "baseline" not in lines["gan", "it_pr/pca", "all"]


def test_an_arm_that_does_not_exceed_the_best_shortcut_is_marked() -> None:
    found = members(STUDY)
    perfect = [ShortcutResult("border", "supervised", auc([1, 2, 3, 0], [0, 1, 1, 0]), 1.0)]
    strong = {name: [replace(m, shortcuts=perfect) for m in folds] for name, folds in found.items()}
    assert {row["above_shortcut"] for row in rows_of(strong)} == {False}
    assert {row["shortcut"] for row in rows_of(found)} == {"border"}
    best = by_line(rows_of(found))["gan", "it_pr/cut", "all"]
    assert best["above_shortcut"] is (best["auc"] > best["shortcut_auc"]) is True
    bare = {name: [replace(m, shortcuts=()) for m in folds] for name, folds in found.items()}
    assert all("shortcut" not in row for row in rows_of(bare))


def test_shortcuts_are_pooled_over_folds_and_turned_round_once() -> None:
    rng = np.random.default_rng(0)
    labels = np.arange(60) < 30
    areas = [auc(rng.normal(size=60) - 0.5 * labels, labels), auc(rng.normal(size=60) + 0.1 * labels, labels)]
    folds = [
        Member("c", shortcuts=[ShortcutResult("area", "plain", area, max(area.area, 1 - area.area))]) for area in areas
    ]
    (found,) = pooled_shortcuts(folds, 0.95)
    mean = np.mean([area.area for area in areas])
    assert found.auc is not None
    assert found.auc.area == pytest.approx(mean)
    assert found.auc.standard_error == pytest.approx(
        np.hypot(areas[0].standard_error or 0, areas[1].standard_error or 0) / 2
    )
    assert found.strength == pytest.approx(1 - mean)
    lost = ShortcutResult("area", "plain", None, None, "no lungs")
    assert pooled_shortcuts([Member("c", shortcuts=[lost])], 0.95) == [lost]
    (one,) = pooled_shortcuts([Member("c", shortcuts=[lost]), folds[0]], 0.95)
    assert one.auc is not None
    assert one.auc.area == areas[0].area


def test_costs_are_means_and_seconds_in_all() -> None:
    lines = by_line(rows_of(members(STUDY)))
    both, one, none = (lines["gan", *key] for key in (("it_pr/cut", "all"), ("it_pr/cut", "0"), ("it_pr/pca", "all")))
    assert (both["steps"], both["passes"], both["images"], both["seconds"]) == (3000, 150, 80, 50)
    assert (one["steps"], one["seconds"]) == (3000, 25)
    assert (none["steps"], none["passes"], none["seconds"]) == (None, None, 3)
    assert (both["aside_normals"], both["aside_abnormals"]) == (2, 4)


def test_a_missing_fold_leaves_the_others_and_is_told() -> None:
    found = without(members(STUDY), "gan", 1, Member("made_up-2-1", "not evaluated yet"))
    row = by_line(rows_of(found))["gan", "it_pr/cut", "all"]
    assert (row["folds_scored"], row["status"], row["normals"]) == (1, "needs_review", 30)
    assert row["reason"] == "made_up-2-1: not evaluated yet"
    assert row["p"] is not None
    # what is compared across protocols is compared on the patients that both have scored
    assert by_line(rows_of(found))["gan", "none/cut", "all"]["baseline_p"] is not None


def test_no_member_at_all_gives_every_line_with_its_reason() -> None:
    absent = {
        protocol.name: [Member(cohort, "not begun") for cohort in STUDY.fold_cohorts(protocol)]
        for protocol in STUDY.protocols
    }
    rows = rows_of(absent)
    assert len(rows) == 9
    assert {(row["auc"], row["status"]) for row in rows} == {(None, "rejected")}
    assert rows[0]["reason"] == "made_up-2-0: not begun; made_up-2-1: not begun"


def test_a_seed_that_one_fold_lacks_is_left_out_of_the_mean() -> None:
    found = members(STUDY)
    first = found["gan"][0]
    key = ("it_pr/cut", 1)
    kept = {name: arm for name, arm in first.arms.items() if name != key}
    lost = replace(first, arms=kept, absent={key: "the loss was no number"})
    lines = by_line(rows_of(without(found, "gan", 0, lost)))
    row = lines["gan", "it_pr/cut", "all"]
    assert (row["seeds"], row["auc"], row["status"]) == (1, lines["gan", "it_pr/cut", "0"]["auc"], "needs_review")
    assert row["reason"] == "made_up-2-0: the loss was no number"
    assert lines["gan", "it_pr/cut", "1"]["folds_scored"] == 1
    # one seed against two would be one model against an ensemble: what both have is compared
    assert (row["compared_seeds"], row["difference"]) == (1, lines["gan", "it_pr/cut", "0"]["difference"])
    assert row["difference"] != pytest.approx(row["auc"] - lines["gan", "none/cut", "all"]["auc"])


def test_arms_without_a_common_seed_are_not_compared() -> None:
    found = members(STUDY)
    lost = [
        replace(m, arms={key: arm for key, arm in m.arms.items() if key not in (("it_pr/cut", 1), ("none/cut", 0))})
        for m in found["gan"]
    ]
    row = by_line(rows_of({**found, "gan": lost}))["gan", "it_pr/cut", "all"]
    assert (row["difference"], row["p"], row["status"]) == (None, None, "needs_review")
    assert row["auc"] is not None
    assert "not compared with none/cut: no seed is there in every fold of both" in row["reason"]


def test_a_comparison_of_fewer_patients_says_so() -> None:
    found = members(STUDY)
    second = found["gan"][1]
    only = {key: arm for key, arm in second.arms.items() if not key[0].startswith("none/")}
    lost = replace(second, arms=only, absent={("none/cut", seed): "the loss was no number" for seed in (0, 1)})
    analysis = analysed(STUDY, without(found, "gan", 1, lost), SETTINGS)
    rows = study_rows(analysis)
    row = by_line(rows)["gan", "it_pr/cut", "all"]
    assert (row["normals"], row["abnormals"], row["folds_scored"]) == (60, 60, 2)
    assert (row["compared_normals"], row["compared_abnormals"]) == (30, 30)
    assert row["status"] == "needs_review"
    assert row["reason"] == "compared with none/cut, which lacks made_up-2-1: the loss was no number"
    told = markdown(analysis, rows)
    assert f"{row['difference_high']:+.3f}] on 30 normal and 30 abnormal" in told
    assert "With 30 abnormal and 30 normal patients" in told
    assert "against none/cut on 30 normal and 30 abnormal (p" in finding(analysis, rows)
    assert "30 / 30" in render_study(analysis, rows, Shown(""))


def test_p_values_against_the_baseline_are_a_family_of_their_own() -> None:
    rows = [row for row in rows_of(members(STUDY)) if row["protocol"] == "gan" and row.get("baseline_p") is not None]
    assert len(rows) == 2
    assert [row["baseline_p_holm"] for row in rows] == holm([row["baseline_p"] for row in rows])


def test_quality_stands_beside_the_areas_as_means_over_folds_and_seeds() -> None:
    found = members(STUDY)
    folds = [
        replace(
            member,
            registration={"it_pr": {"dice_reference": 0.9 + 0.02 * fold, "folded_share": 0.001}},
            translation={
                ("it_pr/cut", seed): {"normal_preservation": 0.01 * (1 + fold + 2 * seed), "kid": None}
                for seed in (0, 1)
            },
        )
        for fold, member in enumerate(found["gan"])
    ]
    analysis = analysed(STUDY, {**found, "gan": folds}, SETTINGS)
    rows = study_rows(analysis)
    lines = by_line(rows)
    row, second = lines["gan", "it_pr/cut", "all"], lines["gan", "it_pr/cut", "1"]
    assert (row["dice_reference"], row["folded_share"]) == pytest.approx((0.91, 0.001))
    assert (row["normal_preservation"], second["normal_preservation"]) == pytest.approx((0.025, 0.035))
    assert row["kid"] is None
    assert lines["gan", "none/cut", "all"]["dice_reference"] is None
    assert lines["gan", "it_pr/pca", "all"]["dice_reference"] == pytest.approx(0.91)
    text = render_study(analysis, rows, Shown(""))
    assert "0.910" in text
    assert "0.0250" in text


def test_a_patient_in_two_folds_is_a_stated_problem() -> None:
    found = members(STUDY)
    twice = [found["gan"][0], replace(found["gan"][0], cohort="made_up-2-1")]
    rows = rows_of({**found, "gan": twice})
    row = by_line(rows)["gan", "it_pr/cut", "all"]
    assert (row["auc"], row["status"]) == (None, "rejected")
    assert "tested in two folds" in row["reason"]
    assert by_line(rows)["cheap", "it_pr/pca", "all"]["auc"] is not None


def test_one_class_constant_and_broken_scores_end_nothing() -> None:
    found = members(STUDY)

    def one_class(arm: FoldArm) -> FoldArm:
        keep = arm.test.labels
        kept = [name for name, label in zip(arm.test.patients, keep, strict=True) if label]
        return replace(arm, test=PatientScores(kept, arm.test.scores[keep], keep[keep]))

    def broken(arm: FoldArm) -> FoldArm:
        return replace(arm, test=replace(arm.test, scores=np.full(len(arm.test.scores), np.nan)))

    def constant(arm: FoldArm) -> FoldArm:
        return scaled(arm, 0, 1)

    changes: list[tuple[Callable[[FoldArm], FoldArm], float | None, str]] = [
        (one_class, None, "none with both"),
        (broken, None, "not finite"),
        (constant, 0.5, "equal"),
    ]
    key = ("it_pr/pca", 0)
    for change, area, told in changes:
        folds = [replace(m, arms={**m.arms, key: change(m.arms[key])}) for m in found["gan"]]
        row = by_line(rows_of({**found, "gan": folds}))["gan", "it_pr/pca", "all"]
        assert row["auc"] == area
        assert told in row["reason"]
        assert row["auc_low"] is None


def test_a_fold_that_only_one_side_can_use_leaves_both() -> None:
    found = members(STUDY)
    settings = EvaluationSettings()
    protocol = STUDY.protocols[0]
    entry = next(e for e in entries(protocol, found["gan"], settings) if (e.arm, e.seed) == ("none/cut", "0"))
    first, second = entry.folds
    # the same patients otherwise folded: one fold is left with one class
    joined = PatientScores(
        [*first.test.patients, *second.test.patients[:1]],
        np.append(first.test.scores, second.test.scores[0]),
        np.append(first.test.labels, second.test.labels[0]),
    )
    rest = PatientScores(second.test.patients[1:], second.test.scores[1:], second.test.labels[1:])
    alone = PatientScores(rest.patients, rest.scores, np.ones_like(rest.labels))
    folded = (replace(first, test=joined), replace(second, test=alone))
    odd = replace(entry, folds=folded)
    compared = contrast(odd, entry, settings)
    # what is left on both sides are the patients of the first fold
    assert compared.comparison is not None
    assert (compared.comparison.difference, compared.comparison.p_value) == (0, 1)
