"""Pictures of the registration report: the same radiographs as every arm brought them to the reference.

All sheets show the reference grid. Those with a row a radiograph are cut to the surroundings of the reference's lungs:
the rest would take the room that many arms need beside each other.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from assets.pictures import GAP, checkerboard, contact_sheet, fitted, fitted_labels, outline, to_rgb
from assets.registration.folds import folded
from assets.registration.preview import field_sheet
from assets.registration_report.sharpness import Gain

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]

_MARGIN = 0.06
# Darkest and brightest percent of the mean images that may saturate.
_SATURATED = 0.5
_SHADES = 16
# Of a checkerboard's side: more would be smaller than a rib's arch on tiles of this size.
_SQUARES = 4


def arm_sheet(warped: Mapping[str, Sequence[F32]], reference_lungs: U8, side: int = 96) -> U8:
    """A row a radiograph, a column an arm: the warped radiograph under the outlines of the reference's lungs.

    Args:
        warped: arm -> radiographs (H, W) in [0, 1] on the reference grid, the same in every arm; two fit a picture of
            100 kB with eleven arms.
        reference_lungs: (H, W) labels.
        side: longer side of a tile in pixels; the longest name of an arm takes 74.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no arm, no radiograph, or arms with different numbers of them.
    """
    window = _surroundings(reference_lungs)
    lungs = fitted_labels(reference_lungs[window], side)
    tiles = {arm: [outline(fitted(image[window], side), lungs) for image in images] for arm, images in warped.items()}
    return _by_arm(tiles)


def checkerboard_sheet(warped: Mapping[str, Sequence[F32]], reference: F32, reference_lungs: U8, side: int = 96) -> U8:
    """A row a radiograph, a column an arm: fields of the warped radiograph and of the reference in turn.

    Ribs, hila and borders run on from field to field where the two are aligned. Methods that start from the lungs' box
    are compared with it, not with the raw radiograph: give it as the first arm.

    Args:
        warped: as in `arm_sheet`.
        reference: (H, W) in [0, 1], the reference radiograph.
        reference_lungs: (H, W) labels.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8.

    Raises:
        ValueError: no arm, no radiograph, or arms with different numbers of them.
    """
    window = _surroundings(reference_lungs)
    fixed = fitted(reference[window], side)
    tiles = {
        arm: [checkerboard(fitted(image[window], side), fixed, _SQUARES) for image in images]
        for arm, images in warped.items()
    }
    return _by_arm(tiles)


def field_grid_sheet(
    warped: Mapping[str, F32], displacements: Mapping[str, F32], columns: int = 6, side: int = 152
) -> U8:
    """The grid that each arm's field makes of a square one, on one radiograph; folded pixels are red.

    Args:
        warped: arm -> the radiograph (H, W) in [0, 1] on the reference grid.
        displacements: arm -> (2, H, W), pixels, backward map, reference grid -> radiograph.
        columns: arms in a row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8, under each tile the arm and the share of the pixels that are folded.

    Raises:
        ValueError: no arm, or the two differ in their arms.
    """
    if not warped or set(warped) != set(displacements):
        raise ValueError(f"warped has {sorted(warped)}, displacements {sorted(displacements)}; expected the same arms")
    tiles, captions = [], []
    for arm, image in warped.items():
        folds = folded(displacements[arm])
        grid = field_sheet(image, displacements[arm], folds, side)
        height, width = fitted(image, side).shape
        # its caption is too long for a tile of this size
        tiles.append(_in_few_colors(grid[GAP : GAP + height, GAP : GAP + width]))
        captions.append(f"{arm}: {100 * folds.mean():.2f} % folds" if folds.any() else arm)
    return contact_sheet(tiles, min(columns, len(tiles)), captions)


def mean_image_sheet(
    means: Mapping[str, F32], gains: Mapping[str, Gain], reference_lungs: U8, columns: int = 6, side: int = 168
) -> U8:
    """The mean radiograph of every arm, with what its gradient energy gained; the sharper, the better aligned.

    All tiles have the same gray window, taken from all means inside the reference's lungs and around them.

    Args:
        means: arm -> (H, W), the mean of the same radiographs on the reference grid.
        gains: arm -> its gain over a common arm; that one, and arms whose gain is not known, may be missing.
        reference_lungs: (H, W) labels; the sheet is cut to their surroundings.
        columns: arms in a row.
        side: longer side of a tile in pixels.

    Returns:
        (h, w, 3) uint8, under each tile the arm, its gain and the 95 % interval.

    Raises:
        ValueError: no arm, or a gain of an arm that has no mean.
    """
    if unknown := set(gains) - set(means):
        raise ValueError(f"gains: no mean image of {sorted(unknown)}; give one or leave the gain out")
    if not means:
        raise ValueError("means: expected an arm or more, got none")
    window = _surroundings(reference_lungs)
    shown = {arm: mean[window] for arm, mean in means.items()}
    low, high = np.percentile(np.stack(list(shown.values())), [_SATURATED, 100 - _SATURATED])
    scale = np.float32(1 / max(high - low, 1e-6))
    tiles = [to_rgb(fitted((mean - np.float32(low)) * scale, side)) for mean in shown.values()]
    captions = [_gain_caption(arm, gains.get(arm)) for arm in means]
    return contact_sheet(tiles, min(columns, len(tiles)), captions)


def _surroundings(lungs: U8) -> tuple[slice, slice]:
    """Rows and columns of the lungs' joint box with a margin."""
    if not lungs.any():
        raise ValueError("reference_lungs: expected a lung, all pixels are 0; choose another reference")
    spans = []
    for axis, size in ((1, lungs.shape[0]), (0, lungs.shape[1])):
        covered, margin = np.flatnonzero(lungs.any(axis=axis)), round(_MARGIN * size)
        spans.append(slice(max(0, int(covered[0]) - margin), int(covered[-1]) + 1 + margin))
    return spans[0], spans[1]


def _by_arm(tiles: Mapping[str, Sequence[U8]]) -> U8:
    """A column an arm, under its name."""
    counts = {len(column) for column in tiles.values()}
    if len(counts) != 1 or not counts.pop():
        raise ValueError(
            f"warped: expected one or more radiographs, as many in every arm, got "
            f"{ {arm: len(column) for arm, column in tiles.items()} }"
        )
    rows = zip(*tiles.values(), strict=True)
    return contact_sheet([tile for row in rows for tile in row], len(tiles), headings=list(tiles))


def _in_few_colors(picture: U8) -> U8:
    """Sixteen shades a channel: eleven grids then fit 100 kB without a palette, which could lose a few red pixels."""
    step = 255 / (_SHADES - 1)
    return np.asarray(np.round(np.round(picture / step) * step), dtype=np.uint8)


def _gain_caption(arm: str, gain: Gain | None) -> str:
    return arm if gain is None else f"{arm} {gain.ratio:.2f} ({gain.low:.2f}-{gain.high:.2f})"
