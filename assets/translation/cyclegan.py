"""CycleGAN: two generators that must undo each other, two discriminators (Zhu et al. 2017, arXiv:1703.10593)."""

import torch
from torch import Tensor, nn

from assets.translation.discriminators import PatchDiscriminator
from assets.translation.domain import confine
from assets.translation.generator import initial_generator
from assets.translation.generators import initialized
from assets.translation.image_pool import ImagePool
from assets.translation.layers import placed
from assets.translation.losses import cycle, discriminator_lsgan, identity, lsgan
from assets.translation.optimization import adam, backpropagate, frozen, update
from assets.translation.presets import TranslationPlan
from assets.translation.sampling import Batch


class CycleGan:
    """Networks, optimizers and pools of one training.

    `to_normal` is G_A of the paper (abnormal to normal), `to_abnormal` is G_B; `judge_normal` sees real and
    translated normal images, `judge_abnormal` abnormal ones.

    Args:
        plan: sizes, rates and weights.
        weights: source of the initial weights, on the CPU.
        device: where to train.
    """

    def __init__(self, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> None:
        self.plan = plan
        sizes = plan.discriminator_width, plan.discriminator_layers
        self.to_normal, self.to_abnormal = (placed(initial_generator(plan, weights), device) for _ in range(2))
        self.judge_normal, self.judge_abnormal = (
            placed(initialized(lambda: PatchDiscriminator(*sizes), weights), device) for _ in range(2)
        )
        self.pools = {"normal": ImagePool(plan.pool_size), "abnormal": ImagePool(plan.pool_size)}
        self.networks: dict[str, nn.Module] = {
            "to_normal": self.to_normal,
            "to_abnormal": self.to_abnormal,
            "judge_normal": self.judge_normal,
            "judge_abnormal": self.judge_abnormal,
        }
        self.optimizers = {
            "generators": adam([self.to_normal, self.to_abnormal], plan),
            "discriminators": adam([self.judge_normal, self.judge_abnormal], plan),
        }

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """One update of both generators with the discriminators frozen, then one of both discriminators.

        Args:
            abnormal: batch of domain A.
            normal: batch of domain B.
            randomness: source of the pools' decisions, on the CPU.
            autocast: compute in bfloat16.

        Returns:
            Scalar losses, detached: adversarial, cycle and identity loss of both directions and each discriminator's;
            and the norms of both gradients.
        """
        self.optimizers["generators"].zero_grad()
        with frozen([self.judge_normal, self.judge_abnormal]):
            # One backward pass a direction halves the memory of the graph.
            fake_normal, there = self._towards(abnormal, normal, normal=True, autocast=autocast)
            fake_abnormal, back = self._towards(normal, abnormal, normal=False, autocast=autocast)
        norms = {"gradient_generators": update(self.optimizers["generators"], self.plan.gradient_clip)}
        self.optimizers["discriminators"].zero_grad()
        shown_normal = self.pools["normal"].query(fake_normal, randomness)
        shown_abnormal = self.pools["abnormal"].query(fake_abnormal, randomness)
        judged = {
            "judge_normal": self._judge(self.judge_normal, normal.images, shown_normal, autocast=autocast),
            "judge_abnormal": self._judge(self.judge_abnormal, abnormal.images, shown_abnormal, autocast=autocast),
        }
        norms["gradient_discriminators"] = update(self.optimizers["discriminators"], self.plan.gradient_clip)
        return there | back | judged | norms

    def _towards(
        self, source: Batch, target: Batch, *, normal: bool, autocast: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Gradients of the losses of one direction; its fakes and losses."""
        forward, backward, judge = (
            (self.to_normal, self.to_abnormal, self.judge_normal)
            if normal
            else (self.to_abnormal, self.to_normal, self.judge_abnormal)
        )
        with torch.autocast(source.images.device.type, dtype=torch.bfloat16, enabled=autocast):
            # The identity image rides in the same forward pass; instance norm keeps the two apart.
            images = torch.cat([source.images, target.images])
            inside = torch.cat([source.inside, target.inside])
            fake, same = confine(forward(images), inside).chunk(2)
            losses = {
                "adversarial": lsgan(judge(fake), real=True),
                "cycle": cycle(confine(backward(fake), source.inside), source.images),
                "identity": identity(same, target.images),
            }
        weight = self.plan.cycle_weight
        backpropagate(
            losses["adversarial"] + weight * (losses["cycle"] + self.plan.identity_weight * losses["identity"])
        )
        name = "to_normal" if normal else "to_abnormal"
        return fake.detach().float(), {f"{name}_{loss}": value.detach() for loss, value in losses.items()}

    def _judge(self, judge: PatchDiscriminator, real: Tensor, fake: Tensor, *, autocast: bool) -> Tensor:
        """Gradients of a discriminator's loss, one forward pass for real images and fakes; the loss."""
        with torch.autocast(real.device.type, dtype=torch.bfloat16, enabled=autocast):
            loss = discriminator_lsgan(*judge(torch.cat([real, fake])).chunk(2))
        backpropagate(loss)
        return loss.detach()
