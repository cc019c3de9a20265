"""The generator that a plan asks for."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from assets.translation.generators import ResnetGenerator, initialized
from assets.translation.presets import TranslationPlan
from assets.translation.unet import UnetGenerator

Generator = ResnetGenerator | UnetGenerator
Built = TypeVar("Built", ResnetGenerator, UnetGenerator, Generator)


def build_generator(plan: TranslationPlan) -> Generator:
    """A generator of the plan's architecture; its weights are torch's."""
    if plan.generator == "unet":
        return UnetGenerator(plan.generator_width, plan.size, dropout=plan.dropout, residual=plan.residual)
    return build_resnet(plan)


def build_resnet(plan: TranslationPlan) -> ResnetGenerator:
    """A ResNet of the plan's sizes; its weights are torch's."""
    return ResnetGenerator(
        plan.generator_width, plan.generator_blocks, residual=plan.residual, resampling=plan.resampling
    )


def initial_generator(plan: TranslationPlan, weights: torch.Generator) -> Generator:
    """A generator before training; a residual one starts as the identity, its last layer being zero.

    Args:
        plan: architecture and sizes.
        weights: source of the weights, on the CPU.
    """
    return _initial(lambda: build_generator(plan), plan, weights)


def initial_resnet(plan: TranslationPlan, weights: torch.Generator) -> ResnetGenerator:
    """As `initial_generator`, for CUT, which contrasts features that only the ResNet has."""
    return _initial(lambda: build_resnet(plan), plan, weights)


def _initial(build: Callable[[], Built], plan: TranslationPlan, weights: torch.Generator) -> Built:
    network = initialized(build, weights)
    if plan.residual:
        nn.init.zeros_(network.head.weight)
    return network
