"""Maps of a frame carried back onto the radiograph's own canvas, where boxes were drawn and lesions lie."""

from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.alignments import Alignment, is_peer
from assets.images import F32
from assets.pairing.frame_boxes import Registration, points_in_frame
from assets.pairing.frames import U8, FrameRows, Read
from assets.prealignment.field_inverse import solve
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.lung_coordinates import prealign_points
from assets.prealignment.travel import carry_points
from assets.prealignment.warp import dequantize

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class NativeGrid:
    """Where the lungs of a radiograph lie in a frame; the same for every map of that frame.

    Attributes:
        lungs: (H, W) bool, the radiograph's lungs on its canvas.
        places: (2, H, W) float32, channel 0 = x, px of the frame: where each pixel of the lungs lies; 0 elsewhere.
        shape: (H, W) of the frame.
    """

    lungs: Mask
    places: F32
    shape: tuple[int, int]


def native_grid(alignment: Alignment, rows: FrameRows, reference: Registration, read: Read) -> NativeGrid:
    """Where each pixel of a radiograph's lungs lies in a frame, by the inverse of the map that brought it there.

    Args:
        alignment: which frame.
        rows: the radiograph's manifest rows.
        reference: reference lungs and registration of the cohort (`cohort_registration` of the pairing stage).
        read: fetches a row's arrays.

    Raises:
        ValueError: a lung is missing that the frame's map needs.
    """
    lungs: U8 = read(rows.lungs)["lungs"]
    row, column = np.nonzero(lungs)
    carried = _carried(alignment, np.stack([column, row], axis=1).astype(np.float64), lungs, rows, reference, read)
    places = np.zeros((2, *lungs.shape), np.float32)
    places[:, row, column] = carried.T
    height, width = lungs.shape if alignment == "none" else reference.frame.lungs.shape
    return NativeGrid(lungs > 0, places, (height, width))


def carried_back(frame_map: F32, grid: NativeGrid) -> F32:
    """A map of the frame on the radiograph's canvas.

    Every pixel of the lungs takes the map's value where it lies in the frame (bilinear). Nothing makes up for stretched
    or shrunk area: an anomaly as strong in the frame is as strong on the canvas.

    Args:
        frame_map: (S, S) float32, of the whole frame at any resolution.
        grid: of the radiograph in that frame.

    Returns:
        (H, W) float32, 0 outside the lungs of the radiograph.
    """
    # Both grids cover the frame from edge to edge, so pixel centres lie half a pixel of their own inside.
    scale = np.array(frame_map.shape[::-1], np.float32) / np.array(grid.shape[::-1], np.float32)
    x, y = (grid.places + np.float32(0.5)) * scale[:, None, None] - np.float32(0.5)
    read = cv2.remap(np.ascontiguousarray(frame_map), x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.where(grid.lungs, read, np.float32(0)).astype(np.float32)


def native_map(alignment: Alignment, frame_map: F32, rows: FrameRows, reference: Registration, read: Read) -> F32:
    """A map of a frame on the radiograph's own canvas: `carried_back` on its `native_grid`.

    Args:
        alignment: the frame that the map is of.
        frame_map: (S, S) float32.
        rows: the radiograph's manifest rows.
        reference: reference lungs and registration of the cohort.
        read: fetches a row's arrays.

    Returns:
        (H, W) float32, 0 outside the lungs of the radiograph.

    Raises:
        ValueError: a lung is missing that the frame's map needs.
    """
    return carried_back(frame_map, native_grid(alignment, rows, reference, read))


def _carried(
    alignment: Alignment, points: Floats, lungs: U8, rows: FrameRows, reference: Registration, read: Read
) -> Floats:
    frame = reference.frame
    if alignment == "none" or not len(points):
        return points
    if alignment == "lung_box":
        # The map between two boxes is inverted by exchanging them.
        return carry_points(lung_box_displacement(lungs, frame.lungs), points)
    if alignment == "it_pr":
        return prealign_points(frame, lungs, points, frame.settings)
    if is_peer(alignment):
        return solve(dequantize(read(rows.peers[alignment])["displacement"]), points)
    start = dequantize(read(rows.prealigned)["displacement"])
    return points_in_frame(reference, lungs, start, read(rows.registered)["velocity"], points)
