"""The numbers that settings come to for a method: preset, paper and explicit fields together."""

from dataclasses import dataclass
from typing import Literal

from assets.translation.arms import Method
from assets.translation.settings import TranslationSettings

Number = int | float | bool | str


@dataclass(frozen=True)
class TranslationPlan:
    """The numbers a GAN trains with, everything resolved; fields as in `TranslationSettings`."""

    size: int
    steps: int
    batch: int
    generator: Literal["resnet", "unet"]
    generator_width: int
    generator_blocks: int
    resampling: Literal["nearest", "transposed", "antialiased"]
    dropout: float
    discriminator_width: int
    discriminator_layers: int
    nce_patches: int
    nce_width: int
    residual: bool
    learning_rate: float
    beta1: float
    beta2: float
    decay_share: float
    cycle_weight: float
    identity_weight: float
    pool_size: int
    adversarial_weight: float
    nce_weight: float
    nce_temperature: float
    identity_nce: bool
    flip_equivariance: bool
    correction_weight: float
    smooth_weight: float
    registration_width: int
    pixel_weight: float
    augment_shift: float
    augment_gain: float
    ema_decay: float
    gradient_clip: float
    check_every: int


_PRESETS: dict[str, dict[str, Number]] = {
    "tiny": {
        "size": 64,
        "steps": 250,
        "batch": 4,
        "generator_width": 16,
        "generator_blocks": 4,
        "discriminator_width": 32,
        "discriminator_layers": 2,
        "nce_patches": 128,
        "nce_width": 64,
        "check_every": 125,
    },
    "small": {
        "size": 128,
        "steps": 4000,
        "batch": 4,
        "generator_width": 32,
        "generator_blocks": 6,
        "discriminator_width": 32,
        "discriminator_layers": 3,
        "nce_patches": 256,
        "nce_width": 128,
        "check_every": 500,
    },
    # 200 epochs of about 1,000 images at batch 1, as in the papers' horse-to-zebra training.
    "paper": {
        "size": 256,
        "steps": 200_000,
        "batch": 1,
        "generator_width": 64,
        "generator_blocks": 9,
        "discriminator_width": 64,
        "discriminator_layers": 3,
        "nce_patches": 256,
        "nce_width": 256,
        "check_every": 5000,
    },
}

_USUAL: dict[str, Number] = {
    "generator": "resnet",
    "residual": False,
    "learning_rate": 2e-4,
    "decay_share": 0.5,
    "nce_weight": 1.0,
    "identity_nce": True,
}
# CUT's paper, section 4 and appendix C (FastCUT); Kong et al. 2021, arXiv:2110.06465; Isola et al. 2017.
_PAPERS: dict[Method, dict[str, Number]] = {
    "fastcut": {"nce_weight": 10.0, "identity_nce": False, "decay_share": 0.25},
    "reggan": {"learning_rate": 1e-4, "decay_share": 0.0},
    "reggan_nc": {"learning_rate": 1e-4, "decay_share": 0.0},
    "pix2pix": {"generator": "unet"},
}


def resolved(settings: TranslationSettings, method: Method) -> TranslationPlan:
    """Numbers of preset and method, replaced by every field that is set explicitly.

    Raises:
        ValueError: the discriminator has more layers than images of this size can pass.
    """
    given = {name: value for name, value in settings.model_dump().items() if value is not None}
    numbers = _USUAL | _PAPERS.get(method, {}) | _PRESETS[settings.preset] | given
    plan = TranslationPlan(**{name: numbers[name] for name in TranslationPlan.__dataclass_fields__})
    # Each stride-2 layer halves the side; the two stride-1 layers with 4x4 kernels take one pixel each.
    if plan.size // 2**plan.discriminator_layers < 3:
        raise ValueError(
            f"discriminator_layers={plan.discriminator_layers} leaves no patch of a {plan.size} pixel image; "
            "lower discriminator_layers or raise size"
        )
    return plan


def candidates(settings: TranslationSettings) -> list[int]:
    """Numbers of principal components that validation chooses from, ascending, each once."""
    return sorted(set(settings.pca_components))


def image_size(settings: TranslationSettings) -> int:
    """Side of the square images of every arm, pixels."""
    return settings.size or int(_PRESETS[settings.preset]["size"])
