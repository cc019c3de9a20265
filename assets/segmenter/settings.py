"""Settings of the trained lung segmenter."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class SegmenterSettings(BaseModel):
    """Network, recipe for sick lungs and schedule.

    No paper of the project names its segmentation network; layers are MONAI's residual U-Net (Kerfoot et al., 2018),
    sizes and the recipe were chosen on validation masks of Shenzhen radiographs and on opacity boxes of RSNA and of
    TBX11K.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="", description="Use the segmenter of this cohort, COHORT or COHORT@DIGEST; empty to train one."
    )
    cross_fit: int = Field(
        default=1,
        ge=1,
        le=10,
        description="Networks to train, each without a part of the patients; every radiograph is segmented by one that "
        "did not see its patient. 1 trains one network on all training patients.",
    )
    smallest_cohort: int = Field(
        # The shape model needs some lungs to vary.
        default=10,
        ge=3,
        description="Usable supplied masks in the training part below which nothing is trained.",
    )
    working_size: int = Field(
        default=192,
        ge=32,
        description="Rows and columns that the network sees; answers are brought back to the image's.",
    )
    channels: list[int] = Field(
        default=[16, 32, 64, 96, 128, 160],
        min_length=2,
        description="Channels a level; every level halves the size.",
    )
    residual_units: int = Field(default=2, ge=0, le=4, description="Convolutions of a level's residual unit.")
    opacity_probability: float = Field(
        default=0.75,
        ge=0,
        le=1,
        description="Share of training views in which dense opacities are painted over a lung.",
    )
    opacity_weight: float = Field(
        default=1.0, ge=0, description="Additional weight of lung pixels under an opacity in the cross-entropy."
    )
    deformation: float = Field(
        default=1.0, ge=0, le=2, description="Strength of random pose and elastic deformation; 0 for none."
    )
    exposure: float = Field(
        default=1.0,
        ge=0,
        le=2,
        description="Strength of random exposure, noise, borders and markers; 0 for none.",
    )
    boundary_weight: float = Field(
        default=1.0, ge=0, description="Additional weight of the pixels at the outline in the cross-entropy."
    )
    steps: int = Field(default=3000, ge=1, description="Optimizer steps.")
    batch_size: int = Field(default=8, ge=1, description="Views a step.")
    learning_rate: float = Field(
        default=2e-3, gt=0, description="AdamW's step size after a short rise; falls to zero as a cosine."
    )
    average_decay: float = Field(
        default=0.998, ge=0, lt=1, description="Decay of the running average of the weights, which is what is kept."
    )
    average_flips: bool = Field(default=True, description="Average the network's answers to an image and its mirror.")
    shape_components: int = Field(default=12, ge=1, description="Modes of the shape model behind the quality score.")
    seed: int = Field(default=0, ge=0, description="Seed of weights, batches, views and damaged masks.")
    checkpoint_every: int = Field(default=100, ge=1, description="Steps between checkpoints.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if min(self.channels) < 1:
            raise ValueError(f"channels must each be at least 1, got {self.channels}")
        multiple = 2 ** (len(self.channels) - 1)
        if self.working_size % multiple:
            raise ValueError(
                f"working_size is {self.working_size}; {len(self.channels)} levels need a multiple of {multiple}"
            )
        return self
