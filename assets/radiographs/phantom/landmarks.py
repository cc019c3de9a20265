"""Forty anatomical landmarks at fixed places of the canonical chest.

They are points an anatomist would name, not a lattice of row fractions, so that a registration by row fractions
has no advantage. The first 20 belong to the patient's right lung (image left), the last 20 to the left one.
"""

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom import anatomy
from assets.radiographs.phantom.anatomy import SIDES
from assets.radiographs.phantom.skeleton import height_at, posterior_rib
from assets.radiographs.phantom.subject import Subject, to_pixels
from assets.radiographs.phantom.vessels import bifurcation

MIDCLAVICULAR_X = 0.43
_MIDCLAVICULAR_RIBS = (4, 5, 6, 7)
_WALL_RIBS = (4, 5, 6, 7)
_BIFURCATIONS = {"upper_lobe": -52.0, "middle": 8.0, "lower_lobe": 42.0}
_CORNERS: dict[int, dict[str, tuple[float, float]]] = {
    -1: {
        "apex": (-0.285, -0.805),
        "dome_top": (-0.40, 0.35),
        "costophrenic": (-0.70, 0.56),
        "cardiophrenic": (-0.175, 0.44),
        "azygos_border": (-0.138, -0.40),
        "upper_atrial_border": (-0.178, -0.05),
        "atrial_border": (-0.217, 0.21),
    },
    1: {
        "apex": (0.285, -0.805),
        "dome_top": (0.47, 0.405),
        "costophrenic": (0.705, 0.60),
        "cardiophrenic": (0.415, 0.425),
        "aortic_knob": (0.172, -0.395),
        "pulmonary_trunk": (0.175, -0.20),
        "ventricular_border": (0.345, 0.165),
    },
}


def _wall_crossing(rib: int, side: int) -> tuple[float, float]:
    """First point along a posterior rib, from the spine, that lies on the lung's lateral wall."""
    wall = anatomy.LEFT_WALL if side > 0 else anatomy.RIGHT_WALL
    line = posterior_rib(rib, side, samples=400)
    beyond = np.abs(line[:, 0]) >= np.abs(np.interp(line[:, 1], wall[:, 1], wall[:, 0]))
    x, y = line[int(np.argmax(beyond))]
    return float(x), float(y)


def _side_landmarks(side: int) -> dict[str, tuple[float, float]]:
    name = "right" if side < 0 else "left"
    x, y = anatomy.HILUM[side]
    found = {f"{name}_{corner}": point for corner, point in _CORNERS[side].items()}
    found[f"{name}_hilum_upper"] = (x + 0.03 * side, y - 0.10)
    found[f"{name}_hilum_lower"] = (x + 0.06 * side, y + 0.06)
    for rib in _MIDCLAVICULAR_RIBS:
        line = posterior_rib(rib, side, samples=400)
        found[f"{name}_rib_{rib}_midclavicular"] = (
            MIDCLAVICULAR_X * side,
            height_at(line, MIDCLAVICULAR_X * side),
        )
    for rib in _WALL_RIBS:
        found[f"{name}_rib_{rib}_wall"] = _wall_crossing(rib, side)
    for lobe, angle in _BIFURCATIONS.items():
        found[f"{name}_bifurcation_{lobe}"] = bifurcation(side, angle)
    return found


CANONICAL_LANDMARKS = {name: point for side in SIDES for name, point in _side_landmarks(side).items()}
LANDMARK_NAMES = tuple(CANONICAL_LANDMARKS)


def landmarks(subject: Subject, size: int) -> npt.NDArray[np.float32]:
    """Landmarks of a subject, (40, 2) float32, columns (x, y), pixel-center coordinates.

    Rows follow LANDMARK_NAMES: per side the apex, the dome's top, the costophrenic and cardiophrenic corners, three
    points of the mediastinal border, two of the hilum, four crossings of posterior ribs with the midclavicular
    line, four with the chest wall, and three bifurcations of vessels.
    """
    canonical = np.array(list(CANONICAL_LANDMARKS.values()))
    return to_pixels(subject, canonical, size).astype(np.float32)
