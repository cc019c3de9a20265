"""Random changes of pose with their exact effect on a known map: few images show many positions of the lungs."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.registration.fields import identity_grid


def draw_poses(count: int, spread: float, size: tuple[int, int], rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Affine maps (count, 2, 3), `q -> M q + t` in pixels, channel order (x, y), about the center of an (H, W) image.

    Log scale along x and y, rotation in radians and shift as a fraction of each side are normal with `spread`.
    """
    scale_x, scale_y, angle, shift_x, shift_y = spread * rng.standard_normal((5, count))
    cosine, sine = np.cos(angle), np.sin(angle)
    rotation = np.array([[cosine, -sine], [sine, cosine]]).transpose(2, 0, 1)
    matrix = rotation * np.exp(np.stack([scale_x, scale_y], axis=1))[:, None]
    center = (np.array([size[1], size[0]]) - 1) / 2
    shift = np.stack([shift_x * size[1], shift_y * size[0]], axis=1)
    offset = center + shift - matrix @ center
    poses: npt.NDArray[np.float32] = np.concatenate([matrix, offset[..., None]], axis=2).astype(np.float32)
    return poses


def pose_displacement(poses: Tensor, size: tuple[int, int]) -> Tensor:
    """Displacement (N, 2, H, W) of the maps `q -> M q + t`; warping an image by it puts it into the new pose."""
    grid = identity_grid(size, poses)
    return _apply(poses, grid.expand(len(poses), -1, -1, -1)) - grid


def follow_pose(displacement: Tensor, poses: Tensor) -> Tensor:
    """The known map of an image once the image is warped by `pose_displacement`.

    With x'(q) = x(A q), the map T' = A^-1 T reads the same anatomy: x'(T'(p)) = x(T(p)).

    Args:
        displacement: known map T of each image, (N, 2, H, W), pixels.
        poses: A of each image, (N, 2, 3).

    Returns:
        Displacement of T', (N, 2, H, W).
    """
    grid = identity_grid((displacement.shape[2], displacement.shape[3]), displacement)
    inverse = torch.linalg.inv(poses[:, :, :2])
    back = torch.cat((inverse, -inverse @ poses[:, :, 2:]), dim=2)
    return _apply(back, grid + displacement) - grid


def _apply(poses: Tensor, points: Tensor) -> Tensor:
    return torch.einsum("nij,njhw->nihw", poses[:, :, :2], points) + poses[:, :, 2, None, None]
