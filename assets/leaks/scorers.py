"""What scores radiographs that one kind of mask brought to the reference; all fitted on training normals."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.evaluation.roc import Undefined
from assets.leaks.brought import Brought
from assets.leaks.settings import LeakSettings
from assets.scoring.score import mean, top_mean
from assets.translation.codes import images_of
from assets.translation.panel import LUNG
from assets.translation.pca import fit_pca, reconstruct
from assets.translation.template import fit_template

F64 = npt.NDArray[np.float64]
Translate = Callable[[Tensor, Tensor], Tensor]
Scores = dict[str, F64 | Undefined]

_FITTED = ("template_mean", "template_top5", "pca_mean", "pca_top5", "field_residual")


def variant_scores(
    normals: Sequence[Brought],
    asked: Sequence[Brought],
    translators: Mapping[str, Translate],
    settings: LeakSettings,
) -> Scores:
    """Scores (N,) of the asked radiographs by scorer, or why there are none.

    `template` and `pca` see the lungs, as arms of these names do; `field` sees nothing but the warp: mean and highest
    share of |log det J|, and what principal components of normal lungs' fields do not explain.

    Args:
        normals: training normals.
        asked: N radiographs that were not trained on.
        translators: further ones by name, each translates images (N, 1, S, S) with soft masks.
        settings: components and share.
    """
    scores: Scores = {
        "field_mean": np.array([item.log_jacobian_mean for item in asked], dtype=np.float64),
        "field_top5": np.array([item.log_jacobian_top5 for item in asked], dtype=np.float64),
    }
    images, masks = _tensors(asked, settings.size)
    for name, translate in translators.items():
        scores |= _reduced(name, (images - translate(images, masks)).abs() / 2, masks, settings)
    if len(normals) < settings.smallest_normals:
        too_few = Undefined(f"needs {settings.smallest_normals} training normals, got {len(normals)}")
        return {**dict.fromkeys(_FITTED, too_few), **scores}
    return {
        **_fitted(normals, images, masks, settings),
        "field_residual": field_residuals(normals, asked, settings),
        **scores,
    }


def _fitted(normals: Sequence[Brought], images: Tensor, masks: Tensor, settings: LeakSettings) -> Scores:
    known, theirs = _tensors(normals, settings.size)
    template = fit_template(known, theirs)
    pca = fit_pca(known, theirs, settings.components)
    differences = {
        "template": (images - template["mean"]).abs() * template["gain"] / 2,
        "pca": (images - reconstruct(pca, images, masks).clamp(-1, 1)).abs() / 2,
    }
    found: Scores = {}
    for name, difference in differences.items():
        found |= _reduced(name, difference, masks, settings)
    return found


def field_residuals(normals: Sequence[Brought], asked: Sequence[Brought], settings: LeakSettings) -> F64:
    """Root mean square, pixels, of what principal components of normal fields leave of each asked one."""
    known, fields = (np.array([item.field for item in items], dtype=np.float64) for items in (normals, asked))
    fields = fields.reshape(len(asked), known.shape[1])
    usual = known.mean(axis=0)
    _, values, directions = np.linalg.svd(known - usual, full_matrices=False)
    count = min(settings.field_components, int((values > 1e-9 * max(values[0], 1e-12)).sum()))
    centered = fields - usual
    left = centered - centered @ directions[:count].T @ directions[:count]
    residuals: F64 = np.sqrt(np.mean(left**2, axis=1))
    return residuals


def _reduced(name: str, difference: Tensor, masks: Tensor, settings: LeakSettings) -> Scores:
    inside = (masks >= LUNG)[:, 0].numpy()
    values = difference[:, 0].numpy()
    pixels = [one[lungs] for one, lungs in zip(values, inside, strict=True)]
    return {
        f"{name}_mean": np.array([mean(one) for one in pixels], dtype=np.float64),
        f"{name}_top5": np.array([top_mean(one, settings.top_share) for one in pixels], dtype=np.float64),
    }


def _tensors(items: Sequence[Brought], size: int) -> tuple[Tensor, Tensor]:
    images = np.array([item.image for item in items], dtype=np.uint16).reshape(-1, 1, size, size)
    masks = np.array([item.mask for item in items], dtype=np.float32).reshape(-1, 1, size, size)
    return images_of(images), torch.from_numpy(masks / np.float32(255))
