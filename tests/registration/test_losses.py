import pytest
import torch

from assets.registration.fields import identity_grid, integrate, warp
from assets.registration.losses import field_distance, intensity_difference, overlap_loss, roughness


def disc(across: float, down: float, size: int = 32) -> torch.Tensor:
    x, y = (identity_grid((size, size), torch.zeros(1)) - (size - 1) / 2).unbind(1)
    return torch.sigmoid(2 * (1 - (x / across) ** 2 - (y / down) ** 2) * min(across, down) / 2)[:, None]


def test_field_distance_is_a_squared_length_inside_the_mask() -> None:
    field, mask = torch.zeros(2, 2, 4, 4), torch.zeros(1, 1, 4, 4)
    field[:, 0], field[:, 1] = 3, 4
    field[..., 2:, :] = 100
    mask[..., :2, :] = 1
    assert field_distance(field, torch.zeros_like(field), mask).item() == pytest.approx(25)
    assert field_distance(field, field, mask).item() == 0


def test_intensity_difference_weighs_the_mask() -> None:
    warped, mask = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0, 0.5], [0, 0]]]])
    warped[0, 0, 0, 0], warped[0, 0, 1, 1] = 0.6, 9
    # 0.36 * 1 / 1.5
    assert intensity_difference(warped, torch.zeros_like(warped), mask).item() == pytest.approx(0.24)


def test_empty_mask_gives_zero() -> None:
    assert intensity_difference(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)).item() == 0


def test_roughness_of_constant_and_linear_fields() -> None:
    field = torch.full((1, 2, 8, 8), 5.0)
    assert roughness(field).item() == 0
    field[:, 0] = 0.3 * torch.arange(8)
    # 0.3^2 in one of two channels along one of two axes
    assert roughness(field).item() == pytest.approx(0.09 / 4)


def test_overlap_of_equal_disjoint_and_empty_masks() -> None:
    mask = torch.zeros(1, 2, 6, 6)
    mask[:, 0, :, :3], mask[:, 1, :, 3:] = 1, 1
    assert overlap_loss(mask, mask).item() == pytest.approx(0, abs=1e-6)
    assert overlap_loss(mask.flip(1), mask).item() == pytest.approx(1)
    assert overlap_loss(torch.zeros_like(mask), torch.zeros_like(mask)).item() == 0


def test_overlap_is_the_mean_over_lungs() -> None:
    fixed, warped = torch.zeros(1, 2, 4, 4), torch.zeros(2, 2, 4, 4)
    fixed[:, :, :2] = 1
    warped[:, 0, :2], warped[:, 1, 1:3] = 1, 1
    # Dice 1 and 2 * 4 / (8 + 8) = 1 / 2
    assert overlap_loss(warped, fixed).item() == pytest.approx(0.25)


def test_a_circle_registers_to_an_ellipse() -> None:
    moving, fixed = disc(8, 8).expand(-1, 2, -1, -1), disc(12, 6).expand(-1, 2, -1, -1)
    velocity = torch.zeros(1, 2, 32, 32, requires_grad=True)
    optimizer = torch.optim.Adam([velocity], lr=0.2)
    for _ in range(100):
        displacement = integrate(velocity, 7)
        loss = overlap_loss(warp(moving, displacement), fixed) + 0.1 * roughness(displacement)
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    outline = (fixed > 0.5).float()
    before, after = ((mask > 0.5).float() for mask in (moving, warp(moving, integrate(velocity, 7))))
    assert 1 - overlap_loss(before, outline).item() < 0.8
    assert 1 - overlap_loss(after, outline).item() > 0.95
