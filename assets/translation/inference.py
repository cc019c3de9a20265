"""Abnormal lungs translated to normal ones by any method."""

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from assets.translation.arms import Gan, Method, is_gan
from assets.translation.domain import confine, require_alike, support
from assets.translation.generator import build_generator
from assets.translation.pca import reconstruct
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from assets.translation.template import recall
from assets.translation.watch import Translate

_CHUNK = 16


def translate(
    method: Method,
    weights: Mapping[str, Tensor],
    images: Tensor,
    masks: Tensor,
    settings: TranslationSettings,
    *,
    device: torch.device | None = None,
    autocast: bool = False,
) -> Tensor:
    """The normal image that a model sees in each image.

    Args:
        method: what the weights belong to.
        weights: `Trained.weights`, or what `fit_pca` or `fit_template` returned.
        images: (N, 1, S, S) in [-1, 1], as `prepare` gives them.
        masks: (N, 1, S, S) soft masks in [0, 1]; outside them the result is -1.
        settings: settings that the weights were trained with.
        device: where to compute; the CPU by default.
        autocast: compute in bfloat16 (GANs only).

    Returns:
        (N, 1, S, S) in [-1, 1], float32, on the CPU. An image's result does not depend on the others,
        but for the rounding of convolutions, whose kernel may hang on the size of a batch (PCA: to the bit).

    Raises:
        ValueError: shapes of images and masks differ.
        RuntimeError: the weights do not fit the settings' generator.
    """
    return translator_of(method, weights, settings, device=device, autocast=autocast)(images, masks)


def translator_of(
    method: Method,
    weights: Mapping[str, Tensor],
    settings: TranslationSettings,
    *,
    device: torch.device | None = None,
    autocast: bool = False,
) -> Translate:
    """`translate` with a model that is made ready once, for many calls.

    Raises:
        RuntimeError: the weights do not fit the settings' generator.
    """
    generate: Translate
    if is_gan(method):
        generate = _unmasked(_generator(method, weights, settings, device or torch.device("cpu"), autocast=autocast))
    elif method == "pca":
        generate = partial(_row_by_row, partial(reconstruct, weights))
    else:
        generate = _unmasked(partial(recall, weights))

    def confined(images: Tensor, masks: Tensor) -> Tensor:
        require_alike(images, masks)
        return confine(generate(images, masks), support(masks))

    return confined


def _unmasked(generate: Callable[[Tensor], Tensor]) -> Translate:
    return lambda images, masks: generate(images)


def _row_by_row(translate: Translate, images: Tensor, masks: Tensor) -> Tensor:
    # A product of matrices may round a row otherwise beside other rows.
    rows = zip(torch.split(images, 1), torch.split(masks, 1), strict=True) if len(images) else ()
    return torch.cat([images[:0], *(translate(image, mask).clamp(-1, 1) for image, mask in rows)])


def _generator(
    method: Gan, weights: Mapping[str, Tensor], settings: TranslationSettings, device: torch.device, *, autocast: bool
) -> Callable[[Tensor], Tensor]:
    with torch.device("meta"):
        generator = build_generator(resolved(settings, method))
    generator.load_state_dict(weights, assign=True)
    generator.to(device).eval()

    def generate(images: Tensor) -> Tensor:
        parts = [torch.empty(0, *images.shape[1:])]
        with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
            parts += [generator(chunk.to(device)).float().cpu() for chunk in torch.split(images, _CHUNK) if len(chunk)]
        return torch.cat(parts)

    return generate
