import math

import pytest
import torch
from torch import nn

from assets.translation.conditional import ConditionalDiscriminator
from assets.translation.generators import initialized
from assets.translation.pix2pix import Pix2Pix
from assets.translation.presets import resolved
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _gan(**numbers: float | str) -> Pix2Pix:
    small = {"size": 32, "generator_width": 4, "discriminator_width": 4, "discriminator_layers": 2}
    plan = resolved(TranslationSettings.model_validate({**small, **numbers}), "pix2pix")
    return Pix2Pix(plan, torch.Generator().manual_seed(0), torch.device("cpu"))


def _batch(seed: int, count: int = 2, size: int = 32) -> Batch:
    images = torch.rand((count, 1, size, size), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


def _step(gan: Pix2Pix, *, randomness: int = 3, autocast: bool = False) -> dict[str, torch.Tensor]:
    size = gan.plan.size
    return gan.step(
        _batch(1, size=size), _batch(2, size=size), torch.Generator().manual_seed(randomness), autocast=autocast
    )


def _without_step(gan: Pix2Pix, optimizer: str) -> Pix2Pix:
    gan.optimizers[optimizer].step = lambda closure=None: None  # type: ignore[method-assign]
    return gan


def _parameters(network: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def _equal(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


# The published one with batch norm has 2,764,609: 2 x (128 + 256 + 512) affine parameters more and, in those layers,
# 128 + 256 + 512 biases fewer. Against the unconditional one, 2,762,689, the first layer reads 16 x 64 values more.
def test_fingerprint_of_the_conditional_discriminator() -> None:
    with torch.device("meta"):
        judge = ConditionalDiscriminator(64, 3)
    count = sum(parameter.numel() for parameter in judge.parameters())
    assert count == 2_764_609 - (128 + 256 + 512) == 2_762_689 + 16 * 64


def test_conditional_discriminator_has_30_logits_a_side_at_full_size() -> None:
    judge = initialized(lambda: ConditionalDiscriminator(1, 3), torch.Generator().manual_seed(0))
    assert judge(torch.zeros(1, 2, 256, 256)).shape == (1, 1, 30, 30)


@pytest.mark.parametrize(("layers", "side"), [(3, 70), (2, 34), (1, 16)])
def test_a_logit_reads_a_patch_of_both_images(layers: int, side: int) -> None:
    judge = initialized(lambda: ConditionalDiscriminator(2, layers), torch.Generator().manual_seed(0)).double()
    # Instance norm makes every pixel count a little; the convolutions decide the patch.
    judge.body = nn.Sequential(*(layer for layer in judge.body if not isinstance(layer, nn.InstanceNorm2d)))
    images = torch.rand((1, 2, 144, 144), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    logits = judge(images.requires_grad_())
    (gradient,) = torch.autograd.grad(logits[0, 0, logits.shape[2] // 2, logits.shape[3] // 2], images)
    for channel in gradient[0]:
        rows, columns = channel.nonzero().unbind(1)
        assert (int(rows.max() - rows.min()) + 1, int(columns.max() - columns.min()) + 1) == (side, side)


def test_discriminator_moves_first() -> None:
    gan, order = _gan(), []
    for name, optimizer in gan.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: order.append(name))
    _step(gan)
    assert order == ["discriminator", "generator"]


def test_generator_step_leaves_the_discriminator_bit_identical() -> None:
    gan = _without_step(_gan(), "discriminator")
    before = _parameters(gan.judge_normal)
    _step(gan)
    assert _equal(before, _parameters(gan.judge_normal))


def test_discriminator_step_leaves_the_generator_bit_identical() -> None:
    gan = _without_step(_gan(), "generator")
    before = _parameters(gan.to_normal)
    _step(gan)
    assert _equal(before, _parameters(gan.to_normal))


class Undecided(nn.Module):
    """A discriminator whose every logit is 0."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.weight.expand(len(x), 1, 3, 3) + 0 * x.sum()


def test_residual_generator_and_undecided_judge_have_the_derived_losses() -> None:
    # An untrained residual generator is the identity: |a - b|; a logit of 0 costs log 2 everywhere.
    gan = _without_step(_gan(residual=True), "discriminator")
    gan.judge_normal = Undecided()  # type: ignore[assignment]
    losses = _step(gan)
    assert losses["adversarial"].item() == pytest.approx(math.log(2))
    assert losses["judge_normal"].item() == pytest.approx(math.log(2))
    assert losses["pixel"].item() == pytest.approx((_batch(1).images - _batch(2).images).abs().mean().item())


@pytest.mark.parametrize("pixel_weight", [100.0, 0.0])
def test_generator_gradient_is_that_of_the_weighted_sum(pixel_weight: float) -> None:
    gan = _without_step(_gan(pixel_weight=pixel_weight), "discriminator")
    a, b = _batch(1).images, _batch(2).images
    fake = gan.to_normal(a)
    # Cross-entropy against "real": log(1 + exp(-logit)).
    total = torch.log1p(torch.exp(-gan.judge_normal(torch.cat([a, fake], 1)))).mean()
    total = total + pixel_weight * (b - fake).abs().mean()
    expected = torch.autograd.grad(total, list(gan.to_normal.parameters()))
    losses = _step(gan)
    _assert_gradients(gan.to_normal, expected)
    norm = torch.stack([gradient.norm() for gradient in expected]).norm()
    assert losses["gradient_generator"].item() == pytest.approx(norm.item(), rel=1e-3)


def test_first_update_of_the_discriminator_is_adams() -> None:
    # Adam's first step, its moments corrected for their start at zero: w - rate * g / (|g| + eps).
    gan = _gan()
    a, b = _batch(1).images, _batch(2).images
    with torch.no_grad():
        fake = gan.to_normal(a)
    logits = gan.judge_normal(torch.cat([torch.cat([a, b], 1), torch.cat([a, fake], 1)]))
    half = (torch.log1p(torch.exp(-logits[:2])).mean() + torch.log1p(torch.exp(logits[2:])).mean()) / 2
    expected = torch.autograd.grad(half, list(gan.judge_normal.parameters()))
    before = _parameters(gan.judge_normal)
    losses = _step(gan)
    assert losses["judge_normal"].item() == pytest.approx(half.item(), rel=1e-5)
    _assert_gradients(gan.judge_normal, expected)
    for old, new, gradient in zip(before, gan.judge_normal.parameters(), expected, strict=True):
        # Where the gradient is rounding noise, so is its sign.
        told = gradient.abs() > 1e-4
        moved = old - gan.plan.learning_rate * gradient / (gradient.abs() + 1e-8)
        assert torch.allclose(new[told], moved[told], atol=1e-6)


def _assert_gradients(network: nn.Module, expected: tuple[torch.Tensor, ...]) -> None:
    # A bias before instance norm has no effect: its gradient is rounding noise. Errors are judged by the largest one.
    scale = max(float(gradient.abs().max()) for gradient in expected)
    for parameter, gradient in zip(network.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-4 * scale)


def test_row_of_one_batch_is_the_partner_of_the_same_row_of_the_other() -> None:
    abnormal, normal = _batch(1, 4), _batch(2, 4)
    whole = _gan().step(abnormal, normal, torch.Generator(), autocast=False)["pixel"]
    rows = [torch.tensor([row]) for row in range(4)]
    singles = [
        _gan().step(abnormal.rows(row), normal.rows(row), torch.Generator(), autocast=False)["pixel"] for row in rows
    ]
    crossed = [
        _gan().step(abnormal.rows(row), normal.rows(3 - row), torch.Generator(), autocast=False)["pixel"]
        for row in rows
    ]
    assert whole.item() == pytest.approx(torch.stack(singles).mean().item(), rel=1e-5)
    assert abs(whole.item() - torch.stack(crossed).mean().item()) > 1e-5


def test_judge_sees_the_source_beside_what_is_background_outside_the_lungs() -> None:
    gan, shown = _gan(), []
    gan.judge_normal.register_forward_pre_hook(lambda _module, inputs: shown.append(inputs[0].detach().clone()))
    abnormal, normal = _batch(1), _batch(2)
    abnormal.inside[:, :, :, :16] = False
    gan.step(abnormal, normal, torch.Generator().manual_seed(3), autocast=False)
    # First the discriminator's real pairs and fakes in one batch, then the generator's fakes.
    real, *fakes = torch.cat(shown).chunk(3)
    assert torch.equal(real, torch.cat([abnormal.images, normal.images], 1))
    assert len(fakes) == 2
    for fake in fakes:
        assert torch.equal(fake[:, :1], abnormal.images)
        assert (fake[:, 1:, :, :16] == -1).all()
        assert (fake[:, 1:, :, 16:] != -1).any()


def test_dropout_is_drawn_from_the_steps_randomness() -> None:
    losses = {
        dropout: [_step(_gan(size=64, dropout=dropout), randomness=seed)["pixel"].item() for seed in (1, 1, 2)]
        for dropout in (0.5, 0.0)
    }
    assert losses[0.5][0] == losses[0.5][1] != losses[0.5][2]
    assert losses[0.0][0] == losses[0.0][1] == losses[0.0][2]


def test_resnet_generator_takes_the_unets_place() -> None:
    gan = _gan(generator="resnet", generator_blocks=2)
    before = _parameters(gan.to_normal)
    _step(gan)
    assert not _equal(before, _parameters(gan.to_normal))


def test_reduced_precision_keeps_weights_and_losses_in_float32() -> None:
    gan = _gan()
    losses = _step(gan, autocast=True)
    assert all(value.dtype == torch.float32 for value in losses.values())
    assert {parameter.dtype for parameter in gan.to_normal.parameters()} == {torch.float32}
    assert losses["pixel"].item() == pytest.approx(_step(_gan())["pixel"].item(), rel=0.02)


def _textures(count: int) -> torch.Tensor:
    coarse = torch.rand((count, 1, 8, 8), generator=torch.Generator().manual_seed(7)) * 2 - 1
    return nn.functional.interpolate(coarse, size=32, mode="bilinear")


def test_four_pairs_are_learned_by_heart() -> None:
    gan = _gan(generator_width=16, discriminator_width=8)
    abnormal = _textures(4)
    normal = abnormal.flip(0) / 2 + 0.2
    inside = torch.ones_like(abnormal, dtype=torch.bool)
    assert (abnormal - normal).abs().mean() > 0.2
    for step in range(120):
        randomness = torch.Generator().manual_seed(step)
        gan.step(Batch(abnormal, inside), Batch(normal, inside), randomness, autocast=False)
    with torch.no_grad():
        assert (gan.to_normal(abnormal) - normal).abs().mean() < 0.05
