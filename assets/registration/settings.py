"""Settings of the learned refinement."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class RegistrationSettings(BaseModel):
    """Network, loss weights and schedule of IT-DPR.

    The paper (Oh et al., Sci Rep 16:11125, 2026) describes what the network is trained on, not its layers or weights:
    layers follow VoxelMorph (Balakrishnan et al., TMI 2019), narrower at fine and wider at coarse levels for speed on a
    CPU; weights and schedule were chosen on phantoms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    encoder_features: list[int] = Field(
        default=[8, 16, 32, 64, 64],
        min_length=1,
        description="Channels of the encoder, one entry a level; every level halves the size.",
    )
    decoder_features: list[int] = Field(
        default=[64, 64, 32, 16, 16],
        min_length=1,
        description="Channels of the decoder, deepest first; as many entries as the encoder.",
    )
    final_features: list[int] = Field(
        default=[],
        description="Channels of the convolutions between decoder and velocity.",
    )
    use_lungs: bool = Field(
        default=True, description="Show the network the lungs of the image and of the reference, besides the images."
    )
    integration_steps: int = Field(
        default=7, ge=0, le=12, description="Squarings that integrate the velocity (VoxelMorph-diff: 7)."
    )
    field_weight: float = Field(
        default=0.1, ge=0, description="Weight of the squared distance (px^2) to the known pre-alignment in the lungs."
    )
    similarity_weight: float = Field(
        default=3.0, ge=0, description="Weight of the mean squared intensity difference in the lungs."
    )
    smoothness_weight: float = Field(
        default=1.0, ge=0, description="Weight of the squared gradient of the displacement."
    )
    dice_weight: float = Field(
        default=0.5, ge=0, description="Weight of one minus the overlap of warped and reference lungs."
    )
    jitter: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Spread of gamma and contrast changes, drawn for the image and its copy independently.",
    )
    pose_jitter: float = Field(
        default=0.03,
        ge=0,
        le=0.2,
        description="Spread of random scale, rotation (radians) and shift (share of a side); the known map follows.",
    )
    steps: int = Field(default=500, ge=1, description="Optimizer steps.")
    batch_size: int = Field(default=8, ge=1, description="Images a step.")
    learning_rate: float = Field(
        default=2e-3, gt=0, description="Adam's step size at the start; falls to zero as a cosine."
    )
    seed: int = Field(default=0, ge=0, description="Seed of weights, batches and exposure changes.")
    checkpoint_every: int = Field(default=100, ge=1, description="Steps between checkpoints.")

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        if len(self.encoder_features) != len(self.decoder_features):
            raise ValueError(
                f"decoder_features has {len(self.decoder_features)} levels and encoder_features "
                f"{len(self.encoder_features)}; give both the same number of entries"
            )
        widths = [*self.encoder_features, *self.decoder_features, *self.final_features]
        if min(widths) < 1:
            raise ValueError(f"every number of features must be at least 1, got {widths}")
        return self


class RefinementSettings(BaseModel):
    """Which registered radiographs may go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    smallest_dice: float = Field(
        default=0.85, ge=0, le=1, description="Overlap of registered and reference lungs below which a row needs review"
    )
    share_set_aside: float = Field(
        default=0.1, ge=0, le=1, description="Share of set-aside rows above which the stage's check warns"
    )
