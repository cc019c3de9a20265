"""Items of the data sets as tensors, and batches of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch.utils.data import default_collate

from assets.images import from_uint16
from assets.pairing.frames import Frame
from assets.radiographs.photometric import apply_window
from resources.arrays import Arrays

Item = dict[str, Any]
Floats = npt.NDArray[np.float64]
BOXES = "boxes"


def collate(items: Sequence[Item]) -> Item:
    """Batch items as torch does by default, but leave boxes, whose number differs, as a list of tensors.

    Args:
        items: items of one data set.
    """
    lists = [name for name in items[0] if name.endswith(BOXES)]
    rest: Item = default_collate([{name: item[name] for name in item if name not in lists} for item in items])
    return {**rest, **{name: [item[name] for item in items] for name in lists}}


def frame_of(arrays: Arrays, window: tuple[float, float] | None = None) -> Frame:
    """A radiograph from arrays `image`, `lungs` and, if there is one, `lesion`.

    Args:
        arrays: of one artefact, or of several together.
        window: gray values that are to become 0 and 1, for an image that has not been windowed.
    """
    image, lesion = from_uint16(arrays["image"]), arrays.get("lesion")
    shown = image if window is None else apply_window(image, *window)
    return Frame(shown, arrays["lungs"], None if lesion is None else lesion > 0)


def frame_tensors(frame: Frame, lesions: bool) -> Item:
    """`image` and `lungs` of a radiograph as tensors (1, H, W), with `lesions` also `lesion` and `has_lesion`.

    The masks are copies: what a reader keeps in memory must not change with an item.
    """
    item: Item = {"image": torch.from_numpy(frame.image)[None], "lungs": torch.from_numpy(frame.lungs.copy())[None]}
    if lesions:
        inside = np.zeros_like(frame.lungs) if frame.lesion is None else frame.lesion.astype(np.uint8)
        item |= {"lesion": torch.from_numpy(inside)[None], "has_lesion": frame.lesion is not None}
    return item


def box_array(boxes: Sequence[Item] | None) -> Floats:
    """Boxes of a manifest's row as float64 (K, 4), columns x, y, width, height."""
    values = [[box[name] for name in ("x", "y", "width", "height")] for box in boxes or []]
    return np.array(values, dtype=np.float64).reshape(-1, 4)
