"""Pix2Pix on pseudo-pairs: a translation that must equal the partner (Isola et al. 2017, arXiv:1611.07004)."""

import torch
from torch import Tensor, nn

from assets.translation.conditional import ConditionalDiscriminator
from assets.translation.domain import confine
from assets.translation.generator import initial_generator
from assets.translation.generators import initialized
from assets.translation.image_pool import ImagePool
from assets.translation.layers import placed
from assets.translation.optimization import adam, backpropagate, frozen, update
from assets.translation.paired_losses import cross_entropy, discriminator_cross_entropy, pixel
from assets.translation.presets import TranslationPlan
from assets.translation.sampling import Batch
from assets.translation.unet import UnetGenerator


class Pix2Pix:
    """Networks and optimizers of one training.

    Args:
        plan: sizes, rates and weights.
        weights: source of the initial weights, on the CPU.
        device: where to train.
    """

    def __init__(self, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> None:
        self.plan = plan
        self.to_normal = placed(initial_generator(plan, weights), device)
        judge = initialized(
            lambda: ConditionalDiscriminator(plan.discriminator_width, plan.discriminator_layers), weights
        )
        self.judge_normal = placed(judge, device)
        self.pools: dict[str, ImagePool] = {}
        self.networks: dict[str, nn.Module] = {"to_normal": self.to_normal, "judge_normal": self.judge_normal}
        self.optimizers = {
            "generator": adam([self.to_normal], plan),
            "discriminator": adam([self.judge_normal], plan),
        }

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """One update of the discriminator, then one of the generator with the discriminator frozen.

        Args:
            abnormal: batch of domain A.
            normal: batch of domain B; row i is the partner of abnormal row i.
            randomness: source of the U-Net's dropout, on the CPU.
            autocast: compute in bfloat16.

        Returns:
            Scalar losses, detached: adversarial, pixel, judge_normal; and the norm of each optimizer's gradient.
        """
        precision = torch.autocast(abnormal.images.device.type, dtype=torch.bfloat16, enabled=autocast)
        with precision:
            fake = confine(self._translated(abnormal.images, randomness), abnormal.inside)
            judged = discriminator_cross_entropy(*self._judged(abnormal.images, normal.images, fake.detach()))
        norms = {"gradient_discriminator": self._updated("discriminator", judged)}
        with frozen([self.judge_normal]), precision:
            adversarial = cross_entropy(*self._judged(abnormal.images, fake), real=True)
            difference = pixel(fake, normal.images)
        norms["gradient_generator"] = self._updated("generator", adversarial + self.plan.pixel_weight * difference)
        losses = {"adversarial": adversarial, "pixel": difference, "judge_normal": judged}
        return {name: loss.detach() for name, loss in losses.items()} | norms

    def _translated(self, images: Tensor, randomness: torch.Generator) -> Tensor:
        options = (randomness,) if isinstance(self.to_normal, UnetGenerator) else ()
        translated: Tensor = self.to_normal(images, *options)
        return translated

    def _judged(self, source: Tensor, *shown: Tensor) -> list[Tensor]:
        """Logits of each batch of images beside its sources; one forward pass for all."""
        pairs = torch.cat([torch.cat([source, images], dim=1) for images in shown])
        return list(self.judge_normal(pairs).split(len(source)))

    def _updated(self, optimizer: str, loss: Tensor) -> Tensor:
        self.optimizers[optimizer].zero_grad()
        backpropagate(loss)
        return update(self.optimizers[optimizer], self.plan.gradient_clip)
