import numpy as np
import pytest
import SimpleITK as sitk
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter, map_coordinates
from torch import Tensor

from assets.registration.fields import compose, halve, identity_grid, integrate, resize_displacement, warp


def smooth_field(seed: int, size: int, peak: float, sigma: float = 6) -> Tensor:
    """Smooth random field (1, 2, size, size) float64, its longest component `peak` pixels."""
    noise = np.random.default_rng(seed).standard_normal((2, size, size))
    field = np.stack([gaussian_filter(channel, sigma, mode="nearest") for channel in noise])
    return torch.from_numpy(field * peak / np.abs(field).max())[None]


def smooth_image(seed: int, size: int) -> Tensor:
    noise = np.random.default_rng(seed).standard_normal((size, size))
    image = gaussian_filter(noise, 4, mode="nearest")
    return torch.from_numpy((image - image.min()) / np.ptp(image))[None, None]


def test_identity_returns_the_image() -> None:
    image = torch.rand(2, 3, 17, 23, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(warp(image, torch.zeros(2, 2, 17, 23)), image, atol=1e-5, rtol=0)


def test_convention_channel_0_is_x_and_the_map_is_backward() -> None:
    image = torch.zeros(1, 1, 9, 11)
    image[0, 0, 4, 7] = 1
    displacement = torch.zeros(1, 2, 9, 11)
    displacement[:, 0], displacement[:, 1] = 2, -1
    # content at (7, 4) is read from p + (2, -1), hence appears at p = (5, 5)
    expected = torch.zeros(9, 11)
    expected[5, 5] = 1
    torch.testing.assert_close(warp(image, displacement)[0, 0], expected, atol=1e-5, rtol=0)


def test_convention_grid_is_x_then_y_from_zero() -> None:
    grid = identity_grid((3, 4), torch.zeros(1))
    assert grid.shape == (1, 2, 3, 4)
    assert grid[0, :, 2, 3].tolist() == [3, 2]
    assert grid[0, :, 0, 0].tolist() == [0, 0]


def test_convention_corners_are_aligned() -> None:
    # on a ramp, a sampler that aligns pixel edges instead of centers is off by up to half a pixel
    ramp = torch.arange(16.0).expand(1, 1, 16, 16)
    shift = torch.zeros(1, 2, 16, 16)
    shift[:, 0] = 0.5
    ours = warp(ramp, shift)
    grid = (identity_grid((16, 16), ramp) + shift) * (2 / 15) - 1
    mixed = F.grid_sample(ramp, grid.permute(0, 2, 3, 1), padding_mode="border", align_corners=False)
    expected = torch.arange(16.0).add(0.5).clamp(max=15).expand(16, 16)
    torch.testing.assert_close(ours[0, 0], expected, atol=1e-4, rtol=0)
    assert (mixed - expected).abs().mean() > 0.2


def test_convention_border_is_replicated() -> None:
    image = torch.full((1, 1, 8, 8), 0.6)
    torch.testing.assert_close(warp(image, torch.full((1, 2, 8, 8), 30.0)), image)


@settings(max_examples=10, deadline=None)
@given(st.integers(-5, 5), st.integers(-5, 5))
def test_integer_shift_equals_array_shift(dx: int, dy: int) -> None:
    image = smooth_image(1, 24)
    displacement = torch.zeros(1, 2, 24, 24, dtype=torch.float64)
    displacement[:, 0], displacement[:, 1] = dx, dy
    rolled = torch.roll(image, (-dy, -dx), (2, 3))
    inside = (..., slice(5, -5), slice(5, -5))
    torch.testing.assert_close(warp(image, displacement)[inside], rolled[inside], atol=1e-12, rtol=0)


def test_warp_agrees_with_scipy() -> None:
    image, field = smooth_image(2, 40), smooth_field(3, 40, 7)
    y, x = np.mgrid[:40, :40]
    place = [y + field[0, 1].numpy(), x + field[0, 0].numpy()]
    expected = map_coordinates(image[0, 0].numpy(), place, order=1, mode="nearest")
    np.testing.assert_allclose(warp(image, field)[0, 0].numpy(), expected, atol=1e-10)


def test_warp_agrees_with_simpleitk() -> None:
    image, field = smooth_image(4, 40), smooth_field(5, 40, 4)
    vectors = sitk.GetImageFromArray(field[0].permute(1, 2, 0).numpy().copy(), isVector=True)
    transform = sitk.DisplacementFieldTransform(vectors)  # type: ignore[no-untyped-call]
    moved = sitk.Resample(sitk.GetImageFromArray(image[0, 0].numpy()), transform, sitk.sitkLinear)
    inside = slice(5, -5)
    np.testing.assert_allclose(
        warp(image, field)[0, 0].numpy()[inside, inside], sitk.GetArrayFromImage(moved)[inside, inside], atol=1e-9
    )


def test_warp_gradient() -> None:
    image = smooth_image(6, 8).requires_grad_()
    field = (smooth_field(7, 8, 1.3, sigma=2) + 0.21).requires_grad_()
    assert torch.autograd.gradcheck(warp, (image, field), rtol=1e-3)


@pytest.mark.parametrize("shape", [(2, 2, 8, 8), (1, 3, 8, 8), (2, 8, 8)])
def test_warp_refuses_misfit(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"expected \(1, 2, H, W\)"):
        warp(torch.zeros(1, 1, 8, 8), torch.zeros(shape))


def test_warp_refuses_a_line() -> None:
    with pytest.raises(ValueError, match="at least 2 x 2"):
        warp(torch.zeros(1, 1, 1, 8), torch.zeros(1, 2, 1, 8))


def test_warp_by_no_number_reads_the_middle_and_its_gradient_stays_inside() -> None:
    moving = torch.arange(25.0).view(1, 1, 5, 5).requires_grad_()
    displacement = torch.zeros(1, 2, 5, 5)
    displacement[:, :, 0, 0] = float("nan")
    displacement.requires_grad_()
    warped = warp(moving, displacement)
    assert warped[0, 0, 0, 0].item() == 12.0
    # Without a guard this ends the process.
    gradients = torch.autograd.grad(warped.sum(), [moving, displacement])
    assert gradients[0].sum().item() == pytest.approx(25.0)


def test_composed_field_equals_warping_twice() -> None:
    image, outer, inner = smooth_image(8, 64), smooth_field(9, 64, 4, 10), smooth_field(10, 64, 4, 10)
    difference = warp(warp(image, outer), inner) - warp(image, compose(outer, inner))
    assert difference[..., 8:-8, 8:-8].abs().max() < 0.02


def test_convention_composition_applies_the_outer_map_to_the_image_first() -> None:
    # p -> T_outer(T_inner(p)) with T_inner = p + 3 and T_outer = 1.1 p: 1.1 (p + 3), not 1.1 p + 3
    x = torch.arange(32.0).expand(1, 1, 32, 32)
    shift, growth = torch.cat((torch.full_like(x, 3), 0 * x), 1), torch.cat((0.1 * x, 0 * x), 1)
    inside = (slice(None), slice(0, 1), slice(None), slice(0, 28))
    torch.testing.assert_close(compose(growth, shift)[inside], (0.1 * x + 3.3)[inside], atol=1e-4, rtol=0)
    torch.testing.assert_close(compose(shift, growth)[inside], (0.1 * x + 3)[inside], atol=1e-4, rtol=0)


def test_composition_is_associative() -> None:
    first, second, third = (smooth_field(seed, 48, 2, 10) for seed in (11, 12, 13))
    left, right = compose(compose(first, second), third), compose(first, compose(second, third))
    assert (left - right)[..., 8:-8, 8:-8].abs().max() < 0.02


@pytest.mark.parametrize("steps", [0, 3, 5, 7])
def test_constant_velocity_is_exact(steps: int) -> None:
    velocity = torch.zeros(1, 2, 20, 20)
    velocity[:, 0], velocity[:, 1] = 3.5, -2.25
    assert torch.equal(integrate(velocity, steps), velocity)


def test_zero_velocity_is_the_identity() -> None:
    assert not integrate(torch.zeros(2, 2, 12, 12), 7).any()


def test_linear_velocity_integrates_to_the_exponential() -> None:
    # dx/dt = a (x - c) has the flow c + exp(a) (x - c), and 2^7 Euler steps the factor (1 + a / 128)^128
    rate, center = 0.2, 15.5
    velocity = rate * (identity_grid((32, 32), torch.zeros(1, dtype=torch.float64)) - center)
    expected = ((1 + rate / 128) ** 128 - 1) * (velocity / rate)
    inside = (..., slice(6, -6), slice(6, -6))
    torch.testing.assert_close(integrate(velocity, 7)[inside], expected[inside], atol=1e-7, rtol=0)
    assert abs((1 + rate / 128) ** 128 - np.exp(rate)) < 2e-4


@settings(max_examples=5, deadline=None)
@given(st.integers(0, 1000))
def test_minus_velocity_is_the_inverse(seed: int) -> None:
    velocity = smooth_field(seed, 64, 6, 8)
    around = compose(integrate(velocity, 7), integrate(-velocity, 7))
    assert around[..., 12:-12, 12:-12].norm(dim=1).mean() < 0.05


@pytest.mark.parametrize("steps", [0, 1, 4])
def test_integration_gradient(steps: int) -> None:
    # away from zero: bilinear reading has no derivative where it steps onto a pixel center
    velocity = (smooth_field(14, 6, 0.5, sigma=2) + torch.tensor([0.71, -0.83]).view(1, 2, 1, 1)).requires_grad_()
    assert torch.autograd.gradcheck(lambda field: integrate(field, steps), (velocity,), rtol=1e-4)


def test_integration_is_equivariant_to_translation() -> None:
    velocity = torch.zeros(1, 2, 48, 48, dtype=torch.float64)
    velocity[..., 12:28, 12:28] = smooth_field(3, 16, 2, 3)
    moved = integrate(torch.roll(velocity, (4, 7), (2, 3)), 7)
    torch.testing.assert_close(moved, torch.roll(integrate(velocity, 7), (4, 7), (2, 3)), atol=1e-9, rtol=0)


def test_resize_keeps_an_affine_map() -> None:
    # u = (0.1 x, -0.05 y) is the same map on any grid: its values scale with the coordinates
    slopes = torch.tensor([0.1, -0.05]).view(1, 2, 1, 1)
    small = identity_grid((16, 24), torch.zeros(1)) * slopes
    large = identity_grid((32, 48), torch.zeros(1)) * slopes
    torch.testing.assert_close(resize_displacement(small, (32, 48)), large, atol=1e-5, rtol=0)


def test_convention_resize_scales_by_corner_distance() -> None:
    # 127 -> 255 steps between corner pixels: 2.00787, not 2
    field = torch.ones(1, 2, 128, 128)
    torch.testing.assert_close(
        resize_displacement(field, (256, 256)), torch.full((1, 2, 256, 256), 255 / 127), atol=1e-6, rtol=0
    )


def test_resize_refuses_a_line() -> None:
    with pytest.raises(ValueError, match="at least 2 x 2"):
        resize_displacement(torch.zeros(1, 2, 8, 8), (1, 8))


def test_halve_keeps_corner_alignment_and_means() -> None:
    ramp = torch.arange(32.0).expand(1, 1, 32, 32)
    expected = torch.arange(16.0) * 31 / 15
    torch.testing.assert_close(halve(ramp)[0, 0, 8, 1:-1], expected[1:-1], atol=1e-4, rtol=0)
    stripes = (torch.arange(32) % 2).float().expand(1, 1, 32, 32)
    torch.testing.assert_close(halve(stripes)[..., 1:-1], torch.full((1, 1, 16, 14), 0.5), atol=1e-5, rtol=0)


def test_halve_refuses_odd_sizes() -> None:
    with pytest.raises(ValueError, match="even number"):
        halve(torch.zeros(1, 1, 9, 8))
