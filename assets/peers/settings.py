"""Settings of the learned peers, VoxelMorph and SynthMorph."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from assets.registration.settings import check_widths


class PeerSettings(BaseModel):
    """Network, loss weights and schedule of both learned peers.

    The papers' numbers: layers and their order, 7 squarings, mean squared difference or local correlation over 9 x 9
    pixels, Adam, 16 random labels, half of the maps anatomical. Adapted to a CPU: images on the half grid, fewer
    channels at fine levels and more at coarse ones (as IT-DPR has them; the papers' VoxelMorph is 16, 32, 32, 32 /
    32, 32, 32, 32 / 32, 16, 16), batches of 8 with a larger, falling step size instead of 150,000 steps of one pair
    at 1e-4.
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
    integration_steps: int = Field(default=7, ge=0, le=12, description="Squarings that integrate the velocity.")
    similarity: Literal["mse", "ncc"] = Field(
        default="mse", description="VoxelMorph: mean squared difference, or one minus squared local correlation."
    )
    ncc_window: int = Field(default=9, ge=3, description="Side of the local correlation's window, pixels; odd.")
    voxelmorph_smoothness: float = Field(
        # The released code has 0.01, times 2 for a field on the half grid. After 1200 steps with 0.02 landmarks of 24
        # phantoms were 3.5 px off and lesions had 0.84 of their area, after 350 steps with 0.2 2.9 px and 1.03.
        default=0.2,
        ge=0,
        description="VoxelMorph: weight of the squared gradient of the velocity.",
    )
    synthmorph_smoothness: float = Field(
        # The training script's. After 3000 steps with it landmarks of 24 phantoms were 4.5 px off, after the lungs' box
        # 7.3; the official demo's 0.05 was tried over 350 steps only, which moved none nearer.
        default=1.0,
        ge=0,
        description="SynthMorph: weight of the squared gradient of the displacement.",
    )
    shapes_share: float = Field(
        default=0.5, ge=0, le=1, description="SynthMorph: share of maps of random shapes; the others hold lungs."
    )
    shape_labels: int = Field(default=16, ge=2, description="SynthMorph: labels of a map of random shapes.")
    steps: int = Field(default=2000, ge=1, description="Optimizer steps of each method.")
    batch_size: int = Field(default=8, ge=1, description="Pairs a step.")
    learning_rate: float = Field(
        default=2e-3, gt=0, description="Adam's step size at the start; falls to zero as a cosine."
    )
    seed: int = Field(default=0, ge=0, description="Seed of weights, batches and synthetic images.")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        check_widths(self.encoder_features, self.decoder_features, self.final_features)
        if self.ncc_window % 2 == 0:
            raise ValueError(f"ncc_window is {self.ncc_window}; a window with a middle pixel has an odd side")
        return self
