"""What the network of each reading is shown, on the half grid."""

import torch
from torch import Tensor

from assets.registration.fields import halve
from assets.registration.settings import Reading

CHANNELS: dict[Reading, int] = {"R1": 6, "R2": 3, "R3": 2}
"""Channels of the views; R3 sees the copy and where the reference's lungs lie."""

FIELD_UNIT = 16.0
"""The known displacement is shown to the network in this unit, half-grid pixels, so that it is about 1."""


def copy_views(prealigned: Tensor, reference: Tensor) -> Tensor:
    """Views of R3.

    The radiograph's own lungs are left out on purpose: brought into the frame by a map made from them, they fit the
    reference whether the map is right or not.

    Args:
        prealigned: radiographs after pre-alignment, (N, 1, h, w) in [0, 1].
        reference: soft lungs of the reference, (1, 2, h, w) in [0, 1], channel 0 = patient-right.

    Returns:
        (N, 2, h, w): the copy, and right minus left lung of the reference.
    """
    return torch.cat((prealigned, _sides(reference).expand(len(prealigned), -1, -1, -1)), dim=1)


def paired_views(moving: Tensor, fixed: Tensor, reference: Tensor) -> Tensor:
    """Views of R2: a copy, the fixed image beside it (N or 1, 1, h, w), and the reference's lungs: (N, 3, h, w)."""
    count = len(moving)
    return torch.cat((moving, fixed.expand(count, -1, -1, -1), _sides(reference).expand(count, -1, -1, -1)), dim=1)


def whole_views(image: Tensor, prealigned: Tensor, field: Tensor, lungs: Tensor, reference: Tensor) -> Tensor:
    """Views of R1.

    Args:
        image: (N, 1, h, w) in [0, 1], on its own canvas.
        prealigned: the same radiographs after pre-alignment, (N, 1, h, w) in [0, 1].
        field: the pre-alignment's own displacement, (N, 2, h, w), pixels.
        lungs: soft lungs of `image`, (N, 2, h, w) in [0, 1], channel 0 = patient-right.
        reference: soft lungs of the reference, (1, 2, h, w).

    Returns:
        (N, 6, h, w): image, copy, displacement, right minus left lung of image and reference.
    """
    lies = _sides(reference).expand(len(image), -1, -1, -1)
    return torch.cat((image, prealigned, field / FIELD_UNIT, _sides(lungs), lies), dim=1)


def soft_lungs(lungs: Tensor) -> Tensor:
    """Labels (N, H, W), 0 / 1 = patient-right / 2, as soft masks on the half grid, (N, 2, H // 2, W // 2) in [0, 1]."""
    return halve(one_hot(lungs))


def one_hot(lungs: Tensor) -> Tensor:
    """Labels (N, H, W) as masks (N, 2, H, W) of 0.0 and 1.0, channel 0 = patient-right."""
    return torch.stack((lungs == 1, lungs == 2), dim=1).float()


def _sides(lungs: Tensor) -> Tensor:
    return lungs[:, :1] - lungs[:, 1:]
