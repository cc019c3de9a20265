import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.translation.paired_losses import (
    correction,
    cross_entropy,
    discriminator_cross_entropy,
    discriminator_mean_lsgan,
    mean_lsgan,
    pixel,
    smoothness,
)

RAMP = torch.arange(4.0).expand(1, 1, 4, 4)


def _field(dx: float, dy: float) -> torch.Tensor:
    return torch.tensor([float(dx), float(dy)]).view(1, 2, 1, 1).expand(1, 2, 4, 4)


def test_undecided_discriminator_costs_the_logarithm_of_two() -> None:
    # A logit of 0 is a probability of 1/2: -log(1/2), and half of the sum of two of them.
    logits = torch.zeros(2, 1, 3, 3)
    for loss in (
        cross_entropy(logits, real=True),
        cross_entropy(logits, real=False),
        discriminator_cross_entropy(logits, logits),
    ):
        assert loss.item() == pytest.approx(math.log(2))


@settings(deadline=None)
@given(logit=st.floats(-8, 8))
def test_cross_entropy_is_that_of_the_sigmoid(logit: float) -> None:
    # -log(1 / (1 + exp(-x))) = log(1 + exp(-x)); calling fake real costs what calling real fake would at -x.
    real = cross_entropy(torch.full((1, 1, 2, 2), logit), real=True).item()
    assert real == pytest.approx(math.log1p(math.exp(-logit)), rel=1e-3, abs=1e-6)
    assert real == pytest.approx(cross_entropy(torch.full((1, 1, 2, 2), -logit), real=False).item(), rel=1e-3)


def test_discriminator_sees_real_as_real_and_fake_as_fake() -> None:
    sure = torch.full((1, 1, 2, 2), 5.0)
    assert discriminator_cross_entropy(sure, -sure).item() == pytest.approx(math.log1p(math.exp(-5)), rel=1e-3)
    assert discriminator_cross_entropy(-sure, sure).item() == pytest.approx(math.log1p(math.exp(5)), rel=1e-3)


def test_pixel_loss_is_the_mean_absolute_error() -> None:
    # Two of four pixels are off by 0.5 and 1: (0.5 + 1) / 4 = 0.375.
    x, y = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.5, 0.0], [-1.0, 0.0]]]])
    assert pixel(x, y).item() == 0.375
    assert pixel(y, y).item() == 0


@pytest.mark.parametrize("axis", ["x", "y"])
def test_correction_reads_the_translation_where_the_field_points(axis: str) -> None:
    # A ramp 0 1 2 3 read one pixel further is 1 2 3 and, the border going on, 3 again; against itself (1 + 1 + 1) / 4.
    ramp, field = (RAMP, _field(1, 0)) if axis == "x" else (RAMP.transpose(2, 3), _field(0, 1))
    moved = (ramp + 1).clamp(max=3)
    assert correction(ramp, field, moved).item() == pytest.approx(0, abs=1e-6)
    assert correction(ramp, field, ramp).item() == pytest.approx(0.75)


def test_correction_without_displacement_is_the_pixel_loss() -> None:
    x = torch.rand((2, 1, 4, 4), generator=torch.Generator().manual_seed(0))
    assert correction(x, torch.zeros(2, 2, 4, 4), 1 - x).item() == pytest.approx(pixel(x, 1 - x).item())


def test_correction_teaches_both_the_translation_and_the_field() -> None:
    translated, field = RAMP.clone().requires_grad_(), _field(0.5, 0).clone().requires_grad_()
    gradients = torch.autograd.grad(correction(translated, field, RAMP), [translated, field])
    assert all(gradient.abs().sum() > 0 for gradient in gradients)


def test_a_field_that_is_no_number_has_a_gradient_and_is_seen_by_its_smoothness() -> None:
    field = _field(0, 0).clone()
    field[0, 0, 1, 1] = float("nan")
    (gradient,) = torch.autograd.grad(correction(RAMP, field.requires_grad_(), RAMP), field)
    assert gradient.shape == field.shape
    assert smoothness(field).isnan()


@settings(deadline=None)
@given(dx=st.floats(-50, 50), dy=st.floats(-50, 50))
def test_a_constant_field_is_smooth(dx: float, dy: float) -> None:
    assert smoothness(_field(dx, dy)).item() == 0


@settings(deadline=None)
@given(slope=st.floats(-3, 3), other=st.floats(-3, 3))
def test_smoothness_is_the_mean_square_of_the_slopes(slope: float, other: float) -> None:
    # u = (a x + b y, 0): of the two channels one has slope a along x and b along y, so a^2 / 2 + b^2 / 2.
    x = torch.arange(4.0).expand(4, 4)
    field = torch.stack([slope * x + other * x.T, torch.zeros(4, 4)])[None]
    assert smoothness(field).item() == pytest.approx((slope**2 + other**2) / 2, rel=1e-4, abs=1e-6)


def test_reg_gan_judges_an_image_by_the_mean_of_its_patches() -> None:
    # Patches 0 and 1 mean 0.5: (0.5 - 1)^2 = 0.25, where patch by patch it would be (1 + 0) / 2 = 0.5.
    logits = torch.tensor([0.0, 1.0]).view(1, 1, 1, 2)
    assert mean_lsgan(logits, real=True).item() == 0.25
    assert mean_lsgan(logits, real=False).item() == 0.25
    # Sum without the half.
    assert discriminator_mean_lsgan(logits, logits).item() == 0.5


def test_mean_is_taken_image_by_image() -> None:
    # One image at 0 and one at 1: ((0 - 1)^2 + 0) / 2, while the mean of both would be at 0.5.
    logits = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    assert mean_lsgan(logits, real=True).item() == 0.5


def test_right_discriminators_cost_nothing() -> None:
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert discriminator_mean_lsgan(ones, zeros).item() == 0
    assert discriminator_mean_lsgan(zeros, ones).item() == 2


def test_losses_of_bfloat16_are_float32() -> None:
    x, field = torch.zeros(1, 1, 4, 4, dtype=torch.bfloat16), torch.zeros(1, 2, 4, 4, dtype=torch.bfloat16)
    for loss in (
        cross_entropy(x, real=True),
        discriminator_cross_entropy(x, x),
        pixel(x, x),
        correction(x, field, x),
        smoothness(field),
        discriminator_mean_lsgan(x, x),
    ):
        assert loss.dtype == torch.float32
