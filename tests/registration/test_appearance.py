import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.registration.appearance import SPOT_RADIUS, vary_appearance


def gray(count: int = 4, size: int = 64) -> torch.Tensor:
    return torch.full((count, 1, size, size), 0.5)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@settings(deadline=None, max_examples=20)
@given(strength=st.floats(0.01, 1), seed=st.integers(0, 1000))
def test_images_stay_in_range_and_keep_their_shape(strength: float, seed: int) -> None:
    images = torch.rand(3, 1, 32, 48, generator=seeded(seed))
    varied = vary_appearance(images, strength, seeded(seed))
    assert varied.shape == images.shape
    assert varied.min() >= 0
    assert varied.max() <= 1
    assert not torch.equal(varied, images)


def test_no_strength_changes_nothing() -> None:
    images = torch.rand(2, 1, 16, 16, generator=seeded(0))
    assert torch.equal(vary_appearance(images, 0.0, seeded(1)), images)


def test_the_generator_alone_decides() -> None:
    before = torch.get_rng_state()
    first, same, other = (vary_appearance(gray(), 0.15, seeded(seed)) for seed in (3, 3, 4))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), before)


def test_images_of_a_batch_differ() -> None:
    varied = vary_appearance(gray(), 0.15, seeded(0))
    assert (varied[0] - varied[1]).abs().mean() > 0.01


@pytest.mark.parametrize("strength", [0.05, 0.15])
def test_strength_is_about_the_spread_of_gray_values(strength: float) -> None:
    # shadows: three fields of spread U(0, 1); exposure: brightness of spread 1/2; spots cover a part of the image
    change = (vary_appearance(gray(64), strength, seeded(0)) - 0.5).std()
    assert strength / 2 < change < 3 * strength


def test_spots_are_smaller_than_a_lung_and_larger_than_noise() -> None:
    # neighbors agree far better than noise alone would let them: what is added is mostly smooth
    varied = vary_appearance(gray(32), 0.15, seeded(0))
    varied = varied - varied.mean((2, 3), keepdim=True)
    near = (varied[..., 1:] * varied[..., :-1]).mean() / varied.square().mean()
    assert 0.8 < near < 1
    assert SPOT_RADIUS[0] < SPOT_RADIUS[1] < 0.1
