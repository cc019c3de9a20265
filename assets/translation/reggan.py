"""Reg-GAN: partners are noisy labels, and a registration network explains the noise (Kong et al. 2021, 2110.06465)."""

import torch
from torch import Tensor, nn

from assets.translation.discriminators import PatchDiscriminator
from assets.translation.domain import confine
from assets.translation.generator import initial_generator
from assets.translation.generators import initialized
from assets.translation.image_pool import ImagePool
from assets.translation.layers import placed
from assets.translation.optimization import adam, backpropagate, frozen, update
from assets.translation.paired_losses import correction, discriminator_mean_lsgan, mean_lsgan, smoothness
from assets.translation.presets import TranslationPlan
from assets.translation.reggan_registration import initial_registration
from assets.translation.sampling import Batch


class RegGan:
    """NC+R, the paper's default: networks and optimizers of one training.

    `to_normal` is its G, `judge_normal` its D, `register` its R; only `to_normal` translates afterwards. Two
    deviations from the published code: weights of G and D start from N(0, 0.02), as in CycleGAN's paper, instead of
    torch's default; and the discriminator judges the fakes of the generator's update, not newly translated ones.

    Args:
        plan: sizes, rates and weights.
        weights: source of the initial weights, on the CPU.
        device: where to train.
    """

    def __init__(self, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> None:
        self.plan = plan
        self.to_normal = placed(initial_generator(plan, weights), device)
        self.judge_normal = placed(discriminator(plan, weights), device)
        self.register = placed(initial_registration(plan.registration_width, plan.size, weights), device)
        self.pools: dict[str, ImagePool] = {}
        self.networks: dict[str, nn.Module] = {
            "to_normal": self.to_normal,
            "judge_normal": self.judge_normal,
            "register": self.register,
        }
        self.optimizers = {
            "generators": adam([self.to_normal], plan),
            "registration": adam([self.register], plan),
            "discriminators": adam([self.judge_normal], plan),
        }

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """One update of generator and registration with the discriminator frozen, then one of the discriminator.

        Args:
            abnormal: batch of domain A.
            normal: batch of domain B; row i is the partner of abnormal row i.
            randomness: not read here; C+R draws its pools' decisions from it.
            autocast: compute in bfloat16.

        Returns:
            Scalar losses, detached: adversarial, correction, smoothness, judge_normal; the mean length of the
            displacement in pixels; and the norm of each optimizer's gradient.
        """
        self._clear("generators", "registration")
        with frozen([self.judge_normal]):
            with precision(abnormal, autocast=autocast):
                fake, losses = self._towards_partner(abnormal, normal)
                total = self._weighted(losses)
            backpropagate(total)
        norms = self._update("generators", "registration")
        self._clear("discriminators")
        with precision(normal, autocast=autocast):
            losses["judge_normal"] = judged(self.judge_normal, normal.images, fake.detach())
        backpropagate(losses["judge_normal"])
        return detached(losses) | norms | self._update("discriminators")

    def _towards_partner(self, abnormal: Batch, normal: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        fake = confine(self.to_normal(abnormal.images), abnormal.inside)
        displacement = self.register(fake, normal.images)
        return fake, {
            "adversarial": mean_lsgan(self.judge_normal(fake), real=True),
            "correction": correction(fake, displacement, normal.images),
            "smoothness": smoothness(displacement),
            # Only watched: a long field explains lesions away, not misalignment.
            "displacement": displacement.detach().norm(dim=1).mean(),
        }

    def _weighted(self, losses: dict[str, Tensor]) -> Tensor:
        return (
            losses["adversarial"]
            + self.plan.correction_weight * losses["correction"]
            + self.plan.smooth_weight * losses["smoothness"]
        )

    def _clear(self, *optimizers: str) -> None:
        for name in optimizers:
            self.optimizers[name].zero_grad()

    def _update(self, *optimizers: str) -> dict[str, Tensor]:
        return {f"gradient_{name}": update(self.optimizers[name], self.plan.gradient_clip) for name in optimizers}


def discriminator(plan: TranslationPlan, weights: torch.Generator) -> PatchDiscriminator:
    """Reg-GAN's discriminator before training; the losses average its patches to one logit an image."""
    return initialized(lambda: PatchDiscriminator(plan.discriminator_width, plan.discriminator_layers), weights)


def judged(judge: PatchDiscriminator, real: Tensor, fake: Tensor) -> Tensor:
    """A discriminator's loss; one forward pass for real images and fakes."""
    return discriminator_mean_lsgan(*judge(torch.cat([real, fake])).split([len(real), len(fake)]))


def precision(batch: Batch, *, autocast: bool) -> torch.autocast:
    """Arithmetic of a forward pass on the device of a batch: bfloat16 where torch deems it safe, or float32."""
    return torch.autocast(batch.images.device.type, dtype=torch.bfloat16, enabled=autocast)


def detached(losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Losses without their graphs."""
    return {name: loss.detach() for name, loss in losses.items()}
