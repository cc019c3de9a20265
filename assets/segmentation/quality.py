"""Plausibility gates for lung masks, and their overlap with another mask."""

from collections.abc import Callable, Sequence

import cv2
import numpy as np
import numpy.typing as npt

from assets.segmentation.settings import SegmentationSettings

Bools = npt.NDArray[np.bool_]

_NAMES = ("right", "left")
_BASES_DIFFER = "the bases differ"


def lung_flags(lungs: npt.NDArray[np.uint8], settings: SegmentationSettings) -> list[str]:
    """Reasons why a label map (H, W) is not plausible as a pair of lungs; empty if it is.

    Label 1 is the patient-right lung (image-left), 2 the patient-left. Each reason names the lung as the
    patient's, with the number found and its limit. A missing lung is reported alone, because nothing else can
    be judged then.
    """
    sides = [lungs == label for label in (1, 2)]
    missing = [f"the {name} lung is missing" for name, side in zip(_NAMES, sides, strict=True) if not side.any()]
    if missing:
        return missing
    gates: list[Callable[[list[Bools], SegmentationSettings], list[str]]] = [
        _area_flags, _ratio_flags, _side_flags, _solidity_flags, _level_flags, _border_flags,
    ]  # fmt: skip
    return [reason for gate in gates for reason in gate(sides, settings)]


def bases_differ(flags: Sequence[str]) -> bool:
    """Whether one of the reasons of `lung_flags` is that one lung's base lies much higher than the other's."""
    return any(flag.startswith(_BASES_DIFFER) for flag in flags)


def dice(mask: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> float:
    """Mean over both lungs of 2 |A and B| / (|A| + |B|), 0 to 1; a lung absent from both masks counts 1.

    Raises:
        ValueError: the label maps differ in shape.
    """
    return float(np.mean(lung_dices(mask, other)))


def lung_dices(mask: npt.NDArray[np.uint8], other: npt.NDArray[np.uint8]) -> tuple[float, float]:
    """2 |A and B| / (|A| + |B|) of the patient-right and the patient-left lung; 1 where both masks lack the lung.

    Raises:
        ValueError: the label maps differ in shape.
    """
    if mask.shape != other.shape:
        raise ValueError(f"other: expected shape {mask.shape}, got {other.shape}; bring both masks to one grid")
    return _overlap(mask == 1, other == 1), _overlap(mask == 2, other == 2)


def solidity(mask: Bools) -> float:
    """Area of a non-empty mask over the area of its convex hull, both in pixels."""
    return float(mask.sum()) / float(hull_of(mask).sum())


def hull_of(mask: Bools) -> Bools:
    """Filled convex hull of a non-empty mask: the pixels in the hull of the mask's pixel centers."""
    filled = np.zeros(mask.shape, np.uint8)
    cv2.fillConvexPoly(filled, hull_points(mask), 1)
    return filled > 0


def outline_of(mask: Bools) -> Bools:
    """Pixels of a mask (H, W) with a neighbor, diagonal ones included, outside; beyond the image is outside."""
    inner = cv2.erode(np.pad(mask.astype(np.uint8), 1), np.ones((3, 3), np.uint8))
    return mask & ~(np.asarray(inner)[1:-1, 1:-1] > 0)


def hull_points(mask: Bools) -> npt.NDArray[np.int32]:
    """Corners (K, 1, 2) of the convex hull of a mask's pixel centers, (x, y)."""
    rows = np.flatnonzero(mask.any(axis=1))
    first = mask[rows].argmax(axis=1)
    last = mask.shape[1] - 1 - mask[rows, ::-1].argmax(axis=1)
    ends = np.concatenate([np.stack([first, rows], axis=1), np.stack([last, rows], axis=1)])
    return np.asarray(cv2.convexHull(ends.astype(np.int32)), dtype=np.int32)


def _overlap(mask: Bools, other: Bools) -> float:
    total = int(mask.sum()) + int(other.sum())
    return 2 * int((mask & other).sum()) / total if total else 1.0


def _area_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    reasons = []
    for name, side in zip(_NAMES, sides, strict=True):
        area = float(side.mean())
        if area < settings.minimum_area:
            reasons.append(f"the {name} lung covers {area:.1%} of the image, less than {settings.minimum_area:.1%}")
        if area > settings.maximum_area:
            reasons.append(f"the {name} lung covers {area:.1%} of the image, more than {settings.maximum_area:.1%}")
    return reasons


def _ratio_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    ratio = float(sides[1].sum()) / float(sides[0].sum())
    if ratio < settings.minimum_ratio:
        return [f"the left lung has {ratio:.2f} times the area of the right, less than {settings.minimum_ratio:.2f}"]
    if ratio > settings.maximum_ratio:
        return [f"the left lung has {ratio:.2f} times the area of the right, more than {settings.maximum_ratio:.2f}"]
    return []


def _side_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    width = sides[0].shape[1]
    right, left = (float(np.nonzero(side)[1].mean() + 0.5) / width for side in sides)
    reasons = []
    if right >= 0.5:
        reasons.append(f"the right lung is centered at {right:.0%} of the width, not in the image's left half")
    if left <= 0.5:
        reasons.append(f"the left lung is centered at {left:.0%} of the width, not in the image's right half")
    return reasons


def _solidity_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    limit = settings.minimum_solidity
    found = [(name, solidity(side)) for name, side in zip(_NAMES, sides, strict=True)]
    return [
        f"the {name} lung fills {value:.2f} of its convex hull, less than {limit:.2f}"
        for name, value in found
        if value < limit
    ]


def _level_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    rows = [np.flatnonzero(side.any(axis=1)) for side in sides]
    height = sides[0].shape[0]
    top = abs(int(rows[0][0]) - int(rows[1][0])) / height
    bottom = abs(int(rows[0][-1]) - int(rows[1][-1])) / height
    reasons = []
    if top > settings.maximum_top_difference:
        reasons.append(f"the apices differ by {top:.1%} of the height, more than {settings.maximum_top_difference:.1%}")
    if bottom > settings.maximum_bottom_difference:
        reasons.append(
            f"{_BASES_DIFFER} by {bottom:.1%} of the height, more than {settings.maximum_bottom_difference:.1%}"
        )
    return reasons


def _border_flags(sides: list[Bools], settings: SegmentationSettings) -> list[str]:
    limit = settings.maximum_border_share
    found = [(name, _border_share(side)) for name, side in zip(_NAMES, sides, strict=True)]
    return [
        f"{value:.0%} of the {name} lung's outline lies on the image border, more than {limit:.0%}"
        for name, value in found
        if value > limit
    ]


def _border_share(side: Bools) -> float:
    """Share of the outline's pixels that lie on the image border."""
    outline = outline_of(side)
    on_border = outline.copy()
    on_border[1:-1, 1:-1] = False
    return float(on_border.sum()) / float(outline.sum())
