import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from assets.evaluation.html import NOTICE
from assets.evaluation.report_model import Picture
from assets.evaluation.settings import EvaluationSettings
from assets.pictures import to_png
from assets.study.analysis import Analysis, analysed
from assets.study.markdown import NOTICE as MARKDOWN_NOTICE
from assets.study.markdown import markdown
from assets.study.member import Member
from assets.study.report import Shown, finding, render_study
from assets.study.rows import Row, study_rows
from tests.study.made_up import members, study

STUDY = study()
PNG = to_png(np.zeros((8, 8, 3), np.uint8))
SHOWN = Shown(
    "2026-01-02", [Picture("Maps", "maps of an arm", PNG)], {"evaluation@made_up-2-0": "abc123"}, {"torch": "2"}
)
ANALYSIS = analysed(STUDY, members(STUDY), EvaluationSettings())
ROWS = study_rows(ANALYSIS)
NOTHING = {p.name: [Member(cohort, "not begun") for cohort in STUDY.fold_cohorts(p)] for p in STUDY.protocols}


def nothing() -> tuple[Analysis, list[Row]]:
    analysis = analysed(STUDY, NOTHING, EvaluationSettings())
    return analysis, study_rows(analysis)


class Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]


def test_one_file_that_asks_for_nothing() -> None:
    text = render_study(ANALYSIS, ROWS, SHOWN)
    found = Links()
    found.feed(text)
    assert found.links
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert not {"script", "link", "iframe", "form", "a"} & set(found.tags)
    assert "default-src 'none'" in text
    assert NOTICE in text
    assert render_study(ANALYSIS, ROWS, SHOWN) == text


def test_both_protocols_arms_seeds_costs_and_provenance_are_there() -> None:
    text = render_study(ANALYSIS, ROWS, SHOWN)
    for piece in (
        "Protocol gan: 2 folds by patient, seeds 0, 1",
        "Protocol cheap: 3 folds by patient, seed 0",
        "it_pr/cut, seed 1",
        "150.0",
        "set aside by lung_masks",
        "made_up-3-2",
        "abc123",
        "undefined: no column age",
        "(p &lt; 0.05, before adjustment) four times in five",
    ):
        assert piece in text
    areas = [row for row in ROWS if row["seed"] == "all"]
    for row in areas:
        assert f"{row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}]" in text
    assert len(re.findall("<tr class=best>", text)) == 2


def test_the_finding_names_best_arm_difference_and_shortcut() -> None:
    best = next(row for row in ROWS if (row["arm"], row["seed"]) == ("it_pr/cut", "all"))
    told = finding(ANALYSIS, ROWS)
    assert (
        "The best of 5 arms, it_pr/cut (gan), the ensemble of its 2 seeds, separates 60 abnormal from 60 normal "
        "patients" in told
    )
    assert f"one seed alone has {best['seed_mean']:.3f} on average. That is" in told
    assert f"{best['difference']:+.3f} against none/cut (p " in told
    assert "It exceeds the strongest shortcut, border" in told
    below = [{**row, "above_shortcut": False} for row in ROWS]
    assert "does not exceed" in finding(ANALYSIS, below)
    assert "≤ shortcut" in render_study(ANALYSIS, below, SHOWN)
    assert "≤ shortcut" in markdown(ANALYSIS, below)
    bare = [{name: value for name, value in row.items() if "shortcut" not in name} for row in ROWS]
    assert "No shortcut was measured" in finding(ANALYSIS, bare)


def test_a_study_without_any_result_has_a_report_that_says_why() -> None:
    analysis, rows = nothing()
    text = render_study(analysis, rows, Shown(""))
    assert "No arm of this study is scored yet." in text
    assert "made_up-2-0: not begun" in text
    table = markdown(analysis, rows)
    assert "Absent: none/cut, it_pr/cut, it_pr/pca (made_up-2-0: not begun; made_up-2-1: not begun)." in table
    assert "|" not in table


def test_confidence_and_specificity_are_the_settings_ones() -> None:
    analysis = analysed(STUDY, members(STUDY), EvaluationSettings(confidence=0.9, specificity=0.8))
    text = render_study(analysis, study_rows(analysis), SHOWN)
    for piece in ("AUC [90 %]", "sensitivity at 80 % specificity", "p &lt; 0.1, before"):
        assert piece in text


def test_what_is_not_complete_is_told() -> None:
    found = {**members(STUDY)}
    found["gan"] = [found["gan"][0], NOTHING["gan"][1]]
    analysis = analysed(STUDY, found, EvaluationSettings())
    told = "Not complete: none/cut, it_pr/cut, it_pr/pca (made_up-2-1: not begun)."
    assert told in markdown(analysis, study_rows(analysis))


def test_no_ensemble_outranks_a_single_model_by_being_one() -> None:
    raised = [{**row, "auc": 0.999} if (row["arm"], row["seed"]) == ("none/cut", "all") else row for row in ROWS]
    assert "it_pr/cut (gan)" in finding(ANALYSIS, raised)
    assert "is that of an ensemble" in markdown(ANALYSIS, ROWS)
    single = [{**row, "seeds": 1} for row in ROWS]
    assert "ensemble" not in markdown(ANALYSIS, single) + finding(ANALYSIS, single)


def test_shortcuts_say_on_how_many_patients_they_were_measured() -> None:
    (rival,) = [item for item in ANALYSIS.shortcuts["gan"] if item.name == "border"]
    assert rival.auc is not None
    fewer = replace(rival, auc=replace(rival.auc, positives=17, negatives=19))
    analysis = replace(ANALYSIS, shortcuts={"gan": [fewer], "cheap": [fewer]})
    assert "on 17 abnormal and 19 normal test patients" in markdown(analysis, ROWS)
    assert "19 / 17" in render_study(analysis, ROWS, SHOWN)
    assert "same patients" not in markdown(analysis, ROWS)


def test_markdown_has_a_line_an_arm_and_the_notice() -> None:
    text = markdown(ANALYSIS, ROWS)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    # two protocols with two lines of head each
    assert len(lines) == 5 + 4
    assert len({line.count("|") for line in lines}) == 1
    assert MARKDOWN_NOTICE in text
    assert text.startswith("# Made up\n")


def test_a_study_with_lent_models_says_that_its_threshold_is_not_lent() -> None:
    told = "The threshold is not: sensitivity and specificity at it are of one that each fold's own validation normals"
    lent = replace(ANALYSIS, settings=EvaluationSettings(borrow_from="elsewhere"))
    assert told in markdown(lent, ROWS)
    assert "lent by elsewhere" in render_study(lent, ROWS, SHOWN)
    assert told not in markdown(ANALYSIS, ROWS)


@pytest.mark.parametrize("field", ["title", "name"])
def test_texts_are_escaped(field: str) -> None:
    evil = STUDY.model_copy(update={"title": "", field: "<script>alert(1)</script>"})
    text = render_study(replace(ANALYSIS, study=evil), ROWS, SHOWN)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
