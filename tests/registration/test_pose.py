import numpy as np
import torch
from scipy.ndimage import gaussian_filter

from assets.registration.fields import warp
from assets.registration.pose import draw_poses, follow_pose, pose_displacement


def smooth(seed: int, shape: tuple[int, ...], peak: float) -> torch.Tensor:
    noise = np.random.default_rng(seed).standard_normal(shape)
    image = gaussian_filter(noise, (0,) * (len(shape) - 2) + (8, 8), mode="nearest")
    return torch.from_numpy((image * peak / np.abs(image).max()).astype(np.float32))


def test_the_known_map_follows_the_pose() -> None:
    image, displacement = smooth(0, (4, 1, 64, 64), 1), smooth(1, (4, 2, 64, 64), 4)
    poses = torch.from_numpy(draw_poses(4, 0.04, (64, 64), np.random.default_rng(2)))
    posed = warp(image, pose_displacement(poses, (64, 64)))
    through_pose = warp(posed, follow_pose(displacement, poses))
    inside = (..., slice(16, -16), slice(16, -16))
    torch.testing.assert_close(through_pose[inside], warp(image, displacement)[inside], atol=0.02, rtol=0)
    assert (posed - image).abs().mean() > 0.02


def test_no_spread_is_no_change() -> None:
    poses = torch.from_numpy(draw_poses(3, 0, (32, 48), np.random.default_rng(0)))
    assert pose_displacement(poses, (32, 48)).abs().max() < 1e-4
    displacement = smooth(1, (3, 2, 32, 48), 4)
    torch.testing.assert_close(follow_pose(displacement, poses), displacement, atol=1e-4, rtol=0)


def test_convention_poses_are_x_then_y_in_pixels() -> None:
    poses = torch.tensor([[[1.0, 0, 5], [0, 1, -2]]])
    field = pose_displacement(poses, (8, 8))
    torch.testing.assert_close(field, torch.tensor([5.0, -2]).view(1, 2, 1, 1).expand(1, 2, 8, 8))
    # content moves by (-5, 2), so what was read at p + u is now read at p + u + (-5, 2)
    moved = follow_pose(torch.zeros(1, 2, 8, 8), poses)
    torch.testing.assert_close(moved, -field)


def test_poses_have_the_asked_spread_about_the_center() -> None:
    poses = draw_poses(4000, 0.05, (64, 128), np.random.default_rng(0))
    center = np.array([63.5, 31.5])
    shift = poses[:, :, :2] @ center + poses[:, :, 2] - center
    np.testing.assert_allclose(shift.std(axis=0), [0.05 * 128, 0.05 * 64], rtol=0.05)
    angle = np.arctan2(poses[:, 1, 0], poses[:, 0, 0])
    np.testing.assert_allclose(angle.std(), 0.05, rtol=0.05)
    np.testing.assert_allclose(np.log(np.linalg.det(poses[:, :, :2])).std(), 0.05 * np.sqrt(2), rtol=0.05)
