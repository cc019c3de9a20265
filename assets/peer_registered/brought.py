"""A radiograph brought into the reference frame by a displacement, and whether it may go on from there."""

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.alignments import PeerAlignment
from assets.images import to_uint16
from assets.peers import classical
from assets.peers.case import Align, Case
from assets.peers.trained import align_with
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.registration.folds import folded_share
from assets.registration_report.arms import TrainedPeer
from assets.segmentation.quality import dice

F32 = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
SIDES = {1: "right", 2: "left"}


def peer_ways(reference: Case, learned: Mapping[PeerAlignment, TrainedPeer]) -> dict[PeerAlignment, Align]:
    """The peers as functions from a radiograph to its displacement (2, H, W), reference grid -> radiograph, px.

    Args:
        reference: image and lungs of the reference.
        learned: trained `voxelmorph` and `synthmorph`; those left out cannot be used.
    """
    ways: dict[PeerAlignment, Align] = {"affine": lambda moving: classical.affine(reference.image, moving.image)}
    return ways | {name: partial(_by_network, reference, peer) for name, peer in learned.items()}


def brought(
    displacement: F32, moving: Case, lesion: Mask | None, reference: Case
) -> tuple[dict[str, float], dict[str, npt.NDArray[Any]]]:
    """A radiograph in the reference frame.

    Args:
        displacement: (2, H, W), px, backward: reference grid -> radiograph.
        moving: the radiograph on its canvas.
        lesion: (H, W) lesion mask on the canvas, None where none is known.
        reference: image and lungs of the reference.

    Returns:
        Its columns (overlap with the reference's lungs, share of folded pixels in them, mean shift in px) and its
        arrays: displacement (int16, 1/64 px), image (uint16), lungs and, where one is known, lesion (uint8).

    Raises:
        ValueError: a displacement is not finite or too large to be stored.
    """
    lungs, inside = warp_lungs(moving.lungs, displacement), reference.lungs > 0
    columns = {
        "dice_reference": dice(lungs, reference.lungs),
        "folded_share": folded_share(displacement, inside),
        "mean_shift": float(np.mean(np.hypot(*displacement)[inside])),
    }
    arrays: dict[str, npt.NDArray[Any]] = {
        "displacement": quantize(displacement),
        "image": to_uint16(warp_image(moving.image, displacement)),
        "lungs": lungs,
    }
    if lesion is not None:
        arrays["lesion"] = warp_lungs(lesion.astype(np.uint8), displacement)
    return columns, arrays


def why_aside(folded: float, lungs: npt.NDArray[np.uint8], largest_folded_share: float) -> str:
    """Why a radiograph may not go on in a peer's frame, empty where it may.

    Args:
        folded: share of the reference's lungs that is folded.
        lungs: (H, W) labels, the radiograph's own in the frame.
        largest_folded_share: more than this is too much.
    """
    lost = [name for label, name in SIDES.items() if not (lungs == label).any()]
    if lost:
        return f"its {' and its '.join(lost)} lung lies outside the frame; look at the field"
    if folded > largest_folded_share:
        return f"folded at {folded:.2%} of the reference's lungs, more than {largest_folded_share:.2%}"
    return ""


def _by_network(reference: Case, peer: TrainedPeer, moving: Case) -> F32:
    return align_with(peer.network, reference, moving, peer.settings)
