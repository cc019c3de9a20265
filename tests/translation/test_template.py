import numpy as np
import pytest
import torch
from torch import Tensor

from assets.scoring.anomaly_map import anomaly_maps
from assets.translation.arms import Method
from assets.translation.inference import translate
from assets.translation.settings import TranslationSettings
from assets.translation.template import fit_template, recall

SIDE = 16
SETTINGS = TranslationSettings(size=SIDE)
METHOD: Method = "template"


def normals(count: int, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn((count, 1, SIDE, SIDE), generator=generator)
    # Ten times as noisy on the right.
    spread = torch.full((SIDE, SIDE), 0.02)
    spread[:, SIDE // 2 :] = 0.2
    return (0.1 + spread * noise).clamp(-1, 1)


def everywhere(count: int) -> Tensor:
    return torch.ones(count, 1, SIDE, SIDE)


def test_the_mean_is_that_of_the_normals_whatever_is_translated() -> None:
    weights = fit_template(normals(200), everywhere(200))
    torch.testing.assert_close(weights["mean"], normals(200).mean(0)[0], atol=2e-3, rtol=0)
    translated = translate(METHOD, weights, normals(3, seed=1), everywhere(3), SETTINGS)
    torch.testing.assert_close(translated, weights["mean"].expand(3, 1, -1, -1))
    assert recall(weights, normals(0)).shape == (0, 1, SIDE, SIDE)


def test_a_difference_is_worth_less_where_normals_differ() -> None:
    weights = fit_template(normals(400), everywhere(400))
    gain = weights["gain"]
    left, right = gain[:, : SIDE // 2], gain[:, SIDE // 2 :]
    assert (left > 1).all()
    assert (right < 1).all()
    # The floor: a quarter of the whole lungs' spread stands for the small one.
    whole = float(normals(400).std())
    assert float(right.mean() / left.mean()) == pytest.approx(0.25 * whole / 0.2, rel=0.05)


def test_maps_of_normals_keep_units_of_an_image() -> None:
    weights = fit_template(normals(400), everywhere(400))
    x = normals(100, seed=2)
    mean = weights["mean"].expand_as(x)
    plain, worth = (
        anomaly_maps(x, mean, everywhere(100), gain).absolute.mean() for gain in (None, weights["gain"].numpy())
    )
    assert worth == pytest.approx(plain, rel=0.35)


def test_an_image_counts_where_it_has_lung_alone() -> None:
    images, masks = normals(50), everywhere(50)
    masks[25:, ..., :4] = 0.2
    shown = images.clone()
    shown[25:, ..., :4] = -1
    weights, expected = fit_template(shown, masks), fit_template(images[:25], masks[:25])
    # Apart from the whole lungs' share of one normal.
    torch.testing.assert_close(weights["mean"][:, :4], expected["mean"][:, :4], atol=5e-3, rtol=0)


def test_fit_draws_nothing() -> None:
    first, second = (fit_template(normals(9), everywhere(9)) for _ in range(2))
    assert torch.equal(first["mean"], second["mean"])
    assert torch.equal(first["gain"], second["gain"])


def test_constant_normals_have_a_finite_gain() -> None:
    weights = fit_template(torch.zeros(4, 1, SIDE, SIDE), everywhere(4))
    assert np.isfinite(weights["gain"].numpy()).all()
    assert not translate(METHOD, weights, torch.zeros(1, 1, SIDE, SIDE), everywhere(1), SETTINGS).any()


@pytest.mark.parametrize(
    ("images", "masks", "told"),
    [
        (normals(1), everywhere(1), "at least two"),
        (normals(3), everywhere(2), r"\(N, 1, S, S\)"),
        (normals(3), 0.1 * everywhere(3), "no normal radiograph has a pixel of lung"),
    ],
)
def test_what_has_no_spread_is_refused(images: Tensor, masks: Tensor, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        fit_template(images, masks)
