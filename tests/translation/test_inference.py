from typing import get_args

import pytest
import torch

from assets.translation.arms import Gan, Method
from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.inference import translate
from assets.translation.methods import untrained
from assets.translation.pca import fit_pca, reconstruct
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from tests.translation.tiny_training import small

SETTINGS = TranslationSettings(size=32, generator_width=4, generator_blocks=2)


def _images(count: int = 3) -> torch.Tensor:
    return torch.rand((count, 1, 32, 32), generator=torch.Generator().manual_seed(0)) * 2 - 1


def _masks(count: int = 3) -> torch.Tensor:
    masks = torch.zeros(count, 1, 32, 32)
    masks[..., 4:28, 4:28] = 1
    return masks


def _generator(*, residual: bool = True) -> ResnetGenerator:
    return initialized(lambda: ResnetGenerator(4, 2, residual=residual), torch.Generator().manual_seed(0))


def _weights(method: Method) -> dict[str, torch.Tensor]:
    if method == "pca":
        return fit_pca(_images(6), _masks(6), 2)
    return dict(_generator().state_dict())


@pytest.mark.parametrize("method", ["cyclegan", "cut", "pca"])
def test_result_has_range_shape_and_background(method: Method) -> None:
    translated = translate(method, _weights(method), _images(), _masks(), SETTINGS)
    assert translated.shape == (3, 1, 32, 32)
    assert translated.dtype == torch.float32
    assert not translated.requires_grad
    assert translated.abs().max() <= 1
    assert (translated[_masks() == 0] == -1).all()
    assert (translated[_masks() == 1] > -1).any()


@pytest.mark.parametrize("method", ["cyclegan", "cut", "pca"])
def test_an_image_does_not_depend_on_the_others(method: Method) -> None:
    images, masks = _images(20), _masks(20)
    together = translate(method, _weights(method), images, masks, SETTINGS)
    alone = translate(method, _weights(method), images[17:18], masks[17:18], SETTINGS)
    assert torch.allclose(together[17:18], alone, atol=1e-5)


@pytest.mark.parametrize("method", ["cyclegan", "cut", "pca"])
def test_no_image_gives_no_translation(method: Method) -> None:
    assert translate(method, _weights(method), _images(0), _masks(0), SETTINGS).shape == (0, 1, 32, 32)


@pytest.mark.parametrize("residual", [True, False])
def test_gan_weights_are_applied_as_trained(residual: bool) -> None:
    settings = SETTINGS.model_copy(update={"residual": residual})
    generator, images = _generator(residual=residual), _images()
    translated = translate("cut", dict(generator.state_dict()), images, torch.ones_like(images), settings)
    assert torch.equal(translated, generator(images).detach())


@pytest.mark.parametrize("method", get_args(Gan))
def test_every_method_translates_with_its_own_network_and_without_chance(method: Gan) -> None:
    settings = small(generator=None, dropout=0.5)
    network = untrained(method, resolved(settings, method), torch.Generator().manual_seed(0), torch.device("cpu"))
    weights, images = network.to_normal.state_dict(), _images()
    translated = translate(method, weights, images, torch.ones_like(images), settings)
    assert torch.equal(translated, translate(method, weights, images, torch.ones_like(images), settings))
    alone = translate(method, weights, images[2:], torch.ones_like(images[2:]), settings)
    assert torch.allclose(translated[2:], alone, atol=1e-5)
    assert not torch.allclose(translated[0], translated[1])


def test_pca_weights_are_applied_as_fitted_and_clipped() -> None:
    images, weights = _images(), _weights("pca")
    translated = translate("pca", weights, images, torch.ones_like(images), SETTINGS)
    torch.testing.assert_close(translated, reconstruct(weights, images, torch.ones_like(images)).clamp(-1, 1))
    bright = {**weights, "mean": weights["mean"] + 5}
    assert translate("pca", bright, images, torch.ones_like(images), SETTINGS).max() == 1


def test_reduced_precision_stays_close() -> None:
    exact = translate("cut", _weights("cut"), _images(), _masks(), SETTINGS)
    reduced = translate("cut", _weights("cut"), _images(), _masks(), SETTINGS, autocast=True)
    assert reduced.dtype == torch.float32
    assert (exact - reduced).abs().mean() < 0.02


def test_misfits_are_refused() -> None:
    with pytest.raises(ValueError, match="masks"):
        translate("pca", _weights("pca"), _images(), _masks(2), SETTINGS)
    with pytest.raises(RuntimeError, match="size mismatch"):
        translate("cut", _weights("cut"), _images(), _masks(), SETTINGS.model_copy(update={"generator_width": 8}))
