"""Settings of the translation stage, the numbers that a preset comes to, and the arms of a study with their digests."""

import hashlib
import json
from dataclasses import dataclass
from typing import Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class TranslationSettings(BaseModel):
    """What to train and how.

    `preset` fills every field that is None. The default, `tiny`, is there to keep a laptop usable: it shows how the
    pipeline works and is no converged model. `paper` is the full-size network and schedule of CycleGAN
    (Zhu et al. 2017, arXiv:1703.10593) and CUT (Park et al. 2020, arXiv:2007.15651), and wants a GPU.

    Weights, rates and temperatures below are those papers' defaults at every preset.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    preset: Literal["tiny", "small", "paper"] = Field(
        default="tiny",
        description="sizes and schedule: tiny (demonstration on a CPU), small (hours on a CPU), paper (GPU)",
    )
    arms: list[str] = Field(
        default=["it_dpr/cyclegan", "it_dpr/cut", "none/pca", "lung_box/pca", "it_pr/pca", "it_dpr/pca"],
        description="what to compare, each `alignment/method`: none, lung_box, it_pr or it_dpr / cyclegan, cut or pca",
    )

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: list[str]) -> list[str]:
        return [parse_arm(arm).name for arm in arms]

    seeds: list[int] = Field(default=[0], min_length=1, description="one training of every GAN arm for each seed")
    pca_components: int = Field(default=32, ge=1, description="principal components of the PCA reconstruction")

    size: int | None = Field(default=None, ge=16, multiple_of=4, description="side of the square images, pixels")
    steps: int | None = Field(default=None, ge=1, description="optimizer steps in all")
    batch: int | None = Field(default=None, ge=1, description="images of each domain a step")
    generator_width: int | None = Field(default=None, ge=1, description="channels of the generator's first layer")
    generator_blocks: int | None = Field(default=None, ge=2, description="residual blocks of the generator")
    discriminator_width: int | None = Field(default=None, ge=1, description="channels of the PatchGAN's first layer")
    discriminator_layers: int | None = Field(default=None, ge=1, le=5, description="stride-2 layers of the PatchGAN")
    nce_patches: int | None = Field(default=None, ge=2, description="CUT: positions a feature layer and step")
    nce_width: int | None = Field(default=None, ge=1, description="CUT: dimensions of a projected patch")
    # At the tiny preset on phantoms a residual CycleGAN never left the identity; CUT did.
    residual: bool | None = Field(
        default=None,
        description="the generator predicts a change that is added to its input, instead of the image; "
        "for CUT only: CycleGAN's cycle and identity losses can hold it at the identity",
    )

    learning_rate: float = Field(default=2e-4, gt=0, description="Adam's step size before the decay")
    beta1: float = Field(default=0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Adam's decay of the second moment")
    # 100 constant and 100 falling epochs (CycleGAN), 200 and 200 (CUT): half of the training in both papers.
    decay_share: float = Field(
        default=0.5, ge=0, le=1, description="last share of the steps, over which the rate falls"
    )

    cycle_weight: float = Field(default=10.0, ge=0, description="CycleGAN: lambda of the cycle loss")
    identity_weight: float = Field(default=0.5, ge=0, description="CycleGAN: identity loss relative to the cycle loss")
    pool_size: int = Field(default=50, ge=0, description="CycleGAN: past fakes kept for each discriminator; 0 for none")

    adversarial_weight: float = Field(default=1.0, ge=0, description="CUT: weight of the adversarial loss")
    nce_weight: float = Field(default=1.0, ge=0, description="CUT: weight of the contrastive loss")
    nce_temperature: float = Field(default=0.07, gt=0, description="CUT: temperature of the contrastive loss")
    identity_nce: bool = Field(
        default=True, description="CUT: contrast normal images with their own translation as well"
    )

    augment_shift: float = Field(
        default=0.016, ge=0, le=0.25, description="largest shift, share of the side; both domains move together"
    )
    augment_gain: float = Field(
        default=0.05, ge=0, lt=1, description="largest relative change of an image's brightness"
    )
    lung_swap: bool = Field(
        default=False,
        description="exchange left and right lung of every other training image of both domains, at random; for GAN "
        "arms in the frames it_pr and it_dpr",
    )

    @model_validator(mode="after")
    def _lungs_in_place(self) -> Self:
        trained = [arm for arm in map(parse_arm, self.arms) if arm.method != "pca"]
        odd = [arm.name for arm in trained if self.lung_swap and arm.alignment not in _LUNGS_IN_PLACE]
        if odd:
            raise ValueError(
                f"lung_swap needs every lung in the reference's place, but {', '.join(odd)} leaves it elsewhere; take "
                f"{' or '.join(_LUNGS_IN_PLACE)} instead, or turn lung_swap off"
            )
        return self


@dataclass(frozen=True)
class TranslationPlan:
    """The numbers a GAN trains with, every preset resolved; fields as in `TranslationSettings`."""

    size: int
    steps: int
    batch: int
    generator_width: int
    generator_blocks: int
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
    augment_shift: float
    augment_gain: float


_PRESETS: dict[str, dict[str, int | bool]] = {
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
        "residual": False,
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
        "residual": False,
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
        "residual": False,
    },
}


def resolved(settings: TranslationSettings) -> TranslationPlan:
    """Numbers of the preset, replaced by every field that is set explicitly.

    Raises:
        ValueError: the discriminator has more layers than images of this size can pass.
    """
    given = {name: value for name, value in settings.model_dump().items() if value is not None}
    numbers = _PRESETS[settings.preset] | given
    plan = TranslationPlan(**{name: numbers[name] for name in TranslationPlan.__dataclass_fields__})
    # Each stride-2 layer halves the side; the two stride-1 layers with 4x4 kernels take one pixel each.
    if plan.size // 2**plan.discriminator_layers < 3:
        raise ValueError(
            f"discriminator_layers={plan.discriminator_layers} leaves no patch of a {plan.size} pixel image; "
            "lower discriminator_layers or raise size"
        )
    return plan


Alignment = Literal["none", "lung_box", "it_pr", "it_dpr"]
Method = Literal["cyclegan", "cut", "pca"]

# Raised whenever the same settings and images would give other weights than before.
METHOD_VERSIONS: dict[Method, str] = {"cyclegan": "1", "cut": "1", "pca": "1"}

_NETWORKS = ("size", "generator_width", "generator_blocks", "residual", "discriminator_width", "discriminator_layers")
_SCHEDULE = (
    "steps",
    "batch",
    "learning_rate",
    "beta1",
    "beta2",
    "decay_share",
    "augment_shift",
    "augment_gain",
)
_LUNGS_IN_PLACE = ("it_pr", "it_dpr")
_CYCLEGAN = ("cycle_weight", "identity_weight", "pool_size")
_CUT = ("adversarial_weight", "nce_weight", "nce_temperature", "identity_nce", "nce_patches", "nce_width")


@dataclass(frozen=True)
class Arm:
    """One arm: how the images are aligned and what translates them."""

    alignment: Alignment
    method: Method

    @property
    def name(self) -> str:
        """The arm as it is written in settings: `alignment/method`."""
        return f"{self.alignment}/{self.method}"


def parse_arm(text: str) -> Arm:
    """Arm from `alignment/method`.

    Raises:
        ValueError: the text has another form or names an unknown alignment or method.
    """
    alignment, _, method = text.partition("/")
    for candidate in (Arm(known, way) for known in get_args(Alignment) for way in get_args(Method)):
        if (candidate.alignment, candidate.method) == (alignment, method):
            return candidate
    raise ValueError(
        f"arm {text!r} is not of the form alignment/method with an alignment of {', '.join(get_args(Alignment))} "
        f"and a method of {', '.join(get_args(Method))}; write for example 'it_pr/cut'"
    )


def planned_runs(settings: TranslationSettings) -> list[tuple[Arm, int]]:
    """Every arm with every seed, in order, each once; PCA, which draws nothing, with the first seed only."""
    runs: list[tuple[Arm, int]] = []
    for arm in (parse_arm(text) for text in settings.arms):
        seeds = settings.seeds[:1] if arm.method == "pca" else settings.seeds
        runs.extend((arm, seed) for seed in seeds if (arm, seed) not in runs)
    return runs


def arm_digest(arm: Arm, seed: int, settings: TranslationSettings) -> str:
    """SHA-256 (64 hex digits) of what decides the weights of this arm, apart from its images.

    Only settings that the arm's method reads are in it, with presets resolved: a new cycle weight leaves CUT and PCA
    alone, and PCA has the same digest for every seed.
    """
    content = {
        "alignment": arm.alignment,
        "method": arm.method,
        "version": METHOD_VERSIONS[arm.method],
        **_relevant(arm.method, seed, settings, resolved(settings)),
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def _relevant(
    method: Method, seed: int, settings: TranslationSettings, plan: TranslationPlan
) -> dict[str, int | float | bool]:
    match method:
        case "pca":
            return {"size": plan.size, "pca_components": settings.pca_components}
        case "cyclegan":
            names: tuple[str, ...] = _NETWORKS + _SCHEDULE + _CYCLEGAN
        case "cut":
            names = _NETWORKS + _SCHEDULE + _CUT
    # Only where it is on: arms that were trained before there was such a setting keep their digests.
    swapped = {"lung_swap": True} if settings.lung_swap else {}
    return {"seed": seed, **{name: getattr(plan, name) for name in names}, **swapped}


def every_arm() -> list[str]:
    """Every frame with every translator, as written in `arms`."""
    return [Arm(alignment, method).name for alignment in get_args(Alignment) for method in get_args(Method)]
