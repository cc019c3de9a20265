"""Lesions whose lesion-free twin is known: opacities planted into normal images, and phantoms drawn without theirs."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.images import from_uint16
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmenter.random_fields import blur, smooth_noise, uniform
from assets.translation.panel import LUNG, Imaged, Planted
from assets.translation.sampling import generator_for

F32 = npt.NDArray[np.float32]

_SEED = 0
# Another machine's arithmetic may round otherwise.
_SAME = 2e-3
# Shares of the side: radius, softness of the border.
_RADIUS = (0.05, 0.11)
_SOFTNESS = 0.012
_WOBBLE = 0.2
_CELLS = 6
# Share of what is missing to white that an opacity adds at its core.
_DENSITY = (0.25, 0.5)


def planted_opacities(normal: Imaged, ids: Sequence[str]) -> Planted:
    """Normal images with a soft opacity in a lung each; the twins are the images as they were.

    Args:
        normal: prepared images with a pixel of lung each.
        ids: one an image; an image's opacity depends on its id and size alone.

    Raises:
        ValueError: not one id an image.
    """
    opacities = [_opacity(mask, name) for mask, name in zip(normal.masks, ids, strict=True)]
    alpha = torch.stack(opacities) if opacities else torch.zeros_like(normal.images)
    # A prepared image is 2 m v - 1: white lung behind the soft mask m is 2 m - 1.
    lesioned = normal.images + alpha * (2 * normal.masks - 1 - normal.images).clamp_min(0)
    extents = torch.stack([opacity / opacity.amax().clamp_min(1e-6) for opacity in opacities]) if opacities else alpha
    return Planted(lesioned, normal.masks, normal.images, extents)


def lesion_free(index: int, phantom: PhantomSettings, stored: npt.NDArray[np.uint16]) -> F32 | None:
    """The lesion-free twin (H, W) in [0, 1] of a phantom: the same anatomy, exposure and noise.

    Args:
        index: of the phantom in its cohort.
        phantom: settings of the cohort, with the size that it was rendered with.
        stored: the phantom as it was stored, 16-bit (H, W).

    Returns:
        None where these settings draw another phantom than the stored one: the cohort was declared anew since.
    """
    if index >= phantom.subjects:
        return None
    drawn = phantom_subject(index, phantom.seed, phantom).image
    if drawn.shape != stored.shape or not np.allclose(drawn, from_uint16(stored), rtol=0, atol=_SAME):
        return None
    return phantom_subject(index, phantom.seed, phantom, lesion_free=True).image


def _opacity(mask: Tensor, name: str) -> Tensor:
    """Density (1, S, S) in [0, 1] of a cloud around a point of a lung."""
    generator, side = generator_for(_SEED, f"planted into {name}", 0), mask.shape[-1]
    places = torch.nonzero(mask[0] >= LUNG)
    down, right = places[int(torch.randint(len(places), (1,), generator=generator))].tolist()
    radius = side * uniform(generator, 1, *_RADIUS)
    rows, columns = torch.meshgrid(torch.arange(side) - down, torch.arange(side) - right, indexing="ij")
    wobble = _WOBBLE * smooth_noise(generator, 1, (side, side), _CELLS)
    distance = torch.hypot(rows.float(), columns.float()) / radius + wobble
    cloud = blur((distance < 1).float(), _SOFTNESS * side + 0.5)[0]
    return cloud * float(uniform(generator, 1, *_DENSITY))
