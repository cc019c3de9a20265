"""What a registration method is given, and what it answers with."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Case:
    """A radiograph to be registered.

    Attributes:
        image: (H, W) float32 in [0, 1], windowed by its lungs.
        lungs: (H, W) uint8: 0 background, 1 patient-right lung (image left), 2 patient-left lung.
    """

    image: npt.NDArray[np.float32]
    lungs: npt.NDArray[np.uint8]


Align: TypeAlias = Callable[[Case], npt.NDArray[np.float32]]
"""A method bound to its reference: moving case -> displacement (2, H, W) in pixels, channel 0 x and 1 y, backward:
``warped(p) = moving(p + u(p))``, p on the reference's grid."""
