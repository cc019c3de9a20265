import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from assets.scoring.lesion import lesion_measures

Mask = npt.NDArray[np.bool_]


def scene() -> tuple[Mask, Mask]:
    lungs, lesion = np.zeros((32, 32), np.bool_), np.zeros((32, 32), np.bool_)
    lungs[4:28, 4:28] = True
    lesion[10:16, 10:16] = True
    return lungs, lesion


def test_perfect_reversed_and_constant_maps() -> None:
    lungs, lesion = scene()
    share = 36 / 576
    perfect = lesion_measures(lesion.astype(np.float32), lesion, lungs)
    assert perfect == pytest.approx({"lesion_auc": 1.0, "lesion_ap": 1.0})
    assert lesion_measures((~lesion).astype(np.float32), lesion, lungs)["lesion_auc"] == 0.0
    constant = lesion_measures(np.ones((32, 32), np.float32), lesion, lungs)
    assert constant == {"lesion_auc": 0.5, "lesion_ap": pytest.approx(share)}


def test_only_the_lungs_count() -> None:
    lungs, lesion = scene()
    values = np.random.default_rng(0).random((32, 32), np.float32)
    other = np.where(lungs, values, 9.0).astype(np.float32)
    assert lesion_measures(values, lesion, lungs) == lesion_measures(other, lesion, lungs)


@given(st.integers(0, 10_000))
@settings(max_examples=20, deadline=None)
def test_the_area_counts_pairs_of_pixels(seed: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 4, (6, 6)).astype(np.float32)
    lesion, lungs = rng.random((6, 6)) < 0.3, rng.random((6, 6)) < 0.9
    hit, rest = values[lungs & lesion], values[lungs & ~lesion]
    if not hit.size or not rest.size:
        assert lesion_measures(values, lesion, lungs) == {}
        return
    wins = (hit[:, None] > rest).mean() + 0.5 * (hit[:, None] == rest).mean()
    assert lesion_measures(values, lesion, lungs)["lesion_auc"] == pytest.approx(wins)


@given(st.integers(0, 10_000), st.booleans())
@settings(max_examples=20, deadline=None)
def test_both_agree_with_sklearn(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    values = rng.integers(0, 5, (9, 9)).astype(np.float32) if ties else rng.random((9, 9), np.float32)
    lesion, lungs = rng.random((9, 9)) < 0.3, np.ones((9, 9), np.bool_)
    lesion[0, :2] = False, True
    truth, inside = lesion[lungs], values[lungs]
    expected = {
        "lesion_auc": roc_auc_score(truth, inside),
        "lesion_ap": average_precision_score(truth, inside),
    }
    assert lesion_measures(values, lesion, lungs) == pytest.approx(expected)


@pytest.mark.parametrize("case", ["no lesion", "beside the lungs", "all of the lungs", "no lung"])
def test_what_cannot_be_told_is_left_out(case: str) -> None:
    lungs, lesion = scene()
    lesion = {"no lesion": lesion & False, "beside the lungs": ~lungs, "all of the lungs": lungs, "no lung": lesion}[
        case
    ]
    if case == "no lung":
        lungs = lungs & False
    assert lesion_measures(np.ones((32, 32), np.float32), lesion, lungs) == {}
