import pytest
import torch
from torch import nn

from assets.translation.cut import Cut, PatchProjector, draw_positions
from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.losses import patch_nce
from assets.translation.presets import TranslationPlan, resolved
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _plan(**numbers: object) -> TranslationPlan:
    small = {"size": 32, "generator_width": 4, "generator_blocks": 2, "discriminator_width": 4, "batch": 2}
    return resolved(TranslationSettings.model_validate({**small, "nce_patches": 16, "nce_width": 8, **numbers}), "cut")


def _cut(**numbers: object) -> Cut:
    return Cut(_plan(**numbers), torch.Generator().manual_seed(0), torch.device("cpu"))


def _batch(seed: int) -> Batch:
    images = torch.rand((2, 1, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


def _parameters(network: nn.Module) -> list[torch.Tensor]:
    return [parameter.detach().clone() for parameter in network.parameters()]


def _equal(before: list[torch.Tensor], after: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(before, after, strict=True))


def _step(cut: Cut, *, autocast: bool = False) -> dict[str, torch.Tensor]:
    return cut.step(_batch(1), _batch(2), torch.Generator().manual_seed(3), autocast=autocast)


def test_fingerprint_of_the_published_projector() -> None:
    # Layers of 1, 128, 256, 256, 256 channels, each (c 256 + 256) + (256 256 + 256).
    with torch.device("meta"):
        projector = PatchProjector(ResnetGenerator(64, 9).feature_channels, 256)
    assert sum(parameter.numel() for parameter in projector.parameters()) == 559_872


def test_projector_exists_and_is_optimized_from_the_first_step() -> None:
    cut = _cut()
    owned = {id(parameter) for group in cut.optimizers["projector"].param_groups for parameter in group["params"]}
    assert owned == {id(parameter) for parameter in cut.projector.parameters()}
    assert "projector" in cut.networks


def test_projected_patches_are_unit_vectors_of_their_positions() -> None:
    projector = initialized(lambda: PatchProjector([3], 8), torch.Generator().manual_seed(0))
    feature = torch.randn((2, 3, 5, 7), generator=torch.Generator().manual_seed(1))
    (vectors,) = projector([feature], [torch.tensor([0, 9, 34])])
    assert vectors.shape == (2, 3, 8)
    assert torch.allclose(vectors.norm(dim=-1), torch.ones(2, 3), atol=1e-4)
    # Flat position 9 of a 5x7 map is row 1, column 2.
    alone = projector([feature[:, :, 1:2, 2:3]], [torch.tensor([0])])[0]
    assert torch.allclose(vectors[:, 1:2], alone, atol=1e-6)


def test_positions_are_distinct_and_at_most_the_map() -> None:
    maps = [torch.zeros(1, 2, 8, 8), torch.zeros(1, 2, 3, 3)]
    wide, narrow = draw_positions(maps, 16, torch.Generator().manual_seed(0))
    assert len(set(wide.tolist())) == 16
    assert sorted(narrow.tolist()) == list(range(9))


def test_one_step_updates_every_network_once_and_the_discriminator_first() -> None:
    cut, order = _cut(), []
    before = {name: _parameters(network) for name, network in cut.networks.items()}
    for name, optimizer in cut.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: order.append(name))
    _step(cut)
    assert not any(_equal(before[name], _parameters(network)) for name, network in cut.networks.items())
    assert order == ["discriminator", "generator", "projector"]


@pytest.mark.parametrize(
    ("stopped", "untouched"),
    [("discriminator", ["judge_normal"]), ("generator", ["to_normal"]), ("projector", ["projector"])],
)
def test_no_optimizer_touches_the_networks_of_another(stopped: str, untouched: list[str]) -> None:
    cut = _cut()
    cut.optimizers[stopped].step = lambda closure=None: None  # type: ignore[method-assign]
    before = {name: _parameters(cut.networks[name]) for name in untouched}
    _step(cut)
    assert all(_equal(before[name], _parameters(cut.networks[name])) for name in untouched)


def _nce_by_hand(cut: Cut, image: torch.Tensor, positions: list[torch.Tensor]) -> torch.Tensor:
    keys = cut.projector(cut.to_normal.features(image), positions)
    queries = cut.projector(cut.to_normal.features(cut.to_normal(image)), positions)
    return torch.stack([patch_nce(q, k, 0.07) for q, k in zip(queries, keys, strict=True)]).mean()


@pytest.mark.parametrize("identity_nce", [True, False])
def test_contrastive_loss_is_the_mean_of_abnormal_and_identity_terms(identity_nce: bool) -> None:
    cut = _cut(identity_nce=identity_nce)
    a, b = _batch(1).images, _batch(2).images
    positions = draw_positions(cut.to_normal.features(a), 16, torch.Generator().manual_seed(3))
    expected = _nce_by_hand(cut, a, positions)
    if identity_nce:
        expected = (expected + _nce_by_hand(cut, b, positions)) / 2
    assert _step(cut)["nce"].item() == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("adversarial_weight", "nce_weight"), [(1.0, 0.0), (0.0, 1.0), (2.0, 3.0)])
def test_generator_gradient_is_that_of_the_weighted_sum(adversarial_weight: float, nce_weight: float) -> None:
    cut = _cut(adversarial_weight=adversarial_weight, nce_weight=nce_weight)
    # With the discriminator held, its loss on the fake is what the generator sees.
    cut.optimizers["discriminator"].step = lambda closure=None: None  # type: ignore[method-assign]
    a, b = _batch(1).images, _batch(2).images
    positions = draw_positions(cut.to_normal.features(a), 16, torch.Generator().manual_seed(3))
    adversarial = (cut.judge_normal(cut.to_normal(a)) - 1).square().mean()
    nce = (_nce_by_hand(cut, a, positions) + _nce_by_hand(cut, b, positions)) / 2
    weights = [*cut.to_normal.parameters(), *cut.projector.parameters()]
    expected = torch.autograd.grad(adversarial_weight * adversarial + nce_weight * nce, weights, allow_unused=True)
    # A bias before instance norm has no effect: its gradient is rounding noise. Errors are judged by the largest one.
    scale = max(float(gradient.abs().max()) for gradient in expected if gradient is not None)
    _step(cut)
    for parameter, gradient in zip(weights, expected, strict=True):
        gradient = torch.zeros_like(parameter) if gradient is None else gradient
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, gradient, rtol=1e-3, atol=1e-4 * scale)


def test_mirrored_batch_is_translated_mirrored_and_its_features_mirrored_back() -> None:
    # Of the generators seeded 0 .. 9, some first draw less than 1/2 (mirrored) and some more.
    mirrored = 0
    for seed in range(10):
        cut = _cut(flip_equivariance=True, identity_nce=False)
        seen: list[torch.Tensor] = []
        cut.judge_normal.register_forward_pre_hook(lambda _module, inputs, seen=seen: seen.append(inputs[0].detach()))
        flip = bool(torch.rand((), generator=torch.Generator().manual_seed(seed)) < 0.5)
        a = _batch(1).images
        expected = cut.to_normal(a.flip(3) if flip else a)
        generator = torch.Generator().manual_seed(seed)
        torch.rand((), generator=generator)
        positions = draw_positions(cut.to_normal.features(a), 16, generator)
        features = [value.flip(3) if flip else value for value in cut.to_normal.features(expected)]
        pairs = zip(
            cut.projector(features, positions), cut.projector(cut.to_normal.features(a), positions), strict=True
        )
        nce = torch.stack([patch_nce(query, key, 0.07) for query, key in pairs]).mean().item()
        losses = cut.step(_batch(1), _batch(2), torch.Generator().manual_seed(seed), autocast=False)
        assert torch.allclose(seen[0].chunk(2)[1], expected, atol=1e-6)
        assert losses["nce"].item() == pytest.approx(nce, rel=1e-4)
        mirrored += flip
    assert 0 < mirrored < 10


def test_mirrored_lungs_are_confined_where_they_are() -> None:
    abnormal = _batch(1)
    abnormal.inside[..., :8] = False
    sides = set()
    for seed in range(6):
        cut = _cut(flip_equivariance=True)
        seen: list[torch.Tensor] = []
        cut.judge_normal.register_forward_pre_hook(lambda _module, inputs, seen=seen: seen.append(inputs[0].detach()))
        cut.step(abnormal, _batch(2), torch.Generator().manual_seed(seed), autocast=False)
        fake = seen[0].chunk(2)[1]
        left, right = bool((fake[..., :8] == -1).all()), bool((fake[..., -8:] == -1).all())
        assert left != right
        sides.add("left" if left else "right")
    assert sides == {"left", "right"}


@pytest.mark.parametrize("broken", ["to_normal", "judge_normal", "projector"])
def test_gradient_that_is_not_finite_leaves_its_network_alone(broken: str) -> None:
    cut = _cut()
    network = cut.networks[broken]
    before = _parameters(network)
    next(network.parameters()).register_hook(lambda gradient: gradient * float("nan"))  # type: ignore[no-untyped-call]
    losses = _step(cut)
    names = {"to_normal": "generator", "judge_normal": "discriminator", "projector": "projector"}
    norms = {name: bool(losses[f"gradient_{name}"].isfinite()) for name in names.values()}
    assert norms == {name: name != names[broken] for name in names.values()}
    assert _equal(before, _parameters(network))


def test_gradients_are_clipped_to_the_plans_norm() -> None:
    cut = _cut(gradient_clip=1e-3)
    losses = _step(cut)
    assert losses["gradient_generator"] > 1e-3
    clipped = [parameter.grad for parameter in cut.to_normal.parameters() if parameter.grad is not None]
    assert nn.utils.get_total_norm(clipped).item() == pytest.approx(1e-3, rel=1e-2)


def test_translations_are_background_outside_the_lungs() -> None:
    cut, shown = _cut(), []
    cut.judge_normal.register_forward_pre_hook(lambda _module, inputs: shown.append(inputs[0].detach()))
    abnormal, normal = _batch(1), _batch(2)
    abnormal.inside[..., :16] = False
    cut.step(abnormal, normal, torch.Generator().manual_seed(3), autocast=False)
    real, fake = shown[0].chunk(2)
    assert torch.equal(real, normal.images)
    assert (fake[..., :16] == -1).all()
    assert torch.equal(shown[1], fake)


def test_reduced_precision_keeps_weights_and_losses_in_float32() -> None:
    cut = _cut()
    losses = _step(cut, autocast=True)
    assert all(value.dtype == torch.float32 and value.isfinite() for value in losses.values())
    assert {parameter.dtype for parameter in cut.to_normal.parameters()} == {torch.float32}
