from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.leaks.settings import Variant
from assets.leaks.variants import Lungs, convex
from assets.segmentation.quality import dice, solidity
from assets.segmentation.settings import SegmentationSettings
from assets.segmentation.sources import RowMasks
from assets.segmenter.trained import TrainedSegmenter
from tests.leaks.leak_scenes import U8, Seeing, phantom

OPEN = SegmentationSettings(smoothing_radius=0.0)


def bitten(seed: int) -> U8:
    """The lungs of a phantom with discs bitten out of them."""
    rng = np.random.default_rng(seed)
    lungs = phantom(0).lungs.copy()
    rows, columns = np.mgrid[: lungs.shape[0], : lungs.shape[1]]
    for y, x in np.argwhere(lungs > 0)[rng.integers(0, (lungs > 0).sum(), 4)]:
        lungs[(rows - y) ** 2 + (columns - x) ** 2 < 30] = 0
    return lungs


def known(index: int, *, exact: bool = True, lesion: bool = True) -> Lungs:
    drawn = phantom(index)
    masks = RowMasks(drawn.image, drawn.lungs, None, OPEN)
    return Lungs(bitten(index), masks, exact, drawn.lesion > 0 if lesion else None)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_a_hull_keeps_every_pixel_of_its_lung_and_leaves_no_notch(seed: int) -> None:
    lungs = bitten(seed)
    closed = convex(lungs)
    assert np.array_equal(closed[lungs > 0], lungs[lungs > 0])
    # Drawn on pixels, a hull takes in a few more of its own.
    assert dice(convex(closed), closed) > 0.98
    # The other lung may lie in a hull; these phantoms' do not.
    assert min(solidity(closed == label) for label in (1, 2)) > 0.95


def test_a_hull_gives_back_what_a_lesion_took_from_the_outline() -> None:
    for index in (1, 3, 5, 7):
        drawn = phantom(index)
        cut = np.where(drawn.lesion > 0, np.uint8(0), drawn.lungs)
        assert dice(convex(cut), convex(drawn.lungs)) >= dice(cut, drawn.lungs)


def test_a_missing_lung_stays_missing() -> None:
    right = np.where(phantom(0).lungs == 1, np.uint8(1), np.uint8(0))
    assert set(np.unique(convex(right))) == {0, 1}
    assert not convex(np.zeros_like(right)).any()


def test_variants_are_what_they_are_called() -> None:
    lungs, drawn = known(1), phantom(1)
    found = {name: lungs.variant(name) for name in ("used", "convex", "exact", "lesion_cut", "pbtseg")}
    assert found["used"] is lungs.used
    assert np.array_equal(found["convex"], convex(lungs.used))  # type: ignore[arg-type]
    assert np.array_equal(found["exact"], drawn.lungs)  # type: ignore[arg-type]
    assert found["pbtseg"] is not None
    assert np.array_equal(found["pbtseg"], lungs.masks.pbtseg)


def test_a_lesion_at_the_outline_is_cut_out_and_one_within_is_a_hole_that_is_closed() -> None:
    lungs = phantom(0).lungs
    rows, columns = np.nonzero(lungs == 1)
    bite, hole = np.zeros(lungs.shape, np.bool_), np.zeros(lungs.shape, np.bool_)
    bite[rows.min() : rows.min() + 12, : columns.max() + 1] = True
    hole[int(rows.mean()) - 2 : int(rows.mean()) + 3, int(columns.mean()) - 2 : int(columns.mean()) + 3] = True
    masks = RowMasks(phantom(0).image, lungs, None, OPEN)
    whole = Lungs(lungs, masks, True, np.zeros_like(bite)).variant("lesion_cut")
    cut, closed = (Lungs(lungs, masks, True, lesion).variant("lesion_cut") for lesion in (bite, hole))
    assert whole is not None
    assert cut is not None
    assert closed is not None
    assert np.array_equal(closed, whole)
    assert not cut[bite].any()
    assert np.array_equal(cut[~bite], whole[~bite])


def test_supplied_masks_are_the_truth_or_are_not() -> None:
    truth, drawn = known(1), known(1, exact=False)
    assert (truth.variant("supplied"), drawn.variant("exact")) == (None, None)
    supplied = drawn.variant("supplied")
    assert supplied is not None
    assert dice(supplied, phantom(1).lungs) > 0.97


def test_nothing_is_cut_out_where_no_lesion_is_known() -> None:
    assert known(1, lesion=False).variant("lesion_cut") is None
    healthy = known(0).variant("lesion_cut")
    assert healthy is not None
    assert dice(healthy, phantom(0).lungs) > 0.97


def test_the_networks_mask_is_cleaned_and_without_a_network_there_is_none() -> None:
    drawn = phantom(1)
    network = cast("TrainedSegmenter", Seeing(drawn.lungs))
    lungs = Lungs(drawn.lungs, RowMasks(drawn.image, None, network, OPEN))
    found = lungs.variant("trained")
    assert found is not None
    assert found is lungs.masks.trained
    assert dice(found, drawn.lungs) > 0.97
    assert Lungs(drawn.lungs, RowMasks(drawn.image, drawn.lungs, None, OPEN)).variant("trained") is None


@pytest.mark.parametrize("name", ["supplied", "exact", "lesion_cut"])
def test_without_a_supplied_mask_there_is_none_of_its_variants(name: Variant) -> None:
    drawn = phantom(1)
    for exact in (True, False):
        lungs = Lungs(drawn.lungs, RowMasks(drawn.image, None, None, OPEN), exact, drawn.lesion > 0)
        assert lungs.variant(name) is None


def test_a_mask_of_one_lung_is_no_variant() -> None:
    drawn = phantom(1)
    everything = Lungs(drawn.lungs, RowMasks(drawn.image, drawn.lungs, None, OPEN), True, drawn.lungs == 2)
    assert everything.variant("lesion_cut") is None
    flat = RowMasks(np.ones_like(drawn.image), None, None, OPEN)
    assert Lungs(drawn.lungs, flat).variant("pbtseg") is None
