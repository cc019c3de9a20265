from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from assets.segmentation.preview import mask_sheet, review_sheet, score_histogram, worst_first

TEXT_BLOCK = 4 + 14


def drawn(side: int) -> tuple[Any, Any]:
    image, labels = np.full((side, side), 0.5, np.float32), np.zeros((side, side), np.uint8)
    labels[side // 4 : side // 2, side // 8 : side // 3], labels[side // 4 : side // 2, side // 2 :] = 1, 2
    return image, labels


def row(name: str, quality: float | None, status: str = "ok", reason: str = "") -> dict[str, Any]:
    return {"radiograph_id": name, "quality": quality, "status": status, "reason": reason, "mask_source": "trained"}


def test_tiles_of_any_size_in_rows_with_colored_outlines() -> None:
    images, lungs = zip(drawn(64), drawn(256), strict=True)
    sheet = mask_sheet(images, lungs, ["a", "b"], columns=6, side=100).astype(int)
    assert sheet.shape == (4 + 100 + 4 + 18, 4 + 2 * 104, 3)
    warmth = sheet[..., 0] - sheet[..., 2]
    assert warmth.max() > 60
    assert warmth.min() < -60


def test_lists_must_be_equally_long_and_not_empty() -> None:
    image, labels = np.zeros((8, 8), np.float32), np.zeros((8, 8), np.uint8)
    with pytest.raises(ValueError, match=r"shorter|longer"):
        mask_sheet([image, image], [labels], ["a", "b"])
    with pytest.raises(ValueError, match="captions"):
        mask_sheet([image], [labels], ["a", "b"])
    with pytest.raises(ValueError, match="needs a tile"):
        mask_sheet([], [], [])
    with pytest.raises(ValueError, match=r"shorter|longer"):
        review_sheet([image], [labels], [row("a", 0.9), row("b", 0.9)])
    with pytest.raises(ValueError, match="needs a tile"):
        review_sheet([], [], [])


def test_what_was_set_aside_comes_first_and_what_has_no_score_after_a_low_one() -> None:
    rows = [
        row("fine", 0.97),
        row("unscored", None),
        row("passable", 0.9),
        row("implausible, unscored", None, "needs_review"),
        row("implausible, scored well", 0.95, "needs_review"),
        row("poor", 0.5, "needs_review"),
        row("lost", 0.0, "needs_review"),
    ]
    assert [found["radiograph_id"] for found in worst_first(rows)] == [
        "lost",
        "poor",
        "implausible, scored well",
        "implausible, unscored",
        "passable",
        "fine",
        "unscored",
    ]


@given(st.lists(st.tuples(st.none() | st.floats(0, 1), st.booleans()), max_size=12), st.randoms())
def test_the_order_does_not_depend_on_the_order_of_the_manifest(
    kinds: list[tuple[float | None, bool]],
    random: Any,  # noqa: ANN401 (random.Random)
) -> None:
    rows = [row(f"{i:02d}", quality, "ok" if ok else "needs_review") for i, (quality, ok) in enumerate(kinds)]
    shuffled = list(rows)
    random.shuffle(shuffled)
    assert worst_first(shuffled) == worst_first(rows)
    assert sorted(found["radiograph_id"] for found in worst_first(rows)) == [found["radiograph_id"] for found in rows]


def test_reasons_stand_below_the_set_aside_tiles_and_fit_their_width() -> None:
    image, labels = drawn(64)
    reason = "the bases differ by 14.2% of the height, more than 12.0%; incomprehensibilities of every sort"
    calm = review_sheet([image, image], [labels, labels], [row("a", 0.9), row("b", None)], side=100)
    assert calm.shape == (4 + 100 + TEXT_BLOCK + 4, 4 + 2 * 104, 3)
    rows = [row("a", 0.3, "needs_review", reason), row("b", 0.9)]
    sheet = review_sheet([image, image], [labels, labels], rows, side=100).astype(int)
    assert sheet.shape == (4 + 100 + TEXT_BLOCK + 2 * 14 + 4, 4 + 2 * 104, 3)
    block = (sheet[4 + 100 + TEXT_BLOCK : -4] - np.array([20, 21, 24])).any(axis=-1)
    assert block[:14, 4:104].any()
    assert block[14:, 4:104].any()
    # Neither into the gap between the tiles nor below the accepted one.
    assert not block[:, 104:].any()


def test_the_caption_shows_the_score() -> None:
    image, labels = drawn(64)
    sheets = [review_sheet([image], [labels], [row("abcdef", quality)]) for quality in (None, 0.31, 0.97)]
    assert len({sheet.tobytes() for sheet in sheets}) == 3
    assert len({sheet.shape for sheet in sheets}) == 1


def test_histogram_marks_the_gate_and_counts_what_has_no_score() -> None:
    scores: dict[str, list[float | None]] = {"ok": [0.95, 0.96, np.nan], "needs_review": [None, 0.4], "empty": []}
    plain, gated = score_histogram(scores, None, "title"), score_histogram(scores, 0.85, "title")
    complete = score_histogram({"ok": [0.95, 0.96], "needs_review": [0.4], "empty": []}, None, "title")
    # Only the title tells of the two without score.
    assert plain.shape == complete.shape
    assert (plain != complete).any(axis=(1, 2)).nonzero()[0].max() < 30
    assert plain.shape == gated.shape

    def black_in_a_column(picture: Any) -> int:  # noqa: ANN401 (an array)
        return int((picture.max(axis=-1) < 40).sum(axis=0).max())

    assert black_in_a_column(gated) > black_in_a_column(plain) + 50


@pytest.mark.parametrize("scores", [{"ok": [1.0]}, {"ok": [0.0, 1.0]}, {"ok": [0.5] * 900, "failed": [np.nan]}])
@pytest.mark.parametrize("gate", [None, 0.0, 0.86, 1.0])
def test_histogram_of_few_extreme_or_many_scores(scores: dict[str, list[float]], gate: float | None) -> None:
    figure = score_histogram(scores, gate)
    assert (figure < 255).any(axis=-1).mean() > 0.02


def test_a_mask_whose_score_is_the_gate_goes_on() -> None:
    at, under = score_histogram({"ok": [0.86]}, 0.86), score_histogram({"ok": [0.8599999]}, 0.86)
    assert not np.array_equal(at, under)


def test_a_histogram_needs_a_score() -> None:
    empty: list[dict[str, list[float]]] = [{}, {"ok": []}, {"ok": [np.nan]}]
    for scores in empty:
        with pytest.raises(ValueError, match="finite"):
            score_histogram(scores, 0.86)
