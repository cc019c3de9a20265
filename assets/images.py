"""How images lie in artefacts: 16-bit gray for float images in [0, 1]."""

import numpy as np
import numpy.typing as npt

F32 = npt.NDArray[np.float32]
U16 = npt.NDArray[np.uint16]


def to_uint16(image: F32) -> U16:
    """Float image in [0, 1] as 16-bit gray; values outside are clipped."""
    stored: U16 = np.rint(np.clip(image, 0.0, 1.0) * 65535.0).astype(np.uint16)
    return stored


def from_uint16(stored: npt.NDArray[np.uint16]) -> F32:
    """The float32 image in [0, 1] of a 16-bit one; within 1/131070 of what was stored."""
    return (stored.astype(np.float32) / np.float32(65535.0)).astype(np.float32)
