"""Settings of the learned refinement."""

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Reading = Literal["R1", "R2", "R3"]


def check_widths(encoder: list[int], decoder: list[int], final: list[int]) -> None:
    """Refuse features that make no `RegistrationNetwork`.

    Raises:
        ValueError: encoder and decoder have different numbers of levels, or a layer has no channel.
    """
    if len(encoder) != len(decoder):
        raise ValueError(
            f"decoder_features has {len(decoder)} levels and encoder_features {len(encoder)}; "
            "give both the same number of entries"
        )
    widths = [*encoder, *decoder, *final]
    if min(widths) < 1:
        raise ValueError(f"every number of features must be at least 1, got {widths}")


class RegistrationSettings(BaseModel):
    """Network, training pairs, loss weights and schedule of IT-DPR.

    The paper (Oh et al., Sci Rep 16:11125, 2026) says that the network learns from a radiograph and its own pre-aligned
    copy; layers, loss, weights and what is composed with what are not public. Three readings:

    R1: the network sees the radiograph and its copy and gives the whole map, which replaces the pre-alignment.
    R2: it learns to undo known deformations of a copy beside the copy itself, and is then shown the reference beside
        the copy; its map is composed with the pre-alignment.
    R3: it learns to undo known deformations of a copy without seeing anything else; composed likewise.

    R1 can only imitate the pre-alignment, and R2 compares two patients. R3 does neither: a network that has to undo a
    deformation without its counterpart learns where anatomy lies in most people, and so finds what outlines miss.
    Layers follow VoxelMorph (Balakrishnan et al., TMI 2019); weights and schedule were chosen on phantoms.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    borrow_from: str = Field(
        default="", description="Use the network of this cohort, COHORT or COHORT@DIGEST; empty to train one."
    )
    reading: Reading = Field(default="R3", description="What the network sees and learns; see the README.")
    encoder_features: list[int] = Field(
        default=[32, 48, 64, 96],
        min_length=1,
        description="Channels of the encoder, one entry a level; every level halves the size.",
    )
    decoder_features: list[int] = Field(
        default=[96, 64, 48, 32],
        min_length=1,
        description="Channels of the decoder, deepest first; as many entries as the encoder.",
    )
    final_features: list[int] = Field(
        default=[],
        description="Channels of the convolutions between decoder and velocity.",
    )
    integration_steps: int = Field(
        default=7, ge=0, le=12, description="Squarings that integrate the velocity (VoxelMorph-diff: 7)."
    )
    field_weight: float = Field(
        default=0.1, ge=0, description="Weight of the squared distance (px^2) to the known map in the lungs."
    )
    similarity_weight: float = Field(
        default=0.0, ge=0, description="Weight of the mean squared intensity difference in the lungs."
    )
    smoothness_weight: float = Field(
        default=12.0,
        ge=0,
        description="Weight of the squared gradient of the velocity; about 1 suits R1.",
    )
    dice_weight: float = Field(
        default=2.0, ge=0, description="Weight of one minus the overlap of warped and reference lungs."
    )
    deformation: float = Field(
        default=6 / 256,
        ge=0,
        le=0.1,
        description="R2, R3: largest spread of the known random deformations down the image, share of its height; "
        "single places move up to about three times as far.",
    )
    sideways: float = Field(
        default=0.4,
        ge=0,
        le=2,
        description="R2, R3: amplitude across the image relative to down: rows of a lung have two known borders "
        "across, but only apex and base down, so that pre-alignment errs down.",
    )
    knots: list[int] = Field(
        default=[2, 3, 4],
        min_length=1,
        description="R2, R3: knots a side of the grids whose random values make up a deformation.",
    )
    outline_kept: float = Field(
        default=0.7,
        ge=0,
        le=1,
        description="R2, R3: share of deformations that slide along the reference's outlines instead of moving them: "
        "the outlines then give nothing away, as after a pre-alignment by outlines.",
    )
    damaged: float = Field(
        default=0.4,
        ge=0,
        le=1,
        description="R2, R3: share of copies made by a damaged mask; the map by the whole one is known.",
    )
    damaged_copies: int = Field(
        default=4, ge=1, le=16, description="R2, R3: damaged masks drawn for every training radiograph."
    )
    jitter: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="Spread of random changes of exposure, shadows, spots and noise, drawn for every view.",
    )
    pose_jitter: float = Field(
        default=0.03,
        ge=0,
        le=0.2,
        description="R1: spread of random scale, rotation (radians) and shift (share of a side).",
    )
    rounds: int = Field(
        default=2,
        ge=1,
        le=8,
        description="R3: rounds of equal length; from the second on, the known maps are those that the network of "
        "the round before made of the pre-alignments.",
    )
    steps: int = Field(default=3000, ge=1, description="Optimizer steps of all rounds.")
    batch_size: int = Field(default=8, ge=1, description="Images a step.")
    learning_rate: float = Field(
        default=2e-3, gt=0, description="Adam's largest step size; rises at first, then falls to zero as a cosine."
    )
    weight_decay: float = Field(default=0.01, ge=0, description="Decay of weights (AdamW), against learning by rote.")
    seed: int = Field(default=0, ge=0, description="Seed of weights, batches and everything random in them.")
    checkpoint_every: int = Field(default=100, ge=1, description="Steps between checkpoints.")

    @model_validator(mode="after")
    def _levels_agree(self) -> Self:
        check_widths(self.encoder_features, self.decoder_features, self.final_features)
        if min(self.knots) < 2:
            raise ValueError(f"every entry of knots must be at least 2, got {self.knots}")
        return self


class RefinementSettings(BaseModel):
    """How a trained network is used, and which registered radiographs may go on."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    anchor_pairs: int = Field(
        default=64,
        ge=0,
        le=1024,
        description="R2, R3: pairs of copies of the reference, deformed forth and back, over which its own velocity is "
        "averaged; 0 for one look at the reference as it is.",
    )
    outline_doubt: float = Field(
        default=2 / 256,
        ge=0,
        le=0.1,
        description="R2, R3: distance, share of the image's height, by which network and mask must disagree about the "
        "place of an outline for the network to be followed half the way; 0 follows it all the way.",
    )
    smallest_dice: float = Field(
        default=0.85, ge=0, le=1, description="Overlap of registered and reference lungs below which a row needs review"
    )
    share_set_aside: float = Field(
        default=0.1, ge=0, le=1, description="Share of set-aside rows above which the stage's check warns"
    )
