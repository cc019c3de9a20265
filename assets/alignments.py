"""The ways in which radiographs are aligned, each a frame in which images are compared and translated."""

from collections.abc import Iterable
from typing import Literal, TypeGuard, get_args

UsualAlignment = Literal["none", "lung_box", "it_pr", "it_dpr"]
PeerAlignment = Literal["affine", "voxelmorph", "synthmorph"]
Alignment = Literal[UsualAlignment, PeerAlignment]
"""The usual ones are made in every cohort, those of peers where `peer_registered.peers` names them."""

USUAL: tuple[UsualAlignment, ...] = get_args(UsualAlignment)
PEERS: tuple[PeerAlignment, ...] = get_args(PeerAlignment)
LEARNED: tuple[PeerAlignment, ...] = ("voxelmorph", "synthmorph")


def is_peer(alignment: str) -> TypeGuard[PeerAlignment]:
    """Whether a frame is made by a peer of IT-PR and IT-DPR, so only where it is asked for."""
    return alignment in PEERS


def peers_among(alignments: Iterable[str]) -> list[PeerAlignment]:
    """The peers' frames among some, each once, in the order of `PEERS`."""
    named = set(alignments)
    return [peer for peer in PEERS if peer in named]
