"""Prepared images as 16-bit codes: half the room, and never further than 1.6e-5 from what was prepared."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

U16 = npt.NDArray[np.uint16]
_HIGHEST = 65535


def codes_of(images: Tensor) -> U16:
    """(N, 1, S, S) in [-1, 1] as codes of that shape, 0 for -1 and 65535 for 1."""
    codes: U16 = ((images.double() + 1) * (_HIGHEST / 2)).round().numpy().astype(np.uint16)
    return codes


def images_of(codes: U16) -> Tensor:
    """Images (N, 1, S, S) in [-1, 1], float32; -1 and 1 are exact."""
    return torch.from_numpy(codes.astype(np.float32) / np.float32(_HIGHEST / 2) - np.float32(1))
