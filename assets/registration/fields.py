"""Displacement fields in torch: warping, composition, integration and change of grid.

Fields are backward maps on the output grid, (N, 2, H, W), channel 0 = x (columns), channel 1 = y (rows), in pixels of
their own grid, pixel centres at integers: `warped(p) = moving(p + u(p))`. Corner pixels map to corner pixels
(align_corners) wherever a grid changes size.
"""

import torch
import torch.nn.functional as F
from torch import Tensor


def identity_grid(size: tuple[int, int], like: Tensor) -> Tensor:
    """Pixel coordinates (1, 2, H, W), channel 0 = x, with device and dtype of `like`."""
    rows = torch.arange(size[0], device=like.device, dtype=like.dtype)
    columns = torch.arange(size[1], device=like.device, dtype=like.dtype)
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    return torch.stack((x, y))[None]


def warp(moving: Tensor, displacement: Tensor) -> Tensor:
    """Read `moving` at `p + u(p)`, bilinearly, the border replicated.

    Args:
        moving: (N, C, H, W).
        displacement: backward map (N, 2, h, w) in pixels of `moving`; (h, w) is the grid of the result. Where it is
            no number, the middle of `moving` is read.

    Returns:
        (N, C, h, w) in the dtype of `moving`.

    Raises:
        ValueError: shapes don't fit, or a side of `moving` is a single pixel.
    """
    height, width = moving.shape[-2:]
    if displacement.ndim != 4 or displacement.shape[1] != 2 or len(displacement) != len(moving):
        raise ValueError(
            f"displacement has shape {tuple(displacement.shape)}; expected ({len(moving)}, 2, H, W) "
            f"for moving of shape {tuple(moving.shape)}"
        )
    if min(height, width) < 2:
        raise ValueError(f"moving must be at least 2 x 2 pixels, got {height} x {width}")
    place = identity_grid((displacement.shape[2], displacement.shape[3]), displacement) + displacement
    span = place.new_tensor([width - 1, height - 1]).view(1, 2, 1, 1)
    # torch's backward pass at a position that is no number reads outside its memory.
    grid = (place * (2 / span) - 1).permute(0, 2, 3, 1).nan_to_num()
    return F.grid_sample(moving, grid.to(moving.dtype), padding_mode="border", align_corners=True)


def compose(outer: Tensor, inner: Tensor) -> Tensor:
    """Displacement of `p -> T_outer(T_inner(p))`: warping once by it equals warping by `outer`, then by `inner`.

    Args:
        outer: (N, 2, H, W), applied to the image first.
        inner: (N, 2, H, W), on the grid of the result.
    """
    return inner + warp(outer, inner)


def integrate(velocity: Tensor, steps: int) -> Tensor:
    """Displacement at time one of a stationary velocity field, by scaling and squaring.

    Arsigny et al., MICCAI 2006; the border is replicated in every squaring, so that a constant velocity stays exact.
    The displacement of the inverse map is `integrate(-velocity, steps)`.

    Args:
        velocity: (N, 2, h, w), pixels of its own grid per unit of time.
        steps: squarings; 0 returns the velocity itself.
    """
    displacement: Tensor = velocity / float(2**steps)
    for _ in range(steps):
        displacement = compose(displacement, displacement)
    return displacement


def resize_displacement(displacement: Tensor, size: tuple[int, int]) -> Tensor:
    """The same map on a grid of another size: values scale by (W - 1) / (w - 1) and (H - 1) / (h - 1).

    Args:
        displacement: (N, 2, h, w) in pixels of its grid.
        size: (H, W) of the result.

    Returns:
        (N, 2, H, W) in pixels of the new grid.

    Raises:
        ValueError: a side of either grid is a single pixel.
    """
    old, new = displacement.shape[-2:], size
    if min(*old, *new) < 2:
        raise ValueError(f"both grids must be at least 2 x 2 pixels, got {tuple(old)} and {new}")
    scale = displacement.new_tensor([(new[1] - 1) / (old[1] - 1), (new[0] - 1) / (old[0] - 1)])
    resized = F.interpolate(displacement, size=size, mode="bilinear", align_corners=True)
    return resized * scale.view(1, 2, 1, 1)


def halve(image: Tensor) -> Tensor:
    """Image on the grid of half as many rows and columns, (N, C, H, W) -> (N, C, H // 2, W // 2).

    Binomial smoothing (1 2 1) keeps detail finer than the new grid from aliasing. Corner pixels stay on corner pixels,
    as in `resize_displacement`; a 2 x 2 mean would move them by half a pixel.

    Raises:
        ValueError: a side is odd or shorter than four pixels.
    """
    height, width = image.shape[-2:]
    if height % 2 or width % 2 or min(height, width) < 4:
        raise ValueError(f"image must have an even number of rows and columns, at least 4; got {height} x {width}")
    # sums of slices: several times faster on a CPU than a pooling or convolution of one channel
    wide = F.pad(image, (1, 1, 1, 1), mode="replicate")
    rows = wide[..., :-2, :] + 2 * wide[..., 1:-1, :] + wide[..., 2:, :]
    smooth = (rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]) / 16
    return F.interpolate(smooth, size=(height // 2, width // 2), mode="bilinear", align_corners=True)
