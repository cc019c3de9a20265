"""Both learned peers in one artefact: whose weights and losses are whose."""

from typing import Any, Literal

import numpy.typing as npt

from assets.registration.training import Fitted

Arrays = dict[str, npt.NDArray[Any]]
Peer = Literal["voxelmorph", "synthmorph"]

PEERS: tuple[Peer, Peer] = ("voxelmorph", "synthmorph")


def weights_in(fitted: Fitted, peer: Peer) -> Arrays:
    """A peer's weights under names of its own, `peer.weight`."""
    return {f"{peer}.{name}": value.numpy() for name, value in fitted.state.items()}


def weights_of(arrays: Arrays, peer: Peer) -> Arrays:
    """One peer's weights by their own names, from the artefact that holds both peers'."""
    prefix = f"{peer}."
    return {name[len(prefix) :]: value for name, value in arrays.items() if name.startswith(prefix)}
