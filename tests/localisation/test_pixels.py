import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from assets.localisation.pixels import PixelMeasures, dice, pixel_measures

Mask = npt.NDArray[np.bool_]


def scene() -> tuple[Mask, Mask]:
    lungs = np.zeros((32, 32), np.bool_)
    lungs[4:28, 4:28] = True
    lesion = np.zeros((32, 32), np.bool_)
    lesion[10:16, 10:16] = lesion[20:22, 20:23] = True
    return lungs, lesion


def found(values: npt.NDArray[np.float32], lesion: Mask, lungs: Mask) -> PixelMeasures:
    measures = pixel_measures(values, lesion, lungs)
    assert measures is not None
    return measures


def best_dice(truth: Mask, scores: npt.NDArray[np.float32]) -> float:
    cuts = np.unique(scores)
    return max(float(f1_score(truth, scores >= cut)) for cut in cuts)


def overlap_by_the_book(values: npt.NDArray[np.float32], lesion: Mask, lungs: Mask) -> float:
    """AUPRO threshold by threshold, part by part, the area by many small steps."""
    parts, count = label(lesion & lungs, structure=np.ones((3, 3)))
    healthy = lungs & ~lesion
    rates, overlaps = [0.0], [0.0]
    for threshold in np.unique(values[lungs])[::-1]:
        above = values >= threshold
        rates.append(float(above[healthy].mean()))
        overlaps.append(float(np.mean([above[parts == part].mean() for part in range(1, count + 1)])))
    grid = np.linspace(0, 0.3, 30_001)
    return float(np.interp(grid, rates, overlaps).mean())


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 12, 20]))
def test_measures_agree_with_other_implementations(seed: int, levels: int) -> None:
    lungs, lesion = scene()
    rng = np.random.default_rng(seed)
    values = ((rng.integers(0, levels, (32, 32)) + lesion * rng.integers(0, levels)) / levels).astype(np.float32)
    mine = found(values, lesion, lungs)
    truth, scores = lesion[lungs], values[lungs]
    assert mine.auc == pytest.approx(roc_auc_score(truth, scores))
    assert mine.ap == pytest.approx(average_precision_score(truth, scores))
    assert mine.dice_oracle == pytest.approx(best_dice(truth, scores))
    assert mine.aupro == pytest.approx(overlap_by_the_book(values, lesion, lungs), abs=2e-3)


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 2**32 - 1))
def test_only_the_order_of_the_values_counts(seed: int) -> None:
    lungs, lesion = scene()
    values = np.random.default_rng(seed).random((32, 32)).astype(np.float32)
    mine, other = found(values, lesion, lungs), found(np.exp(3 * values).astype(np.float32), lesion, lungs)
    assert (mine.auc, mine.ap, mine.aupro) == pytest.approx((other.auc, other.ap, other.aupro), abs=1e-6)
    assert 0 <= mine.aupro <= 1
    loud = np.where(lungs, values, np.float32(99))
    assert found(loud, lesion, lungs) == mine


def test_perfect_constant_and_reversed_maps() -> None:
    lungs, lesion = scene()
    perfect = lesion.astype(np.float32)
    assert found(perfect, lesion, lungs) == PixelMeasures(1.0, 1.0, 1.0, 1.0)
    constant = found(np.ones((32, 32), np.float32), lesion, lungs)
    share = lesion[lungs].mean()
    assert [constant.auc, constant.ap] == pytest.approx([0.5, share])
    # The diagonal up to 0.3, divided by 0.3.
    assert constant.aupro == pytest.approx(0.15)
    assert constant.dice_oracle == pytest.approx(2 * share / (1 + share))
    reverse = found(1 - perfect, lesion, lungs)
    assert (reverse.auc, reverse.aupro) == (0.0, 0.0)


def test_a_small_part_weighs_as_much_as_a_large_one() -> None:
    lungs, lesion = scene()
    small, large = (np.zeros((32, 32), np.float32) for _ in range(2))
    small[20:22, 20:23] = large[10:16, 10:16] = 1
    assert found(small, lesion, lungs).aupro == pytest.approx(found(large, lesion, lungs).aupro)
    assert found(small, lesion, lungs).auc < found(large, lesion, lungs).auc


def test_undefined_without_a_lesion_in_the_lungs_or_all_of_them() -> None:
    lungs, _ = scene()
    values = np.ones((32, 32), np.float32)
    assert pixel_measures(values, ~lungs, lungs) is None
    assert pixel_measures(values, lungs, lungs) is None


def test_dice_of_nothing_is_one_only_where_nothing_was_to_be_found() -> None:
    lungs, lesion = scene()
    nothing = np.zeros_like(lesion)
    assert dice(nothing, nothing, lungs) == 1.0
    assert dice(~lungs, nothing, lungs) == 1.0
    assert dice(lesion, nothing, lungs) == 0.0
    assert dice(nothing, lesion, lungs) == 0.0
    assert dice(lesion, lesion, lungs) == 1.0
    assert dice(lungs, lesion, lungs) == pytest.approx(2 * lesion.sum() / (lesion.sum() + lungs.sum()))
