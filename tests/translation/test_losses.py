import math

import pytest
import torch
from torch.nn import functional

from assets.translation.losses import cycle, discriminator_lsgan, identity, lsgan, patch_nce


def test_undecided_discriminator_costs_a_quarter() -> None:
    # Logits 0.5: (0.5 - 1)^2 = (0.5 - 0)^2 = 0.25, and half of 0.25 + 0.25 is 0.25.
    logits = torch.full((2, 1, 3, 3), 0.5)
    assert lsgan(logits, real=True).item() == 0.25
    assert lsgan(logits, real=False).item() == 0.25
    assert discriminator_lsgan(logits, logits).item() == 0.25


def test_right_discriminator_costs_nothing_and_a_wrong_one_costs_one() -> None:
    zeros, ones = torch.zeros(1, 1, 2, 2), torch.ones(1, 1, 2, 2)
    assert discriminator_lsgan(ones, zeros).item() == 0
    assert discriminator_lsgan(zeros, ones).item() == 1


def test_perfect_generators_have_no_cycle_and_identity_loss() -> None:
    x = torch.linspace(-1, 1, 16).reshape(1, 1, 4, 4)
    assert cycle(x, x).item() == 0
    assert identity(x, x).item() == 0


def test_cycle_and_identity_are_mean_absolute_errors() -> None:
    # Two of four pixels are off by 0.5 and 1: (0.5 + 1) / 4 = 0.375.
    x, y = torch.zeros(1, 1, 2, 2), torch.tensor([[[[0.5, 0.0], [-1.0, 0.0]]]])
    assert cycle(y, x).item() == 0.375
    assert identity(y, x).item() == 0.375


def test_losses_of_bfloat16_are_float32() -> None:
    x = torch.zeros(1, 1, 2, 2, dtype=torch.bfloat16)
    vectors = torch.zeros(1, 2, 2, dtype=torch.bfloat16)
    for loss in (lsgan(x, real=True), cycle(x, x), identity(x, x), patch_nce(vectors, vectors, 1.0)):
        assert loss.dtype == torch.float32


def test_orthonormal_patches_have_the_smallest_loss() -> None:
    # q_s k_j = 1 for j = s and 0 otherwise: log(1 + 255 exp(-1/0.07)) = 1.593e-4.
    vectors = torch.eye(256)[None]
    expected = math.log1p(255 * math.exp(-1 / 0.07))
    assert expected == pytest.approx(1.593e-4, rel=1e-3)
    assert patch_nce(vectors, vectors, 0.07).item() == pytest.approx(expected, rel=1e-2)


def test_equal_patches_cost_the_logarithm_of_their_number() -> None:
    # All 256 logits of a row agree: -log(1/256) = 5.545.
    vectors = functional.normalize(torch.ones(1, 256, 8), dim=-1)
    assert patch_nce(vectors, vectors, 0.07).item() == pytest.approx(math.log(256), rel=1e-5)


def test_temperature_divides_the_similarities() -> None:
    # Two orthogonal patches: log(1 + exp(-1/t)).
    vectors = torch.eye(2)[None]
    for temperature in (0.5, 2.0):
        assert patch_nce(vectors, vectors, temperature).item() == pytest.approx(
            math.log1p(math.exp(-1 / temperature)), rel=1e-5
        )


def _random_vectors(seed: int) -> torch.Tensor:
    return functional.normalize(torch.randn(2, 32, 16, generator=torch.Generator().manual_seed(seed)), dim=-1)


def test_only_queries_get_a_gradient() -> None:
    query, key = _random_vectors(0).requires_grad_(), _random_vectors(1).requires_grad_()
    (gradient,) = torch.autograd.grad(patch_nce(query, key, 0.07), query)
    assert gradient.abs().sum() > 0
    assert torch.autograd.grad(patch_nce(query, key, 0.07), [query, key], allow_unused=True)[1] is None


def test_order_of_patches_does_not_matter() -> None:
    query, key = _random_vectors(0), _random_vectors(1)
    order = torch.randperm(32, generator=torch.Generator().manual_seed(2))
    assert patch_nce(query[:, order], key[:, order], 0.07).item() == pytest.approx(
        patch_nce(query, key, 0.07).item(), rel=1e-5
    )


def test_images_of_a_batch_do_not_see_each_other() -> None:
    query, key = _random_vectors(0), _random_vectors(1)
    singles = [patch_nce(query[i : i + 1], key[i : i + 1], 0.07).item() for i in range(2)]
    assert patch_nce(query, key, 0.07).item() == pytest.approx(sum(singles) / 2, rel=1e-6)


def test_nce_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match=r"\(N, S, C\)"):
        patch_nce(torch.zeros(1, 2, 3), torch.zeros(1, 3, 3), 0.07)
