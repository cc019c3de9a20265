"""The two sides of the benchmark in one form: ours through `CycleGan.step` and `Cut.step`, and the plain peer."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from assets.translation.cut import Cut
from assets.translation.cyclegan import CycleGan
from assets.translation.generators import Resampling
from assets.translation.methods import untrained
from assets.translation.presets import TranslationPlan, resolved
from assets.translation.sampling import Batch
from assets.translation.settings import TranslationSettings
from tests.benchmarks.translators_plain import PlainCut, PlainCycleGan

Method = Literal["cyclegan", "cut"]
METHODS: tuple[Method, ...] = ("cyclegan", "cut")
# What the published code does: only then both sides have the same architecture.
PUBLISHED: dict[Method, Resampling] = {"cyclegan": "transposed", "cut": "antialiased"}
CPU = torch.device("cpu")

Step = Callable[[Tensor, Tensor, int], dict[str, float]]


@dataclass(frozen=True)
class Sizes:
    """Sizes that both sides share: pixels, widths, blocks and layers as in `TranslationSettings`."""

    size: int = 128
    width: int = 32
    blocks: int = 6
    judge_width: int = 64
    judge_layers: int = 3
    patches: int = 256
    dimensions: int = 256
    pool: int = 50


@dataclass(frozen=True)
class Side:
    """One side: a step from images of both domains and a seed to its losses; its networks, in a common order."""

    step: Step
    networks: list[nn.Module]
    optimizers: list[torch.optim.Adam]


def plan_of(method: Method, sizes: Sizes, resampling: Resampling, batch: int = 1) -> TranslationPlan:
    """The plan of our side."""
    settings = TranslationSettings(
        preset="small",
        size=sizes.size,
        batch=batch,
        generator_width=sizes.width,
        generator_blocks=sizes.blocks,
        discriminator_width=sizes.judge_width,
        discriminator_layers=sizes.judge_layers,
        nce_patches=sizes.patches,
        nce_width=sizes.dimensions,
        pool_size=sizes.pool,
        resampling=resampling,
    )
    return resolved(settings, method)


def ours(method: Method, plan: TranslationPlan, *, autocast: bool = False) -> Side:
    """Our side, with weights of seed 0."""
    translator = untrained(method, plan, torch.Generator().manual_seed(0), CPU)

    def step(abnormal: Tensor, normal: Tensor, seed: int) -> dict[str, float]:
        batches = [Batch(images, torch.ones_like(images, dtype=torch.bool)) for images in (abnormal, normal)]
        generator = torch.Generator().manual_seed(seed)
        losses = translator.step(batches[0], batches[1], generator, autocast=autocast)
        return {name: loss.item() for name, loss in losses.items() if not name.startswith("gradient_")}

    assert isinstance(translator, CycleGan | Cut)
    return Side(step, list(translator.networks.values()), list(translator.optimizers.values()))


def plain(method: Method, sizes: Sizes, weights: list[nn.Module] | None = None) -> Side:
    """The peer; with the weights of the networks given, which are taken in the order of their layers."""
    side = _plain_cyclegan(sizes) if method == "cyclegan" else _plain_cut(sizes)
    for network, source in zip(side.networks, weights or [], strict=weights is not None):
        for parameter, value in zip(network.parameters(), source.parameters(), strict=True):
            parameter.data.copy_(value.data)
    return side


def images(batch: int, size: int, seed: int) -> tuple[Tensor, Tensor]:
    """Images of both domains (batch, 1, size, size), uniform noise in [-1, 1]."""
    generator = torch.Generator().manual_seed(seed)
    both = torch.rand((2, batch, 1, size, size), generator=generator) * 2 - 1
    return both[0], both[1]


def _plain_cyclegan(sizes: Sizes) -> Side:
    gan = PlainCycleGan(sizes.width, sizes.blocks, sizes.judge_width, layers=sizes.judge_layers, pool=sizes.pool)
    networks: list[nn.Module] = [gan.to_b, gan.to_a, gan.judge_b, gan.judge_a]
    return Side(
        lambda a, b, seed: gan.step(a, b, torch.Generator().manual_seed(seed)),
        networks,
        [gan.generators, gan.discriminators],
    )


def _plain_cut(sizes: Sizes) -> Side:
    cut = PlainCut(
        sizes.width,
        sizes.blocks,
        sizes.judge_width,
        patches=sizes.patches,
        dimensions=sizes.dimensions,
        layers=sizes.judge_layers,
    )
    return Side(cut.step, [cut.to_b, cut.judge_b, cut.projector], [cut.generator, cut.discriminator, cut.mlp])
