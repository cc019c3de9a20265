"""Translators that are fitted to normals in closed form: PCA, of as many components as validation prefers, template."""

from collections.abc import Sequence
from functools import partial

from torch import Tensor

from assets.translation.arms import Method
from assets.translation.inference import translate
from assets.translation.panel import Panel, translations
from assets.translation.pca import fit_pca, leading
from assets.translation.presets import candidates
from assets.translation.quality import measured
from assets.translation.settings import TranslationSettings
from assets.translation.template import fit_template
from assets.translation.watch import VALIDATION_AUC

Weights = dict[str, Tensor]
# Of each class: on fewer images than these an area says nothing of which number is better.
FEWEST = 5


def chosen_by_validation(method: Method, settings: TranslationSettings) -> bool:
    """Whether validation images decide anything about a closed form."""
    return method == "pca" and len(candidates(settings)) > 1 and settings.checked_images > 0


def fit_closed_form(
    method: Method, normal: Tensor, masks: Tensor, settings: TranslationSettings, panel: Panel | None
) -> Weights:
    """Fit a method that trains nothing to normal images.

    Args:
        method: `pca` or `template`.
        normal: training normals, (N, 1, S, S) in [-1, 1].
        masks: their soft masks, (N, 1, S, S).
        settings: of the stage.
        panel: validation images that choose the number of components; None where nothing is measured.

    Raises:
        ValueError: fewer than two images, or shapes differ.
    """
    if method == "template":
        return fit_template(normal, masks)
    tried = candidates(settings)
    weights = fit_pca(normal, masks, tried[-1])
    return leading(weights, preferred(weights, tried, settings, panel))


def preferred(weights: Weights, tried: Sequence[int], settings: TranslationSettings, panel: Panel | None) -> int:
    """The number of components with the highest validation AUC of the mean score, of equal ones the smallest.

    Args:
        weights: of the largest number.
        tried: numbers of components, ascending.
        settings: of the stage.
        panel: validation images.

    Returns:
        The middle one of `tried` where a domain has fewer than `FEWEST` validation images.
    """
    if len(tried) == 1:
        return tried[0]
    if panel is None or min(len(panel.abnormal), len(panel.normal)) < FEWEST:
        return tried[len(tried) // 2]
    areas: dict[int, float] = {}
    for number in tried:
        look = partial(translate, "pca", leading(weights, number), settings=settings)
        areas[number] = measured(panel, translations(panel, look))[VALIDATION_AUC]
    return max(areas, key=lambda number: areas[number])
