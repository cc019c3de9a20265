"""Abnormal lungs translated to normal ones by any method."""

from collections.abc import Mapping

import torch
from torch import Tensor

from assets.translation.arms import Gan, Method
from assets.translation.domain import confine, support
from assets.translation.generator import build_generator
from assets.translation.pca import reconstruct
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings

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
        weights: `Trained.weights` or what `fit_pca` returned.
        images: (N, 1, S, S) in [-1, 1], as `prepare` gives them.
        masks: (N, 1, S, S) soft masks in [0, 1]; outside them the result is -1.
        settings: settings that the weights were trained with.
        device: where to compute; the CPU by default.
        autocast: compute in bfloat16 (GANs only).

    Returns:
        (N, 1, S, S) in [-1, 1], float32, on the CPU. An image's result does not depend on the others.

    Raises:
        ValueError: shapes of images and masks differ.
        RuntimeError: the weights do not fit the settings' generator.
    """
    if images.ndim != 4 or images.shape != masks.shape:
        raise ValueError(f"images {tuple(images.shape)} and masks {tuple(masks.shape)} must both be (N, 1, S, S)")
    if method == "pca":
        translated = reconstruct(weights, images).clamp(-1, 1)
    else:
        where = device or torch.device("cpu")
        translated = _generate(method, weights, images, settings, where, autocast=autocast)
    return confine(translated, support(masks))


def _generate(
    method: Gan,
    weights: Mapping[str, Tensor],
    images: Tensor,
    settings: TranslationSettings,
    device: torch.device,
    *,
    autocast: bool,
) -> Tensor:
    with torch.device("meta"):
        generator = build_generator(resolved(settings, method))
    generator.load_state_dict(weights, assign=True)
    generator.to(device).eval()
    parts = [torch.empty(0, *images.shape[1:])]
    with torch.inference_mode(), torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
        parts += [generator(chunk.to(device)).float().cpu() for chunk in torch.split(images, _CHUNK) if len(chunk)]
    return torch.cat(parts)
