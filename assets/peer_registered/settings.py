"""Settings of the frames of peers."""

from pydantic import BaseModel, ConfigDict, Field, field_validator

from assets.alignments import LEARNED, PeerAlignment, peers_among


class PeerFrameSettings(BaseModel):
    """Which peers bring radiographs into the reference frame, and what sets one aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    peers: list[PeerAlignment] = Field(
        default=[],
        description="Frames to be made besides the usual ones, for arms such as affine/cyclegan: affine, voxelmorph, "
        "synthmorph; the learned ones are trained for it before the translators.",
    )
    largest_folded_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the reference's lungs above which a folded row needs review"
    )
    share_set_aside: float = Field(
        default=0.1, ge=0, le=1, description="Share of set-aside rows above which the stage's check warns"
    )

    @field_validator("peers")
    @classmethod
    def _once_in_order(cls, peers: list[PeerAlignment]) -> list[PeerAlignment]:
        return peers_among(peers)

    @property
    def learned(self) -> list[PeerAlignment]:
        """Those of the peers that have to be trained."""
        return [peer for peer in self.peers if peer in LEARNED]
