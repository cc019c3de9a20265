"""What is drawn of a training while it goes on: the same few validation images each time, and its curves."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch

from assets.charts import history_panels
from assets.pictures import to_png
from assets.translation.panel import Panel, Translations
from assets.translation.preview import translation_sheet
from assets.translation.quality import changes
from assets.translation.stored import unit

RGB = npt.NDArray[np.uint8]

SHOWN_ABNORMAL, SHOWN_NORMAL = 4, 2
# Every look is kept in the event log: small ones, for there may be hundreds.
PICTURE_BYTES = 60_000
# The same at every look, or better read as a number.
_NO_CURVES = ("learning_rate", "planted_psnr_input", "kid_floor", "classifier_auc")


def panel_sheet(panel: Panel, found: Translations) -> RGB | None:
    """x, G(x) and |x - G(x)| of the panel's first images; captions tell domain and mean difference.

    Returns:
        (h, w, 3) uint8; None where the panel is empty.
    """
    images, translated, captions = [], [], []
    for name, imaged, made, count in (
        ("abnormal", panel.abnormal, found.abnormal, SHOWN_ABNORMAL),
        ("normal", panel.normal, found.normal, SHOWN_NORMAL),
    ):
        first = imaged.first(count)
        images.append(first.images)
        translated.append(made[:count])
        captions += [f"{name} {change:.3f}" for change in changes(first, made[:count])]
    x, y = unit(torch.cat(images)), unit(torch.cat(translated))
    return translation_sheet(x, y, np.abs(x - y), captions) if captions else None


def live_pictures(
    panel: Panel,
    found: Translations,
    losses: Sequence[Mapping[str, float]],
    checks: Sequence[Mapping[str, float]],
) -> dict[str, bytes]:
    """Small PNGs by name: `panel`, and `losses` and `measures` as curves; what there is nothing of is left out.

    Args:
        panel: the validation images.
        found: their translations.
        losses: records with `step`.
        checks: records with `step`, of what was measured.
    """
    shown: dict[str, bytes] = {}
    sheet = panel_sheet(panel, found)
    if sheet is not None:
        shown["panel"] = to_png(sheet, PICTURE_BYTES)
    return shown | curves("losses", losses) | curves("measures", checks)


def curves(name: str, history: Sequence[Mapping[str, float]]) -> dict[str, bytes]:
    """One small PNG with a panel a quantity of a history, under a name; nothing where there is no quantity."""
    kept = [{key: value for key, value in record.items() if key not in _NO_CURVES} for record in history]
    if all(record.keys() <= {"step"} for record in kept):
        return {}
    return {name: to_png(history_panels(kept), PICTURE_BYTES)}
