"""The generator that a plan asks for."""

import torch
from torch import nn

from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.presets import TranslationPlan


def build_generator(plan: TranslationPlan) -> ResnetGenerator:
    """A generator of the plan's architecture; its weights are torch's."""
    return ResnetGenerator(plan.generator_width, plan.generator_blocks, residual=plan.residual)


def initial_generator(plan: TranslationPlan, weights: torch.Generator) -> ResnetGenerator:
    """A generator before training; a residual one starts as the identity, its last layer being zero.

    Args:
        plan: architecture and sizes.
        weights: source of the weights, on the CPU.
    """
    network = initialized(lambda: build_generator(plan), weights)
    if plan.residual:
        nn.init.zeros_(network.head.weight)
    return network
