"""Every way of registering behind one function: an arm takes a radiograph and gives its displacement field."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import get_args

import numpy as np
import numpy.typing as npt
import torch

from assets.peers import classical, optional
from assets.peers.case import Align, Case
from assets.peers.settings import PeerSettings
from assets.peers.trained import PeerNetwork, align_with, load_peer, peer_inverse
from assets.prealignment.field_inverse import dense_inverse
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.lung_coordinates import ReferenceFrame, prealign, prealign_inverse
from assets.registration.inference import Refiner, refine, registered_displacement, registered_inverse, starting_map
from assets.registration_report.settings import ArmName

F32 = npt.NDArray[np.float32]
ELSEWHERE: frozenset[ArmName] = frozenset({"elastix"})
"""Arms that work in a process of their own, whose memory and processor time are not seen here."""

ARM_NAMES: tuple[ArmName, ...] = get_args(ArmName)


@dataclass(frozen=True)
class TrainedPeer:
    """VoxelMorph or SynthMorph with the settings of its training."""

    network: PeerNetwork
    settings: PeerSettings


@dataclass(frozen=True)
class Methods:
    """What the arms are made of.

    Attributes:
        reference: image and lungs of the reference.
        frame: of the reference's lungs, with the settings of IT-PR.
        refiner: gives the trained IT-DPR, bound to the reference: that takes a second, so it is asked for only where a
            radiograph is registered; without it there is no such arm.
        peers: trained `voxelmorph` and `synthmorph`; those left out are no arms.
    """

    reference: Case
    frame: ReferenceFrame
    refiner: Callable[[], Refiner] | None = None
    peers: Mapping[ArmName, TrainedPeer] = field(default_factory=dict)


def trained_peer(weights: Mapping[str, npt.NDArray[np.float32]], settings: PeerSettings) -> TrainedPeer:
    """A peer from its stored weights.

    Raises:
        ValueError: the weights are of another architecture.
    """
    state = {name: torch.from_numpy(value) for name, value in weights.items()}
    return TrainedPeer(load_peer(state, settings), settings)


def arms(methods: Methods) -> dict[ArmName, Align]:
    """The arms that can be run here, in the order of a report: what does nothing first, IT-DPR last.

    Returns:
        Name -> function from a radiograph to its displacement (2, H, W), backward map, reference grid -> radiograph.
        `syn` and `elastix` are there where their packages are installed.
    """
    reference, frame = methods.reference, methods.frame
    ways: dict[ArmName, Align] = {
        "none": _unmoved,
        "lung_box": lambda moving: lung_box_displacement(reference.lungs, moving.lungs),
        "affine": lambda moving: classical.affine(reference.image, moving.image),
        "affine_bspline": lambda moving: classical.affine_bspline(reference.image, moving.image),
        "demons": lambda moving: classical.demons(reference.image, moving.image),
        "it_pr": lambda moving: prealign(frame, moving.lungs, frame.settings),
    }
    installed = optional.installed()
    if "syn" in installed:
        ways["syn"] = lambda moving: optional.syn(reference.image, moving.image)
    if "elastix" in installed:
        ways["elastix"] = lambda moving: optional.elastix(reference.image, moving.image)
    for name, peer in methods.peers.items():
        ways[name] = partial(_by_peer, reference, peer)
    if methods.refiner is not None:
        ways["it_dpr"] = partial(_by_refiner, frame, methods.refiner)
    return {name: ways[name] for name in ARM_NAMES if name in ways}


def inverses(methods: Methods) -> dict[ArmName, Align]:
    """The maps back of those arms that have their own: backward map, radiograph's grid -> reference."""
    reference, frame = methods.reference, methods.frame
    backs: dict[ArmName, Align] = {
        "none": _unmoved,
        "lung_box": lambda moving: lung_box_displacement(moving.lungs, reference.lungs),
        "it_pr": lambda moving: prealign_inverse(frame, moving.lungs, frame.settings),
    }
    for name, peer in methods.peers.items():
        backs[name] = partial(_back_by_peer, reference, peer)
    if methods.refiner is not None:
        backs["it_dpr"] = partial(_back_by_refiner, frame, methods.refiner)
    return backs


def chosen(ways: Mapping[ArmName, Align], names: Sequence[ArmName]) -> dict[ArmName, Align]:
    """Some of the arms, or all of them where no name is given, in the order of the report.

    Raises:
        ValueError: an arm cannot be run here.
    """
    missing = [name for name in names if name not in ways]
    if missing:
        raise ValueError(
            f"{', '.join(missing)} cannot be run here; there are: {', '.join(ways)} "
            "(syn and elastix need `pip install -e '.[peers]'`)"
        )
    return {name: way for name, way in ways.items() if not names or name in names}


def _unmoved(moving: Case) -> F32:
    return np.zeros((2, *moving.lungs.shape), np.float32)


def _by_peer(reference: Case, peer: TrainedPeer, moving: Case) -> F32:
    return align_with(peer.network, reference, moving, peer.settings)


def _back_by_peer(reference: Case, peer: TrainedPeer, moving: Case) -> F32:
    return peer_inverse(peer.network, reference, moving, peer.settings)


def _by_refiner(frame: ReferenceFrame, refiner: Callable[[], Refiner], moving: Case) -> F32:
    """IT-DPR from end to end: its IT-PR is made here, too."""
    ready = refiner()
    start = starting_map(ready, prealign(frame, moving.lungs, frame.settings))
    velocity = refine(ready, moving.image, moving.lungs, start)
    return registered_displacement(velocity, start, ready.settings)


def _back_by_refiner(frame: ReferenceFrame, refiner: Callable[[], Refiner], moving: Case) -> F32:
    ready = refiner()
    prealigned = prealign(frame, moving.lungs, frame.settings)
    start = starting_map(ready, prealigned)
    velocity = refine(ready, moving.image, moving.lungs, start)
    # a smoothed map has no closed form any more
    back = prealign_inverse(frame, moving.lungs, frame.settings) if start is prealigned else dense_inverse(start)
    return registered_inverse(velocity, back, ready.settings)
