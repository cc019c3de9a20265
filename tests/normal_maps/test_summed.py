"""Normal maps of made-up maps: what is usual, for a stranger and for one of the normals themselves."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import FITTED_ON, NormalMaps, members_array, normal_maps_of, pooling_of
from assets.normal_maps.summed import summed
from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.framed import Framed, Mapped
from assets.scoring.score import KINDS
from assets.translation.moments import arrays_of

SIDE = 24
SETTINGS = NormalMapsSettings()
BLANK = torch.zeros(1, SIDE, SIDE)


def row(seed: int) -> Mapped:
    rng = np.random.default_rng(seed)
    lungs = np.zeros((SIDE, SIDE), np.bool_)
    lungs[2 + seed % 3 : 20, 3:21] = True
    absolute = np.where(lungs, rng.random((SIDE, SIDE)), 0).astype(np.float32)
    positive = np.where(rng.random((SIDE, SIDE)) < 0.5, absolute, 0).astype(np.float32)
    return Mapped(Framed(BLANK, BLANK, None), BLANK, {"absolute": absolute, "positive": positive}, lungs)


def name(seed: int) -> str:
    return f"{seed:032x}"


def stored(seeds: list[int], chosen: NormalMapsSettings = SETTINGS) -> NormalMaps:
    found = summed((row(seed) for seed in seeds), SIDE, chosen)
    members = members_array([name(seed) for seed in seeds])
    return normal_maps_of({**arrays_of(found.moments.items()), FITTED_ON: members}, chosen)


def test_a_stranger_is_compared_with_all_normals() -> None:
    maps = stored([1, 2, 3, 4])
    for kind in KINDS:
        assert maps.for_row(name(9), row(9))[kind] is maps.whole(kind)


@given(st.integers(0, 5))
@settings(max_examples=6, deadline=None)
def test_a_normal_is_compared_with_the_others_alone(own: int) -> None:
    seeds = list(range(6))
    found = stored(seeds).for_row(name(own), row(own))
    others = stored([seed for seed in seeds if seed != own])
    for kind in KINDS:
        np.testing.assert_allclose(found[kind].mean, others.whole(kind).mean, atol=1e-5)
        np.testing.assert_allclose(found[kind].spread, others.whole(kind).spread, atol=1e-4)


def test_its_own_map_would_have_looked_more_usual_with_itself_among_the_normals() -> None:
    maps = stored(list(range(8)))
    own = row(3)
    with_itself = np.abs(maps.whole("absolute").z(own.values["absolute"], own.lungs)).mean()
    without = np.abs(maps.for_row(name(3), own)["absolute"].z(own.values["absolute"], own.lungs)).mean()
    assert without > with_itself


def test_the_threshold_is_a_quantile_of_the_smoothed_maps_pixels() -> None:
    rows = [row(seed) for seed in range(5)]
    pixels = np.concatenate([smooth_in_lung(each.values["absolute"], each.lungs, 2.0)[each.lungs] for each in rows])
    assert summed(rows, SIDE, SETTINGS).threshold == pytest.approx(np.quantile(pixels, 0.995))
    half = NormalMapsSettings(threshold_share=0.5, threshold_sigma=0)
    sharp = np.concatenate([each.values["absolute"][each.lungs] for each in rows])
    assert summed(rows, SIDE, half).threshold == pytest.approx(np.median(sharp))


def test_settings_say_how_mean_and_spread_are_pooled() -> None:
    chosen = NormalMapsSettings(smoothing=5.0, prior=3.0, smallest_spread=0.5)
    assert pooling_of(chosen) == stored([1, 2], chosen).pooling
    assert not np.allclose(stored([1, 2], chosen).whole("absolute").mean, stored([1, 2]).whole("absolute").mean)


def test_no_normal_is_refused() -> None:
    with pytest.raises(ValueError, match="no normal has a pixel of lung"):
        summed([], SIDE, SETTINGS)
