from typing import Any

import numpy as np
import pytest

from tests.benchmarks.translation_table import best_score, comparison

COUNT = 40


def _rows(alignment: str, seed: int, scores: list[float], split: str = "test") -> list[dict[str, Any]]:
    """Half of them normal, then abnormal ones; the pixel AUC of a lesion follows its score."""
    return [
        {
            "radiograph_id": f"{place:04d}",
            "arm": f"{alignment}/cut",
            "alignment": alignment,
            "method": "cut",
            "seed": seed,
            "split": split,
            "domain": "abnormal" if place >= COUNT // 2 else "normal",
            "score_mean": score,
            "score_top5": -score,
            "score_mean_positive": 0.0,
            "score_top5_positive": 0.0,
            "lesion_auc": score / 2 if place >= COUNT // 2 else None,
        }
        for place, score in enumerate(scores)
    ]


def _noise(seed: int) -> list[float]:
    return list(np.random.default_rng(seed).random(COUNT))


def test_equal_arms_do_not_differ() -> None:
    rows = [row for name in ("none", "it_dpr") for seed in (0, 1) for row in _rows(name, seed, _noise(seed))]
    result = comparison(rows, "cut", "score_mean", 200, np.random.default_rng(0))
    assert result.patients == COUNT
    assert result.image.registered == result.image.unregistered
    assert (result.image.low, result.image.high, result.image.p_value) == (0.0, 0.0, 1.0)
    assert result.pixel.by_seed == (0.0, 0.0)


def test_a_perfect_arm_beats_a_random_one_beyond_chance() -> None:
    perfect = [float(place >= COUNT // 2) + place / 1000 for place in range(COUNT)]
    rows = [row for seed in (0, 1, 2) for row in (*_rows("it_dpr", seed, perfect), *_rows("none", seed, _noise(seed)))]
    result = comparison(rows, "cut", "score_mean", 200, np.random.default_rng(0))
    assert result.image.registered == 1.0
    assert 0.3 < result.image.unregistered < 0.7
    assert result.image.low > 0
    # Nothing drawn beyond zero: twice one of 201.
    assert result.image.p_value == pytest.approx(2 / 201)
    assert len(result.image.by_seed) == 3
    # Lesions' areas are halved scores: of 1.02 to 1.039 on the one side, of noise on the other.
    assert result.pixel.registered == pytest.approx(1.0295 / 2)
    assert result.pixel.low > 0


def test_the_reversed_arm_loses() -> None:
    rising = [place / COUNT for place in range(COUNT)]
    rows = [*_rows("it_dpr", 0, rising[::-1]), *_rows("none", 0, rising)]
    result = comparison(rows, "cut", "score_mean", 200, np.random.default_rng(0))
    assert (result.image.registered, result.image.unregistered) == (0.0, 1.0)
    assert result.image.high < 0


def test_patients_that_an_arm_did_not_score_are_left_out() -> None:
    rows = [*_rows("it_dpr", 0, _noise(0))[1:], *_rows("none", 0, _noise(1))[:-1]]
    assert comparison(rows, "cut", "score_mean", 200, np.random.default_rng(0)).patients == COUNT - 2


def test_the_score_is_chosen_on_validation_alone() -> None:
    rising = [place / COUNT for place in range(COUNT)]
    rows = [*_rows("none", 0, rising, "validation"), *_rows("none", 0, rising[::-1])]
    assert best_score(rows) == "score_mean"
    assert best_score([{**row, "split": "validation"} for row in rows[COUNT:]]) == "score_top5"
