"""CycleGAN: two generators that must undo each other, two discriminators (Zhu et al. 2017, arXiv:1703.10593)."""

import torch
from torch import Tensor, nn

from assets.translation.discriminators import PatchDiscriminator
from assets.translation.domain import confine
from assets.translation.generator import initial_generator
from assets.translation.generators import initialized
from assets.translation.image_pool import ImagePool
from assets.translation.losses import cycle, discriminator_lsgan, identity, lsgan
from assets.translation.optimization import adam, backpropagate, frozen
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
        self.to_normal, self.to_abnormal = (initial_generator(plan, weights).to(device) for _ in range(2))
        self.judge_normal, self.judge_abnormal = (
            initialized(lambda: PatchDiscriminator(plan.discriminator_width, plan.discriminator_layers), weights).to(
                device
            )
            for _ in range(2)
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
            Scalar losses, detached: adversarial, cycle and identity loss of both directions and each discriminator's.
        """
        with frozen([self.judge_normal, self.judge_abnormal]):
            self.optimizers["generators"].zero_grad()
            # One backward pass a direction halves the memory of the graph.
            fake_normal, there = self._update_direction(abnormal, normal, towards_normal=True, autocast=autocast)
            fake_abnormal, back = self._update_direction(normal, abnormal, towards_normal=False, autocast=autocast)
            self.optimizers["generators"].step()
        judged = self._update_discriminators(
            abnormal, normal, fake_abnormal, fake_normal, randomness, autocast=autocast
        )
        return there | back | judged

    def _update_direction(
        self, source: Batch, target: Batch, *, towards_normal: bool, autocast: bool
    ) -> tuple[Tensor, dict[str, Tensor]]:
        forward, backward = self.to_normal, self.to_abnormal
        judge, name = self.judge_normal, "to_normal"
        if not towards_normal:
            forward, backward, judge, name = backward, forward, self.judge_abnormal, "to_abnormal"
        with torch.autocast(source.images.device.type, dtype=torch.bfloat16, enabled=autocast):
            # The identity image rides in the same forward pass; instance norm keeps the two apart.
            images = torch.cat([source.images, target.images])
            inside = torch.cat([source.inside, target.inside])
            translated = confine(forward(images), inside)
            fake, same = translated[: len(source.images)], translated[len(source.images) :]
            losses = {
                "adversarial": lsgan(judge(fake), real=True),
                "cycle": cycle(confine(backward(fake), source.inside), source.images),
                "identity": identity(same, target.images),
            }
        weight = self.plan.cycle_weight
        total = losses["adversarial"] + weight * (losses["cycle"] + self.plan.identity_weight * losses["identity"])
        backpropagate(total)
        return fake.detach().float(), {f"{name}_{loss}": value.detach() for loss, value in losses.items()}

    def _update_discriminators(
        self,
        abnormal: Batch,
        normal: Batch,
        fake_abnormal: Tensor,
        fake_normal: Tensor,
        randomness: torch.Generator,
        *,
        autocast: bool,
    ) -> dict[str, Tensor]:
        shown_normal = self.pools["normal"].query(fake_normal, randomness)
        shown_abnormal = self.pools["abnormal"].query(fake_abnormal, randomness)
        self.optimizers["discriminators"].zero_grad()
        with torch.autocast(normal.images.device.type, dtype=torch.bfloat16, enabled=autocast):
            judge_normal = discriminator_lsgan(self.judge_normal(normal.images), self.judge_normal(shown_normal))
            judge_abnormal = discriminator_lsgan(
                self.judge_abnormal(abnormal.images), self.judge_abnormal(shown_abnormal)
            )
        backpropagate(judge_normal + judge_abnormal)
        self.optimizers["discriminators"].step()
        return {"judge_normal": judge_normal.detach(), "judge_abnormal": judge_abnormal.detach()}
