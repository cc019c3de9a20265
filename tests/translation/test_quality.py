import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from torch import Tensor

from assets.scoring.anomaly_map import anomaly_maps
from assets.translation.panel import Imaged, Panel, Planted, Translations, no_planted, translations
from assets.translation.quality import changes, lesion_drop, measured, psnr

SIDE = 16
LUNG = (slice(None), slice(None), slice(2, 14), slice(2, 14))
BLOB = (slice(None), slice(None), slice(4, 8), slice(4, 8))


def masks(count: int) -> Tensor:
    mask = torch.zeros(count, 1, SIDE, SIDE)
    mask[LUNG] = 1
    return mask


def images(count: int, seed: int) -> Tensor:
    """Random lungs in [-0.6, 0.4], nothing outside."""
    inside = torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)) - 0.6
    return torch.where(masks(count) > 0, inside, torch.tensor(-1.0))


def imaged(count: int, seed: int) -> Imaged:
    return Imaged(images(count, seed), masks(count))


def planted(count: int, height: float | Tensor = 0.5) -> Planted:
    """Twins with a square that is brighter by `height` or by (N, 1, 1, 1) of them, in units of [-1, 1]."""
    twins, extent = images(count, 7), torch.zeros(count, 1, SIDE, SIDE)
    extent[BLOB] = 1
    return Planted(twins + height * extent, masks(count), twins, extent)


def untouched(panel: Panel) -> Translations:
    return translations(panel, lambda x, _: x)


def panel(abnormal: int = 3, normal: int = 4, lesions: int = 2) -> Panel:
    return Panel(imaged(abnormal, 1), imaged(normal, 2), planted(lesions))


def test_a_translator_that_does_nothing() -> None:
    found = measured(panel(), untouched(panel()))
    assert found["validation_auc"] == 0.5
    assert found["normal_preservation"] == 0
    assert found["planted_psnr"] == found["planted_psnr_input"]
    assert found["planted_lesion_drop"] == 0


def test_a_translator_that_removes_what_was_planted() -> None:
    whole = panel()
    found = measured(whole, Translations(whole.abnormal.images, whole.normal.images, whole.planted.twins))
    assert found["planted_lesion_drop"] == 1
    # What rounding to 16 bits makes of an image, and no more.
    assert found["planted_psnr"] == pytest.approx(10 * math.log10(12 * 65535**2))


def test_the_input_s_ratio_is_that_of_the_known_blob() -> None:
    # A quarter brighter (0.5 in [-1, 1]) on 16 of 144 lung pixels.
    expected = -10 * math.log10(0.25**2 * 16 / 144)
    assert psnr(planted(3).images, planted(3)) == pytest.approx([expected] * 3)


def test_pixels_outside_the_lungs_do_not_count() -> None:
    whole = panel()
    elsewhere = torch.where(masks(4) > 0, whole.normal.images, torch.tensor(1.0))
    assert (changes(whole.normal, elsewhere) == 0).all()
    outside = torch.where(masks(2) > 0, whole.planted.images, torch.tensor(1.0))
    assert (psnr(outside, whole.planted) == psnr(whole.planted.images, whole.planted)).all()
    assert lesion_drop(whole.planted, outside) == 0


def test_changes_are_the_mean_of_the_anomaly_map() -> None:
    x, y = imaged(5, 3), images(5, 4)
    maps = anomaly_maps(x.images, y, x.masks)
    expected = [values[inside].mean() for values, inside in zip(maps.absolute, maps.lungs, strict=True)]
    assert changes(x, y) == pytest.approx(expected)


def test_the_area_is_that_of_the_mean_changes() -> None:
    whole = panel(6, 8)
    made = Translations(images(6, 11), images(8, 12), whole.planted.images)
    scores = np.concatenate([changes(whole.abnormal, made.abnormal), changes(whole.normal, made.normal)])
    expected = roc_auc_score([1] * 6 + [0] * 8, scores)
    assert measured(whole, made)["validation_auc"] == pytest.approx(expected)


@settings(deadline=None, max_examples=30)
@given(share=st.floats(0, 1.5), height=st.floats(0.1, 1.0))
def test_the_drop_is_the_share_that_is_taken_away(share: float, height: float) -> None:
    known = planted(3, height)
    weaker = known.images - share * (known.images - known.twins)
    assert lesion_drop(known, weaker) == pytest.approx(share, abs=1e-5)


@pytest.mark.parametrize("heights", [(0.5, -0.5), (0.5, -0.3)])
def test_bright_and_dark_lesions_weigh_by_the_size_of_their_contrast(heights: tuple[float, float]) -> None:
    known = planted(2, torch.tensor(heights)[:, None, None, None])
    assert lesion_drop(known, known.images) == 0
    assert lesion_drop(known, known.twins) == 1
    bright_gone = torch.stack([known.twins[0], known.images[1]])
    weight = abs(heights[0]) / (abs(heights[0]) + abs(heights[1]))
    assert lesion_drop(known, bright_gone) == pytest.approx(weight, abs=1e-5)
    assert lesion_drop(known, known.twins - (known.images - known.twins)) == pytest.approx(2, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(offset=st.floats(-0.3, 0.3))
def test_darkening_the_whole_image_removes_no_lesion(offset: float) -> None:
    known = planted(3)
    assert lesion_drop(known, known.images + offset) == pytest.approx(0, abs=1e-5)


@settings(deadline=None, max_examples=30)
@given(error=st.floats(0.001, 0.5), seed=st.integers(0, 99))
def test_a_larger_error_never_has_a_better_ratio(error: float, seed: int) -> None:
    known, noise = planted(2), torch.randn((2, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed))
    nearer, farther = (psnr(known.twins + factor * error * noise, known) for factor in (1, 2))
    assert (nearer - farther) == pytest.approx([20 * math.log10(2)] * 2, abs=1e-3)


def test_a_lesion_that_fills_the_lungs_or_is_not_seen_has_no_contrast() -> None:
    known = planted(2)
    everywhere = Planted(known.images, known.masks, known.twins, torch.ones_like(known.lesions))
    assert lesion_drop(everywhere, known.twins) is None
    faint = planted(2, 0.001)
    assert lesion_drop(faint, faint.twins) is None
    nowhere = Planted(known.images, known.masks, known.twins, torch.zeros_like(known.lesions))
    assert lesion_drop(nowhere, known.twins) is None


@pytest.mark.parametrize(
    ("abnormal", "normal", "lesions", "names"),
    [
        (0, 0, 0, set()),
        (3, 0, 0, set()),
        (0, 3, 0, {"normal_preservation"}),
        (1, 1, 0, {"validation_auc", "normal_preservation"}),
        (0, 0, 1, {"planted_psnr", "planted_psnr_input", "planted_lesion_drop"}),
    ],
)
def test_what_cannot_be_measured_is_absent(abnormal: int, normal: int, lesions: int, names: set[str]) -> None:
    whole = Panel(imaged(abnormal, 1), imaged(normal, 2), planted(lesions) if lesions else no_planted(SIDE))
    found = measured(whole, untouched(whole))
    assert found.keys() == names
    assert all(math.isfinite(value) for value in found.values())


def test_constant_images_give_numbers() -> None:
    flat = Imaged(torch.full((3, 1, SIDE, SIDE), -0.2), masks(3))
    whole = Panel(flat, flat, no_planted(SIDE))
    found = measured(whole, Translations(flat.images, flat.images + 0.2, whole.planted.images))
    assert found["validation_auc"] == 0
    assert found["normal_preservation"] == pytest.approx(0.1)


def test_phantoms_with_a_twin_are_translated_once() -> None:
    known = planted(2)
    own = Imaged(known.images, known.masks)
    seen: list[int] = []

    def translate(x: Tensor, _: Tensor) -> Tensor:
        seen.append(len(x))
        return x.clone()

    found = translations(Panel(own, imaged(3, 2), known), translate)
    assert found.planted is found.abnormal
    assert sorted(seen) == [2, 3]
    translations(Panel(imaged(1, 1), imaged(3, 2), known), translate)
    assert sorted(seen[2:]) == [1, 2, 3]


def test_an_empty_part_is_not_translated() -> None:
    def translate(x: Tensor, _: Tensor) -> Tensor:
        assert len(x)
        return x + 0.1

    found = translations(Panel(imaged(0, 1), imaged(2, 2), no_planted(SIDE)), translate)
    assert (len(found.abnormal), len(found.normal), len(found.planted)) == (0, 2, 0)
