"""Reg-GAN's mode C+R: CycleGAN whose way to normal is held to a registered partner (Kong et al. 2021, 2110.06465)."""

import torch
from torch import Tensor

from assets.translation.domain import confine
from assets.translation.generator import initial_generator
from assets.translation.image_pool import ImagePool
from assets.translation.layers import placed
from assets.translation.losses import cycle
from assets.translation.optimization import adam, backpropagate, frozen
from assets.translation.paired_losses import mean_lsgan
from assets.translation.presets import TranslationPlan
from assets.translation.reggan import RegGan, detached, discriminator, judged, precision
from assets.translation.sampling import Batch


class CyclicRegGan(RegGan):
    """C+R: a second generator and discriminator, cycle losses and pools as in CycleGAN; arguments as `RegGan`."""

    def __init__(self, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> None:
        super().__init__(plan, weights, device)
        self.to_abnormal = placed(initial_generator(plan, weights), device)
        self.judge_abnormal = placed(discriminator(plan, weights), device)
        self.pools = {"normal": ImagePool(plan.pool_size), "abnormal": ImagePool(plan.pool_size)}
        self.networks |= {"to_abnormal": self.to_abnormal, "judge_abnormal": self.judge_abnormal}
        self.optimizers["generators"] = adam([self.to_normal, self.to_abnormal], plan)
        self.optimizers["discriminators"] = adam([self.judge_normal, self.judge_abnormal], plan)

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """One update of both generators and the registration, then one of both discriminators.

        Only the translation to normal is registered; arguments as `RegGan.step`.

        Returns:
            What `RegGan.step` returns; cycle; adversarial_back and cycle_back, of the way to abnormal and back to
            normal; judge_abnormal.
        """
        self._clear("generators", "registration")
        with frozen([self.judge_normal, self.judge_abnormal]):
            # One backward pass a direction halves the memory of the graph.
            with precision(abnormal, autocast=autocast):
                fake_normal, losses = self._towards_partner(abnormal, normal)
                losses["cycle"] = cycle(confine(self.to_abnormal(fake_normal), abnormal.inside), abnormal.images)
                there = self._weighted(losses) + self.plan.cycle_weight * losses["cycle"]
            backpropagate(there)
            with precision(normal, autocast=autocast):
                fake_abnormal, returned = self._back(normal)
                back = returned["adversarial_back"] + self.plan.cycle_weight * returned["cycle_back"]
            backpropagate(back)
        norms = self._update("generators", "registration")
        verdicts = self._judge((abnormal, fake_abnormal), (normal, fake_normal), randomness, autocast=autocast)
        return detached(losses | returned | verdicts) | norms | self._update("discriminators")

    def _back(self, normal: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        fake = confine(self.to_abnormal(normal.images), normal.inside)
        return fake, {
            "adversarial_back": mean_lsgan(self.judge_abnormal(fake), real=True),
            "cycle_back": cycle(confine(self.to_normal(fake), normal.inside), normal.images),
        }

    def _judge(
        self,
        abnormal: tuple[Batch, Tensor],
        normal: tuple[Batch, Tensor],
        randomness: torch.Generator,
        *,
        autocast: bool,
    ) -> dict[str, Tensor]:
        (real_abnormal, fake_abnormal), (real_normal, fake_normal) = abnormal, normal
        shown_normal = self.pools["normal"].query(fake_normal, randomness)
        shown_abnormal = self.pools["abnormal"].query(fake_abnormal, randomness)
        self._clear("discriminators")
        with precision(real_normal, autocast=autocast):
            losses = {
                "judge_normal": judged(self.judge_normal, real_normal.images, shown_normal),
                "judge_abnormal": judged(self.judge_abnormal, real_abnormal.images, shown_abnormal),
            }
        backpropagate(losses["judge_normal"] + losses["judge_abnormal"])
        return losses
