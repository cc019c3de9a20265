"""Settings of the translation stage."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from assets.translation.arms import LUNGS_IN_PLACE, is_gan, parse_arm


class TranslationSettings(BaseModel):
    """What to train and how.

    `preset` fills sizes and schedule, the method's paper fills rates and weights (`presets.resolved`); a field that is
    set replaces either. The default, `tiny`, is there to keep a laptop usable: it shows how the pipeline works and is
    no converged model. `paper` is the full-size network and schedule of CycleGAN (Zhu et al. 2017, arXiv:1703.10593)
    and CUT (Park et al. 2020, arXiv:2007.15651), and wants a GPU.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="",
        description="use every translator of this cohort, COHORT or COHORT@DIGEST, with its reference and its "
        "registration; empty to train them",
    )
    preset: Literal["tiny", "small", "paper"] = Field(
        default="tiny",
        description="sizes and schedule: tiny (demonstration on a CPU), small (hours on a CPU), paper (GPU)",
    )
    arms: list[str] = Field(
        default=["it_dpr/cyclegan", "it_dpr/cut", "none/pca", "lung_box/pca", "it_pr/pca", "it_dpr/pca"],
        description="what to compare, each `alignment/method`: none, lung_box, it_pr or it_dpr / cyclegan, cut, "
        "fastcut, reggan (C+R), reggan_nc (NC+R), pix2pix, pca or template",
    )

    @field_validator("arms")
    @classmethod
    def _known(cls, arms: list[str]) -> list[str]:
        return [parse_arm(arm).name for arm in arms]

    seeds: list[int] = Field(default=[0], min_length=1, description="one training of every GAN arm for each seed")
    only: list[str] = Field(
        default=[],
        description="train no other than these, each `alignment/method/seed`; the rest of arms and seeds is kept where "
        "it is trained and left out where not. Empty for all",
    )
    pca_components: list[int] = Field(
        default=[16, 32, 64],
        min_length=1,
        description="principal components of the PCA reconstruction: of several, the validation AUC of the mean score "
        "chooses, and the middle one stands where it cannot be measured",
    )

    @field_validator("pca_components", mode="before")
    @classmethod
    def _one_or_more(cls, given: object) -> object:
        """One number is a list of one, as it was written until there was a choice."""
        return [given] if isinstance(given, int) else given

    @field_validator("pca_components")
    @classmethod
    def _positive(cls, numbers: list[int]) -> list[int]:
        if min(numbers) < 1:
            raise ValueError(f"expected numbers of components from 1 on, got {numbers}")
        return numbers

    size: int | None = Field(default=None, ge=16, multiple_of=4, description="side of the square images, pixels")
    steps: int | None = Field(default=None, ge=1, description="optimizer steps in all")
    batch: int | None = Field(default=None, ge=1, description="images of each domain a step")
    generator: Literal["resnet", "unet"] | None = Field(
        default=None, description="generator; unless set, U-Net for pix2pix and ResNet for the others"
    )
    generator_width: int | None = Field(default=None, ge=1, description="channels of the generator's first layer")
    generator_blocks: int | None = Field(default=None, ge=2, description="ResNet: residual blocks of the generator")
    # Transposed convolutions print checkerboards.
    resampling: Literal["nearest", "transposed", "antialiased"] = Field(
        default="nearest",
        description="ResNet: how it goes up: nearest-neighbour doubling and a convolution, transposed convolutions "
        "(CycleGAN's code), or blurred steps, downwards as well (CUT's code)",
    )
    # CycleGAN and Reg-GAN translate without dropout in their papers' code.
    dropout: float = Field(
        default=0.5, ge=0, lt=1, description="Pix2Pix: dropout in the U-Net's innermost decoder blocks while training"
    )
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

    # 2e-4 in CycleGAN, CUT and Pix2Pix, 1e-4 in Reg-GAN.
    learning_rate: float | None = Field(
        default=None, gt=0, description="Adam's step size before the decay; unless set, that of the method's paper"
    )
    beta1: float = Field(default=0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: float = Field(default=0.999, ge=0, lt=1, description="Adam's decay of the second moment")
    # 100 constant and 100 falling epochs (CycleGAN, Pix2Pix), 200 and 200 (CUT), 150 and 50 (FastCUT), none (Reg-GAN).
    decay_share: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="last share of the steps, over which the rate falls; unless set, that of the method's paper",
    )

    cycle_weight: float = Field(default=10.0, ge=0, description="CycleGAN, Reg-GAN C+R: lambda of the cycle loss")
    identity_weight: float = Field(default=0.5, ge=0, description="CycleGAN: identity loss relative to the cycle loss")
    pool_size: int = Field(
        default=50, ge=0, description="CycleGAN, Reg-GAN C+R: past fakes kept for each discriminator; 0 for none"
    )

    adversarial_weight: float = Field(default=1.0, ge=0, description="CUT: weight of the adversarial loss")
    nce_weight: float | None = Field(
        default=None, ge=0, description="weight of the contrastive loss; unless set, 1 for CUT and 10 for FastCUT"
    )
    nce_temperature: float = Field(default=0.07, gt=0, description="CUT: temperature of the contrastive loss")
    identity_nce: bool | None = Field(
        default=None,
        description="contrast normal images with their own translation as well; unless set, CUT does, FastCUT does not",
    )
    flip_equivariance: bool = Field(
        default=False,
        description="CUT: mirror every other batch and its features back, as FastCUT's paper does; off because a "
        "mirrored chest has its heart on the wrong side",
    )

    correction_weight: float = Field(
        default=20.0, ge=0, description="Reg-GAN: weight of the difference to the registered partner"
    )
    smooth_weight: float = Field(default=10.0, ge=0, description="Reg-GAN: weight of the field's smoothness")
    registration_width: int = Field(
        default=32, ge=1, description="Reg-GAN: channels of the registration network's first level"
    )
    pixel_weight: float = Field(default=100.0, ge=0, description="Pix2Pix: weight of the difference to the partner")

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

    ema_decay: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="translate with an average of the generator's weights that keeps this share a step; 0 turns it off",
    )
    gradient_clip: float = Field(
        default=0.0, ge=0, description="largest norm of an optimizer's gradient; what is longer is scaled; 0 for none"
    )
    check_every: int | None = Field(default=None, ge=1, description="steps between two measurements on validation")
    checked_images: int = Field(
        default=32,
        ge=0,
        description="validation images of each domain that a measurement looks at, 0 for none; "
        "a translator that is there keeps its figures",
    )
    patience: int = Field(
        default=0,
        ge=0,
        description="stop after so many measurements without a better validation AUC, and keep the best; 0 for never",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="stop each training after this time, measuring included, and keep what it has; none for no limit",
    )
    checkpoint_minutes: float = Field(default=2.0, ge=0, description="time between two checkpoints of a training")

    @model_validator(mode="after")
    def _only_what_is_asked_for(self) -> Self:
        known = [f"{arm}/{seed}" for arm in self.arms for seed in self.seeds]
        if odd := [name for name in self.only if name not in known]:
            raise ValueError(f"only names {', '.join(odd)}, which arms and seeds do not ask for; they ask for {known}")
        return self

    @model_validator(mode="after")
    def _lungs_in_place(self) -> Self:
        trained = [arm for arm in map(parse_arm, self.arms) if is_gan(arm.method)]
        odd = [arm.name for arm in trained if self.lung_swap and arm.alignment not in LUNGS_IN_PLACE]
        if odd:
            raise ValueError(
                f"lung_swap needs every lung in the reference's place, but {', '.join(odd)} leaves it elsewhere; take "
                f"{' or '.join(LUNGS_IN_PLACE)} instead, or turn lung_swap off"
            )
        return self

    @model_validator(mode="after")
    def _stops_by_what_it_measures(self) -> Self:
        if self.patience and not self.checked_images:
            raise ValueError(
                f"patience={self.patience} stops by the validation AUC, but checked_images=0 measures none; "
                "raise checked_images or set patience to 0"
            )
        return self

    @model_validator(mode="after")
    def _contrasts_resnets(self) -> Self:
        contrastive = [arm for arm in self.arms if arm.endswith(("/cut", "/fastcut"))]
        if self.generator == "unet" and contrastive:
            raise ValueError(
                f"{', '.join(contrastive)} contrasts features of the ResNet generator, but generator is 'unet'; leave "
                "generator unset, or leave these arms out"
            )
        return self
