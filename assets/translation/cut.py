"""CUT: one generator that must keep the content of every patch (Park et al. 2020, arXiv:2007.15651)."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from assets.translation.discriminators import PatchDiscriminator
from assets.translation.domain import confine
from assets.translation.generator import initial_resnet
from assets.translation.generators import initialized
from assets.translation.image_pool import ImagePool
from assets.translation.layers import placed
from assets.translation.losses import discriminator_lsgan, lsgan, patch_nce
from assets.translation.optimization import adam, backpropagate, frozen, update
from assets.translation.presets import TranslationPlan
from assets.translation.sampling import Batch


class PatchProjector(nn.Module):
    """Two-layer perceptrons, one a feature layer, that project sampled feature vectors to the unit sphere.

    Source: arXiv:2007.15651, section 3 and appendix C. Created at once from the known channel numbers, so that its
    optimizer and its checkpoint hold it from the first step.

    Args:
        channels: channels of each feature layer.
        width: dimensions of a projected vector.
    """

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(count, width), nn.ReLU(inplace=True), nn.Linear(width, width)) for count in channels
        )

    def forward(self, features: Sequence[Tensor], positions: Sequence[Tensor]) -> list[Tensor]:
        """Unit vectors (N, S, width) a layer, from features (N, C, h, w) at flat positions (S,) common to the batch."""
        projected = []
        for layer, feature, chosen in zip(self.layers, features, positions, strict=True):
            vectors = feature.permute(0, 2, 3, 1).flatten(1, 2).index_select(1, chosen)
            found = layer(vectors).float()
            # Added, not a lower bound: early in a training the vectors are so short that it counts.
            projected.append(found / (torch.linalg.vector_norm(found, dim=-1, keepdim=True) + 1e-7))
        return projected


def draw_positions(features: Sequence[Tensor], patches: int, randomness: torch.Generator) -> list[Tensor]:
    """Flat positions (S,) in each feature map (N, C, h, w), drawn without repetition; S = min(patches, h w)."""
    return [
        torch.randperm(feature[0, 0].numel(), generator=randomness)[:patches].to(feature.device) for feature in features
    ]


class Cut:
    """Networks and optimizers of one training.

    Args:
        plan: sizes, rates and weights.
        weights: source of the initial weights, on the CPU.
        device: where to train.
    """

    def __init__(self, plan: TranslationPlan, weights: torch.Generator, device: torch.device) -> None:
        self.plan = plan
        self.to_normal = placed(initial_resnet(plan, weights), device)
        judge = initialized(lambda: PatchDiscriminator(plan.discriminator_width, plan.discriminator_layers), weights)
        self.judge_normal = placed(judge, device)
        self.projector = initialized(
            lambda: PatchProjector(self.to_normal.feature_channels, plan.nce_width), weights
        ).to(device)
        self.pools: dict[str, ImagePool] = {}
        self.networks: dict[str, nn.Module] = {
            "to_normal": self.to_normal,
            "judge_normal": self.judge_normal,
            "projector": self.projector,
        }
        self.optimizers = {
            "generator": adam([self.to_normal], plan),
            "discriminator": adam([self.judge_normal], plan),
            "projector": adam([self.projector], plan),
        }

    def step(self, abnormal: Batch, normal: Batch, randomness: torch.Generator, *, autocast: bool) -> dict[str, Tensor]:
        """One update of the discriminator, then one of generator and projector with the discriminator frozen.

        Args:
            abnormal: batch of domain A.
            normal: batch of domain B.
            randomness: source of the mirroring and of the patch positions, on the CPU.
            autocast: compute in bfloat16.

        Returns:
            Scalar losses, detached: adversarial, nce, judge_normal; and the norm of each optimizer's gradient.
        """
        sources = _together(abnormal, normal) if self.plan.identity_nce else abnormal
        mirrored = self.plan.flip_equivariance and bool(torch.rand((), generator=randomness) < 0.5)
        precision = torch.autocast(sources.images.device.type, dtype=torch.bfloat16, enabled=autocast)
        with precision:
            translated, features = self._translated(sources, mirrored=mirrored)
        fake = translated[: len(abnormal.images)]
        judged, norms = self._update_discriminator(normal.images, fake.detach(), precision)
        with frozen([self.judge_normal]), precision:
            adversarial = lsgan(self.judge_normal(fake), real=True)
            nce = self._nce(features, translated, randomness, mirrored=mirrored)
        norms |= self._update_generator(self.plan.adversarial_weight * adversarial + self.plan.nce_weight * nce)
        return {"adversarial": adversarial.detach(), "nce": nce.detach(), "judge_normal": judged, **norms}

    def _translated(self, sources: Batch, *, mirrored: bool) -> tuple[Tensor, list[Tensor]]:
        """Translations, mirrored if so asked, and the features of the images as they are."""
        if not mirrored:
            raw, features = self.to_normal.forward_with_features(sources.images)
            return confine(raw, sources.inside), features
        with torch.no_grad():
            features = self.to_normal.features(sources.images)
        return confine(self.to_normal(sources.images.flip(3)), sources.inside.flip(3)), features

    def _nce(
        self, features: list[Tensor], translated: Tensor, randomness: torch.Generator, *, mirrored: bool
    ) -> Tensor:
        """Mean over layers; abnormal and normal images weigh alike because their batches are equally large."""
        positions = draw_positions(features, self.plan.nce_patches, randomness)
        with torch.no_grad():
            keys = self.projector(features, positions)
        found = self.to_normal.features(translated)
        queries = self.projector([feature.flip(3) for feature in found] if mirrored else found, positions)
        temperature = self.plan.nce_temperature
        return torch.stack([patch_nce(q, k, temperature) for q, k in zip(queries, keys, strict=True)]).mean()

    def _update_discriminator(
        self, real: Tensor, fake: Tensor, precision: torch.autocast
    ) -> tuple[Tensor, dict[str, Tensor]]:
        self.optimizers["discriminator"].zero_grad()
        with precision:
            loss = discriminator_lsgan(*self.judge_normal(torch.cat([real, fake])).chunk(2))
        backpropagate(loss)
        return loss.detach(), self._update("discriminator")

    def _update_generator(self, loss: Tensor) -> dict[str, Tensor]:
        self.optimizers["generator"].zero_grad()
        self.optimizers["projector"].zero_grad()
        backpropagate(loss)
        return self._update("generator") | self._update("projector")

    def _update(self, name: str) -> dict[str, Tensor]:
        return {f"gradient_{name}": update(self.optimizers[name], self.plan.gradient_clip)}


def _together(abnormal: Batch, normal: Batch) -> Batch:
    return Batch(torch.cat([abnormal.images, normal.images]), torch.cat([abnormal.inside, normal.inside]))
