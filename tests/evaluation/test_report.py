import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest

from assets.evaluation.comparison import Comparison
from assets.evaluation.html import NOTICE
from assets.evaluation.report import render_report, summary_sentence
from assets.evaluation.report_model import (
    ArmComparison,
    ArmResult,
    Picture,
    Report,
    ScoreResult,
    SetAside,
    ShortcutResult,
    StageCount,
    ThresholdResult,
)
from assets.evaluation.roc import Auc, Interval
from assets.pictures import to_png

VOID = {"meta", "img", "br", "link"}
PNG = to_png(np.zeros((8, 8, 3), np.uint8))


def auc_of(area: float) -> Auc:
    return Auc(area, 0.02, Interval(area - 0.05, area + 0.05, "logit"), 30, 40)


def arm_of(alignment: str, area: float, seed: int = 0) -> ArmResult:
    results = [ScoreResult(name, 30, 40, auc_of(area), 0.7, 0.6) for name in ("score_mean", "score_top5")]
    return ArmResult(alignment, "pca", seed, 12.4, tuple(results))


FULL = Report(
    cohort="phantom",
    created="2026-01-02 03:04",
    headline="score_mean",
    confidence=0.95,
    specificity=0.9,
    arms=(arm_of("none", 0.7), arm_of("it_dpr", 0.9), arm_of("it_pr", 0.8)),
    shortcuts=(
        ShortcutResult("lung area", "plain", auc_of(0.3), 0.7),
        ShortcutResult("border", "supervised", auc_of(0.6), 0.6),
        ShortcutResult("warp", "plain", None, None, "lost"),
    ),
    comparisons=(
        ArmComparison("it_dpr/pca", "none/pca", Comparison(0.2, 0.1, 0.3, 0.0004)),
        ArmComparison("it_dpr/pca", "it_pr/pca", None, "neither varies"),
    ),
    thresholds=(ThresholdResult("it_dpr/pca, seed 0", "score_mean", 0.0312, 0.81, 0.92, 0.865, 1.4, 0.77, 0.013),),
    stages=(StageCount("lung_masks", 90, 3, 2, 1, 4.25),),
    set_aside=(SetAside("lung_masks", "left lung covers 1 % of the canvas", 2),),
    pictures=(Picture("ROC", "curves of all arms", PNG, wide=False), Picture("Maps", "anomaly maps", PNG)),
    settings='{"top_share": 0.05}',
    digests={"translator": "abc123"},
    versions={"torch": "2.13.0"},
    notes=("A synthetic cohort.",),
)


class Structure(HTMLParser):
    """Collects tags and attributes and checks that every tag is closed in its turn."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def structure(report: Report) -> Structure:
    parser = Structure()
    parser.feed(render_report(report))
    assert parser.open == []
    return parser


def test_one_file_that_asks_for_nothing() -> None:
    found = structure(FULL)
    assert found.links
    assert all(link.startswith("data:image/png;base64,") for link in found.links)
    assert not {"script", "link", "iframe", "form", "a"} & set(found.tags)
    text = render_report(FULL)
    assert "default-src 'none'" in text
    assert not re.search(r"https?://|@import|url\(", text)


def test_pictures_are_embedded_byte_for_byte() -> None:
    for link in structure(FULL).links:
        assert base64.b64decode(link.partition(",")[2]) == PNG


def test_summary_names_the_best_arm_its_interval_and_the_strongest_shortcut() -> None:
    sentence = summary_sentence(FULL)
    assert "it_dpr/pca, seed 0 separates 30 abnormal from 40 normal patients" in sentence
    assert "0.900 [0.850, 0.950]" in sentence
    # an area of 0.3 is as good as 0.7 the other way round, and beats 0.6
    assert "lung area alone reaches 0.700 (lower in abnormal patients)" in sentence
    assert "best of 3 arms on these same patients" in sentence
    assert sentence in render_report(FULL)


def test_an_arm_that_does_not_exceed_the_strongest_shortcut_is_marked() -> None:
    strong = replace(FULL, shortcuts=(ShortcutResult("border", "supervised", auc_of(0.85), 0.85),))
    text = render_report(strong)
    marked = {area: f"{auc_of(area)} ≤ shortcut" in text for area in (0.7, 0.9, 0.8)}
    assert marked == {0.7: True, 0.9: False, 0.8: True}
    assert "does not exceed" not in summary_sentence(strong)
    above = replace(FULL, shortcuts=(ShortcutResult("border", "supervised", auc_of(0.9), 0.9),))
    assert "nothing here shows that it sees disease" in summary_sentence(above)


def test_intervals_of_stability_and_of_the_bootstrap_and_numbers_of_patients_are_shown() -> None:
    ends = {"plateau_width": (1.1, 1.9), "mean_balanced_accuracy": (None, None), "youden_loss": (0.0, 0.04)}
    compared = replace(FULL.comparisons[0], sampled=Comparison(0.2, 0.09, 0.31, None), normals=41, abnormals=72)
    told = replace(FULL, thresholds=(replace(FULL.thresholds[0], intervals=ends),), comparisons=(compared,))
    text = render_report(told)
    for piece in (
        "1.400 [1.100, 1.900]",
        "<td>0.770</td>",
        "0.013 [0.000, 0.040]",
        "+0.200 [+0.100, +0.300]",
        "+0.200 [+0.090, +0.310]",
        "41 / 72",
    ):
        assert piece in text


def test_thresholds_and_every_score_are_listed() -> None:
    text = render_report(FULL)
    for piece in ("0.0312", "0.810", "0.920", "0.865", "1.400", "0.770", "0.013", "<td>0.900 *</td>", "<td>0.900</td>"):
        assert piece in text


def test_scores_of_the_core_have_a_table_of_their_own() -> None:
    def listed(report: Report) -> str:
        return render_report(report).split("Areas of every score")[1].split("<h2")[0]

    assert listed(FULL).count("<table") == 1
    (arm, *_) = FULL.arms
    core = ScoreResult("score_top5_core", 30, 40, auc_of(0.875), 0.7, 0.6)
    both = listed(replace(FULL, arms=(replace(arm, results=(*arm.results, core)),)))
    first, second = both.split("<table")[1:]
    assert "top5 core" not in first
    assert "0.875" not in first
    assert "top5 core" in second
    assert "<td>0.875</td>" in second


def test_one_arm_was_not_chosen_among_others() -> None:
    assert "best of" not in summary_sentence(replace(FULL, arms=FULL.arms[:1]))


def test_no_shortcut_measured_is_said() -> None:
    assert "No shortcut was measured" in summary_sentence(replace(FULL, shortcuts=()))


def test_the_notice_is_there_whatever_else_is_missing() -> None:
    empty = Report("phantom", "", "score_mean", 0.95, 0.9, ())
    text = render_report(empty)
    structure(empty)
    assert NOTICE.startswith("Research software. Not a medical device")
    assert NOTICE in text
    assert "No arm has a defined area" in text
    assert "<table" not in text


def test_every_number_of_an_arm_is_in_its_row() -> None:
    text = render_report(replace(FULL, arms=(arm_of("it_pr", 0.812, seed=3),)))
    cells = ["it_pr", "pca", "score_mean", "3", "40", "30", "0.812 [0.762, 0.862]", "0.700", "0.600", "12"]
    row = next(row for row in re.findall(r"<tr class=best>.*?</tr>", text))
    assert re.findall(r"<td[^>]*>(.*?)</td>", row) == cells
    assert "AUC [95 %]" in text
    assert "sensitivity at 90 % specificity" in text


def test_only_the_best_headline_row_is_marked() -> None:
    text = render_report(FULL)
    marked = re.findall(r"<tr class=best>.*?</tr>", text)
    assert len(marked) == 1
    assert "it_dpr" in marked[0]


def test_undefined_results_show_their_reason() -> None:
    broken = ScoreResult("score_mean", 3, 0, None, None, None, "needs abnormal & normal cases")
    text = render_report(replace(FULL, arms=(ArmResult("none", "pca", 0, None, (broken,)),)))
    assert "undefined: needs abnormal &amp; normal cases" in text
    assert "undefined: lost" in text
    assert "undefined: neither varies" in text


def test_stages_reasons_differences_and_provenance_are_listed() -> None:
    text = render_report(FULL)
    for piece in ("lung_masks", "90", "4.2", "left lung covers 1 % of the canvas", "+0.200 [+0.100, +0.300]"):
        assert piece in text
    for piece in ("&lt; 0.001", "<details>", "&quot;top_share&quot;: 0.05", "abc123", "2.13.0", "A synthetic cohort."):
        assert piece in text


@pytest.mark.parametrize("field", ["cohort", "created", "headline", "settings"])
def test_texts_are_escaped(field: str) -> None:
    text = render_report(replace(FULL, **{field: '<script>alert("x")</script>'}))  # type: ignore[arg-type]
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_nested_texts_are_escaped() -> None:
    evil = '"><img src=x onerror=y>'
    report = replace(
        FULL,
        arms=(replace(FULL.arms[0], alignment=evil), replace(FULL.arms[1], method=evil)),
        shortcuts=(ShortcutResult(evil, evil, auc_of(0.9), 0.9, evil),),
        thresholds=(replace(FULL.thresholds[0], arm=evil, score=evil),),
        comparisons=(ArmComparison(evil, evil, None, evil),),
        stages=(StageCount(evil, 1),),
        set_aside=(SetAside(evil, evil, 1),),
        pictures=(Picture(evil, evil, PNG),),
        digests={evil: evil},
        versions={evil: evil},
        notes=(evil,),
    )
    assert "<img src=x" not in render_report(report)
    assert structure(report).tags.count("img") == 1


def test_equal_reports_give_equal_texts() -> None:
    assert render_report(FULL) == render_report(replace(FULL))


def test_best_of_equals_is_the_first_and_undefined_arms_lose() -> None:
    lost = ArmResult("none", "cut", 0, None, ())
    tied = replace(FULL, arms=(lost, arm_of("it_pr", 0.8), arm_of("it_dpr", 0.8)))
    assert tied.best() is tied.arms[1]
    assert replace(FULL, arms=(lost,)).best() is None
