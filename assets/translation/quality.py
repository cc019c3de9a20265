"""How good a translator is, on validation images that it never saw.

A measure that its images do not define (an empty part, one class only) is absent, never a guess and never NaN. Images
lie in [-1, 1] and are compared in units of an image in [0, 1]; only pixels inside the lungs count.
"""

import numpy as np
import numpy.typing as npt
from torch import Tensor

from assets.evaluation.roc import auc
from assets.translation.panel import LUNG, Imaged, Panel, Planted, Translations
from assets.translation.watch import VALIDATION_AUC

F64 = npt.NDArray[np.float64]

# An error below what rounding to 16 bits makes is none that anybody could see; it also keeps the ratio finite.
_ROUNDING = 1.0 / 65535**2 / 12
# A contrast below this is anatomy rather than lesion.
_FAINTEST = 0.005


def measured(panel: Panel, found: Translations) -> dict[str, float]:
    """All measures that need no judge.

    Returns:
        validation_auc: area under the ROC curve of an image's mean |x - G(x)|, abnormal against normal.
        normal_preservation: mean |x - G(x)| of normal images; 0 is best.
        planted_psnr: of G(x) against the lesion-free twin of x, dB.
        planted_psnr_input: of x itself against its twin: what a translator that does nothing reaches.
        planted_lesion_drop: share of the lesions' contrast that is gone from G(x); 1 is all.
    """
    abnormal = changes(panel.abnormal, found.abnormal)
    normal = changes(panel.normal, found.normal)
    result: dict[str, float] = {}
    if len(abnormal) and len(normal):
        labels = np.repeat([True, False], [len(abnormal), len(normal)])
        result[VALIDATION_AUC] = auc(np.concatenate([abnormal, normal]), labels).area
    if len(normal):
        result["normal_preservation"] = float(normal.mean())
    if len(panel.planted):
        result["planted_psnr"] = float(psnr(found.planted, panel.planted).mean())
        result["planted_psnr_input"] = float(psnr(panel.planted.images, panel.planted).mean())
    drop = lesion_drop(panel.planted, found.planted)
    return result if drop is None else result | {"planted_lesion_drop": drop}


def changes(imaged: Imaged, translated: Tensor) -> F64:
    """Mean |x - G(x)| in the lungs of each image, (N,) in [0, 1]; 0 where an image shows no lung."""
    return _mean_inside(np.abs(_unit(imaged.images) - _unit(translated)), _inside(imaged))


def psnr(images: Tensor, planted: Planted) -> F64:
    """Peak signal to noise ratio of images (N, 1, S, S) against the twins, in the lungs, (N,) dB.

    The peak is 1; an error below the rounding of 16-bit images counts as that, so the ratio ends at 107 dB.
    """
    squared = np.square(_unit(images) - _unit(planted.twins))
    decibels: F64 = -10 * np.log10(np.maximum(_mean_inside(squared, _inside(planted)), _ROUNDING))
    return decibels


def lesion_drop(planted: Planted, translated: Tensor) -> float | None:
    """Share of the lesions' contrast that translation removes: 0 for G(x) = x, 1 where G(x) is the twin.

    Contrast is the mean within the lesion less that in the rest of the lungs, of the difference to the twin:
    brightening or darkening a whole image removes nothing. Lesions, bright or dark, weigh by the size of their
    contrast; above 1 is too much.

    Returns:
        None where no lesion stands out from the rest of the lungs.
    """
    before = _contrasts(planted, planted.images)
    after = _contrasts(planted, translated)
    seen = np.abs(before) >= _FAINTEST
    left = (np.sign(before) * after)[seen].sum()
    return float(1 - left / np.abs(before[seen]).sum()) if seen.any() else None


def _contrasts(planted: Planted, images: Tensor) -> F64:
    """(N,): lesion against the rest of the lungs, 0 where there is no such rest or no lesion."""
    inside, lesion = _inside(planted), planted.lesions[:, 0].cpu().numpy() >= LUNG
    difference = _unit(images) - _unit(planted.twins)
    within, beside = inside & lesion, inside & ~lesion
    usable = within.any(axis=(1, 2)) & beside.any(axis=(1, 2))
    contrast: F64 = np.where(usable, _mean_inside(difference, within) - _mean_inside(difference, beside), 0.0)
    return contrast


def _inside(imaged: Imaged) -> npt.NDArray[np.bool_]:
    inside: npt.NDArray[np.bool_] = imaged.masks[:, 0].cpu().numpy() >= LUNG
    return inside


def _unit(images: Tensor) -> F64:
    """(N, 1, S, S) in [-1, 1] as (N, S, S) in [0, 1]."""
    return (images[:, 0].detach().double().cpu().numpy() + 1) / 2


def _mean_inside(values: F64, inside: npt.NDArray[np.bool_]) -> F64:
    counts = inside.sum(axis=(1, 2))
    means: F64 = np.where(inside, values, 0).sum(axis=(1, 2)) / np.maximum(counts, 1)
    return means
