"""Forty anatomical landmarks at fixed places of the canonical chest.

They are points an anatomist would name, not a lattice of row fractions, so that a registration by row fractions
has no advantage. The first 20 belong to the patient's right lung (image left), the last 20 to the left one.
"""

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.anatomy import HILUM, SIDES
from assets.radiographs.phantom.subject import Subject, to_pixels
from assets.radiographs.phantom.vessels import bifurcation, branch_point

_BIFURCATIONS = {"upper_lobe": -52.0, "anterior": -10.0, "middle": 26.0, "lower_lobe": 42.0}
_BRANCH_POINTS = {"apical": -74.0, "posterior": -52.0, "anterior": -30.0, "lateral": 8.0, "basal": 42.0}
_BORDER_POINTS: dict[int, dict[str, tuple[float, float]]] = {
    -1: {
        "apex": (-0.285, -0.805),
        "dome_top": (-0.40, 0.35),
        "costophrenic_recess": (-0.672, 0.465),
        "cardiophrenic": (-0.175, 0.44),
        "azygos_border": (-0.138, -0.40),
        "upper_atrial_border": (-0.178, -0.05),
        "atrial_border": (-0.217, 0.21),
        "axillary_wall": (-0.59, -0.45),
        "minor_fissure_wall": (-0.668, -0.10),
    },
    1: {
        "apex": (0.285, -0.805),
        "dome_top": (0.47, 0.405),
        "costophrenic_recess": (0.675, 0.505),
        "cardiophrenic": (0.415, 0.425),
        "aortic_knob": (0.172, -0.395),
        "pulmonary_trunk": (0.175, -0.20),
        "ventricular_border": (0.345, 0.165),
        "axillary_wall": (0.59, -0.45),
        "lingular_wall": (0.69, 0.08),
    },
}


def _side_landmarks(side: int) -> dict[str, tuple[float, float]]:
    name = "right" if side < 0 else "left"
    x, y = HILUM[side]
    points = dict(_BORDER_POINTS[side])
    points["hilum_upper"] = (x + 0.03 * side, y - 0.10)
    points["hilum_lower"] = (x + 0.06 * side, y + 0.06)
    points |= {f"bifurcation_{lobe}": bifurcation(side, angle) for lobe, angle in _BIFURCATIONS.items()}
    points |= {f"branch_point_{segment}": branch_point(side, angle) for segment, angle in _BRANCH_POINTS.items()}
    return {f"{name}_{place}": point for place, point in points.items()}


CANONICAL_LANDMARKS = {name: point for side in SIDES for name, point in _side_landmarks(side).items()}
LANDMARK_NAMES = tuple(CANONICAL_LANDMARKS)


def landmarks(subject: Subject, size: int) -> npt.NDArray[np.float32]:
    """Landmarks of a subject, (40, 2) float32, columns (x, y), pixel-center coordinates.

    Rows follow LANDMARK_NAMES: per side the apex, the dome's top, the costophrenic recess, the cardiophrenic corner,
    three points of the mediastinal border, two of the lateral wall, two of the hilum, four bifurcations of vessel
    trunks and five segmental branch points. None lies on a rib: ribs slide against the lung.
    """
    canonical = np.array(list(CANONICAL_LANDMARKS.values()))
    return to_pixels(subject, canonical, size).astype(np.float32)
