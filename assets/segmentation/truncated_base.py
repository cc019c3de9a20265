"""Completion of a lung whose base is missing, from the patient's other lung.

A lung base drowned in opacity is often left out of a mask, and costs the pre-alignment more than any other damage.
The patient's two lungs end at about the same height, so the better one tells where the shorter one ought to end, and
how its borders go on.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.segmentation.cleanup import largest_component

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]

_NAMES = {1: "right", 2: "left"}
_FRAYED = 0.05
_ANCHOR = 0.03


@dataclass(frozen=True)
class _Borders:
    """Lateral and medial border of a lung, row by row, in an image in which lateral is left.

    Attributes:
        top: first row.
        lateral: (n,) first pixel of each row.
        medial: (n,) pixel after the last of each row.
    """

    top: int
    lateral: Floats
    medial: Floats

    @property
    def bottom(self) -> int:
        """Last row."""
        return self.top + len(self.lateral) - 1

    def at(self, rows: npt.NDArray[np.floating | np.integer]) -> tuple[Floats, Floats]:
        """Both borders at rows (k,), linear between rows, constant beyond the first and last."""
        known = np.arange(self.top, self.bottom + 1)
        return np.interp(rows, known, self.lateral), np.interp(rows, known, self.medial)


def complete_base(lungs: U8, base_offset: float, maximum_difference: float) -> tuple[U8, str]:
    """Lungs with the shorter one completed where its base lies much higher than the other's.

    The shorter lung is drawn down to the height of the other one's base, corrected by the offset. Its borders go on
    from where they end as the other lung's borders do, mirrored; between them it is filled where the other lung is.
    What the mask holds already stays, and the other lung is not touched.

    Args:
        lungs: (H, W), 0 background, 1 patient-right lung (image-left), 2 patient-left.
        base_offset: row of the right base minus row of the left one in the population's mean, fraction of the height.
        maximum_difference: height difference of the bases, fraction of the height, above which one counts as
            truncated.

    Returns:
        The lungs (H, W) and which one was completed: "right" or "left"; "" with unchanged lungs where the bases agree,
        a lung is missing, or nothing could be added.
    """
    height = lungs.shape[0]
    bases = {label: _base(lungs == label) for label in _NAMES}
    if min(bases.values()) < 0 or abs(bases[1] - bases[2]) <= maximum_difference * height:
        return lungs.copy(), ""
    shorter = 1 if bases[1] < bases[2] else 2
    offset = base_offset if shorter == 1 else -base_offset
    target = min(bases[3 - shorter] + round(offset * height), height - 1)
    # with the other lung mirrored, lateral is on the same side in both; the left lung's borders read right to left
    facing = slice(None, None, 1 if shorter == 1 else -1)
    own, other = (lungs == shorter)[:, facing], (lungs == 3 - shorter)[:, facing][:, ::-1]
    added = _continuation(own, other, target)[:, facing]
    whole = largest_component((lungs == shorter) | (added & (lungs == 0)))
    if _base(whole) <= bases[shorter]:
        return lungs.copy(), ""
    completed = np.where(lungs == 3 - shorter, lungs, 0).astype(np.uint8)
    completed[whole] = shorter
    return completed, _NAMES[shorter]


def _continuation(own: Bools, other: Bools, target: int) -> Bools:
    """Pixels (H, W) that the other lung puts into the rows from the end of this lung to the target row."""
    filled = np.zeros(own.shape, np.bool_)
    mine, theirs = _borders(own), _borders(other)
    # the last rows of a truncated mask are rounded off or cut aslant: its borders are read above them
    end = max(mine.bottom - round(_FRAYED * own.shape[0]), mine.top)
    start = max(end - round(_ANCHOR * own.shape[0]), mine.top)
    rows, known = np.arange(end + 1, target + 1), np.arange(start, end + 1)
    scale = (theirs.bottom - theirs.top) / max(target - mine.top, 1)
    their_rows, their_known = (theirs.top + (part - mine.top) * scale for part in (rows, known))
    model = theirs.at(their_rows)
    steps = [
        np.mean(own_border - border) for own_border, border in zip(mine.at(known), theirs.at(their_known), strict=True)
    ]
    source = _source_columns(own.shape[1], (model[0] + steps[0], model[1] + steps[1]), model)
    their_rows = np.clip(np.rint(their_rows), 0, own.shape[0] - 1).astype(np.intp)
    filled[rows] = (source >= 0) & other[their_rows[:, None], source]
    return filled


def _source_columns(width: int, borders: tuple[Floats, Floats], model: tuple[Floats, Floats]) -> npt.NDArray[np.intp]:
    """Columns (n, width) of the model lung at the same share of the row's width; -1 outside the borders (n,)."""
    across = (np.arange(width) + 0.5 - borders[0][:, None]) / np.maximum(borders[1] - borders[0], 1)[:, None]
    source = np.floor(model[0][:, None] + across * (model[1] - model[0])[:, None])
    inside = (across >= 0) & (across < 1) & (source >= 0) & (source < width)
    return np.where(inside, source, -1).astype(np.intp)


def _borders(mask: Bools) -> _Borders:
    rows = np.flatnonzero(mask.any(axis=1))
    lateral = mask[rows].argmax(axis=1)
    medial = mask.shape[1] - mask[rows, ::-1].argmax(axis=1)
    every = np.arange(rows[0], rows[-1] + 1)
    return _Borders(int(rows[0]), np.interp(every, rows, lateral), np.interp(every, rows, medial))


def _base(mask: Bools) -> int:
    """Last row of a mask; -1 for an empty one."""
    rows = np.flatnonzero(mask.any(axis=1))
    return int(rows[-1]) if len(rows) else -1
