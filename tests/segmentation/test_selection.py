from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from assets.segmentation.quality import bases_differ, lung_flags
from assets.segmentation.selection import Choice, Judge, choose
from assets.segmentation.settings import SegmentationSettings, Source

U8 = npt.NDArray[np.uint8]
SIDE = 64
ABSENT: dict[Source, str] = {"supplied": "none given", "trained": "no network"}
BASES = "the bases differ by 18.8% of the height, more than 12.0%"
LACKS_LEFT = "the left lung is missing"


def lungs(right: tuple[int, int] = (12, 52), left: tuple[int, int] = (12, 52), width: int = 14) -> U8:
    """Two boxes from row to row; the patient's right lung is at the image's left."""
    labels = np.zeros((SIDE, SIDE), np.uint8)
    labels[slice(*right), 10 : 10 + width] = 1
    labels[slice(*left), 54 - width : 54] = 2
    return labels


WHOLE = lungs()
# One column wider, so that it can be told apart.
OTHER = lungs(width=15)
SHORT = lungs(right=(12, 40))
# So short that its area is suspicious, too.
SHORTER = lungs(right=(12, 36))
SMALL = lungs(width=4)
ONE = lungs(left=(0, 0))


def chosen(
    masks: dict[Source, U8 | None],
    scores: dict[Source, float] | None = None,
    gate: float = 0.8,
    **settings: Any,  # noqa: ANN401 (fields of the settings)
) -> tuple[Choice, list[Source]]:
    """The choice between masks, of whose right lung a score is known by source, and the sources that were asked."""
    asked: list[Source] = []

    def maker(source: Source) -> Callable[[], U8 | None]:
        def make() -> U8 | None:
            asked.append(source)
            return masks.get(source)

        return make

    def score(mask: U8) -> tuple[float, float]:
        assert scores is not None
        found = [scores[source] for source, known in masks.items() if known is not None and np.array_equal(mask, known)]
        return (found[0] if found else 1.0), 1.0

    judge = Judge(SegmentationSettings(**settings), None if scores is None else score, gate)
    makers: dict[Source, Callable[[], U8 | None]] = {
        "supplied": maker("supplied"),
        "trained": maker("trained"),
        "pbtseg": maker("pbtseg"),
    }
    return choose(makers, judge, 0.0, ABSENT), asked


def test_the_boxes_are_what_their_names_say() -> None:
    settings = SegmentationSettings()
    assert lung_flags(WHOLE, settings) == lung_flags(OTHER, settings) == []
    assert lung_flags(SHORT, settings) == [BASES]
    assert bases_differ([BASES])
    assert bases_differ(["the right lung covers 4.0% of the image, less than 5.0%", BASES])
    assert not bases_differ([])
    assert not bases_differ(lung_flags(SMALL, settings))
    assert lung_flags(ONE, settings) == [LACKS_LEFT]


@pytest.mark.parametrize(
    ("masks", "scores", "source", "passed_over"),
    [
        ({"supplied": WHOLE, "trained": OTHER, "pbtseg": OTHER}, None, "supplied", ""),
        ({"trained": WHOLE, "pbtseg": OTHER}, None, "trained", "supplied: none given"),
        ({"pbtseg": WHOLE}, None, "pbtseg", "supplied: none given | trained: no network"),
        ({"supplied": SHORT, "trained": WHOLE}, None, "trained", f"supplied: {BASES}"),
        ({"supplied": ONE, "pbtseg": WHOLE}, None, "pbtseg", f"supplied: {LACKS_LEFT} | trained: no network"),
        (
            {"supplied": WHOLE, "trained": OTHER},
            {"supplied": 0.7, "trained": 0.9},
            "trained",
            "supplied: the mask's quality score is 0.70, below the gate 0.80; look at it or supply another",
        ),
        ({"supplied": WHOLE, "trained": OTHER}, {"supplied": 0.8, "trained": 0.9}, "supplied", ""),
    ],
)
def test_the_first_source_that_passes_is_taken_and_the_others_say_why_not(
    masks: dict[Source, U8 | None], scores: dict[Source, float] | None, source: Source, passed_over: str
) -> None:
    choice, asked = chosen(masks, scores)
    assert choice.taken is not None
    assert (choice.taken.source, choice.taken.reasons, choice.taken.base_completed) == (source, [], "")
    np.testing.assert_array_equal(choice.taken.lungs, masks[source])
    assert choice.passed_over == passed_over
    # Nothing is made that is not needed.
    assert asked == list(SegmentationSettings().sources)[: len(asked)]
    assert asked[-1] == source


def test_the_order_is_that_of_the_setting() -> None:
    masks: dict[Source, U8 | None] = {"supplied": WHOLE, "pbtseg": OTHER}
    choice, asked = chosen(masks, sources=["pbtseg", "supplied"])
    assert choice.taken is not None
    assert (choice.taken.source, asked) == ("pbtseg", ["pbtseg"])


@pytest.mark.parametrize(("scores", "best"), [(None, "trained"), ({"trained": 0.3, "pbtseg": 0.5}, "pbtseg")])
def test_where_none_passes_the_best_is_kept_with_its_reasons(scores: dict[Source, float] | None, best: Source) -> None:
    masks: dict[Source, U8 | None] = {"supplied": ONE, "trained": SMALL, "pbtseg": lungs(width=3)}
    choice, asked = chosen(masks, scores)
    assert choice.taken is not None
    assert choice.taken.source == best
    assert "covers" in choice.taken.reasons[0]
    assert asked == ["supplied", "trained", "pbtseg"]
    others = [part.partition(":")[0] for part in choice.passed_over.split(" | ")]
    assert others == [source for source in masks if source != best]


def test_without_two_lungs_from_any_source_nothing_is_taken() -> None:
    choice, _ = chosen({"supplied": ONE, "pbtseg": np.zeros_like(ONE)})
    assert choice.taken is None
    assert choice.passed_over == (
        f"supplied: {LACKS_LEFT} | trained: no network | pbtseg: the right lung is missing; {LACKS_LEFT}"
    )


@pytest.mark.parametrize("short", [SHORT, SHORTER])
def test_a_high_base_is_completed_where_no_source_passes(short: U8) -> None:
    choice, _ = chosen({"supplied": short, "pbtseg": SMALL})
    assert choice.taken is not None
    assert (choice.taken.source, choice.taken.base_completed, choice.taken.reasons) == ("supplied", "right", [])
    assert (choice.taken.lungs == 1).sum() > (short == 1).sum()
    np.testing.assert_array_equal(choice.taken.lungs == 2, short == 2)
    assert choice.passed_over.startswith("trained: no network | pbtseg: ")


def test_the_better_of_two_high_bases_is_completed_whatever_its_own_score() -> None:
    masks: dict[Source, U8 | None] = {"trained": SHORT, "pbtseg": lungs(right=(12, 42))}
    choice, _ = chosen(masks, {"trained": 0.4, "pbtseg": 0.6})
    assert choice.taken is not None
    assert (choice.taken.source, choice.taken.base_completed) == ("pbtseg", "right")
    assert choice.taken.quality == (1.0, 1.0)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"complete_bases": False}, BASES),
        # The short lung may be so small only while the other is larger than it: completed, it fails.
        ({"minimum_ratio": 1.4}, BASES),
    ],
)
def test_a_base_stays_as_it_is_where_that_is_not_wanted_or_the_result_does_not_pass(
    settings: dict[str, Any], reason: str
) -> None:
    choice, _ = chosen({"supplied": SHORT}, sources=["supplied"], **{"maximum_ratio": 2.0, **settings})
    assert choice.taken is not None
    np.testing.assert_array_equal(choice.taken.lungs, SHORT)
    assert (choice.taken.base_completed, choice.taken.reasons) == ("", [reason])


def test_the_text_never_says_that_a_score_is_below_itself() -> None:
    choice, _ = chosen({"supplied": WHOLE}, {"supplied": 0.8571}, 0.8573, sources=["supplied"])
    assert choice.taken is not None
    assert choice.taken.doubt.startswith("the mask's quality score is 0.85, below the gate 0.86; ")
