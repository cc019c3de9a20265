"""Using a trained peer: displacements of radiographs, and their inverses."""

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.training import boxed_image, check_size, empty_peer, shown_image, shown_pair
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import compose
from assets.registration.fields import integrate, resize_displacement
from assets.registration.network import RegistrationNetwork

F32 = npt.NDArray[np.float32]

PeerNetwork: TypeAlias = RegistrationNetwork
"""A VoxelMorph or SynthMorph network: both see a moving and a fixed image and answer with a velocity."""


def load_peer(state: dict[str, Tensor], settings: PeerSettings) -> PeerNetwork:
    """Trained network in evaluation mode, from `Fitted.state` of `fit_voxelmorph` or `fit_synthmorph`.

    Raises:
        ValueError: the weights are of another architecture.
    """
    network = empty_peer(settings)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"state doesn't fit the network of these settings; fit it anew ({error})") from error
    return network.eval()


def align_with(network: PeerNetwork, reference: Case, moving: Case, settings: PeerSettings) -> F32:
    """Displacement of a radiograph onto the reference: the lungs' box first, then the network.

    Args:
        network: from `load_peer`.
        reference: the fixed image of the training, (H, W).
        moving: the radiograph, of the same size.
        settings: those of the training.

    Returns:
        (2, H, W), channel 0 = x, pixels: backward map of both steps together, `warped(p) = moving(p + u(p))`.

    Raises:
        ValueError: sizes that differ or don't fit the network, or an empty mask.
    """
    velocity = _velocity(network, reference, moving, settings)
    box = lung_box_displacement(reference.lungs, moving.lungs)
    return compose(box, _integrated(velocity, moving, settings))


def peer_inverse(network: PeerNetwork, reference: Case, moving: Case, settings: PeerSettings) -> F32:
    """Displacement of the inverse of `align_with`'s map, (2, H, W), from the radiograph's grid to the reference.

    The network's part is inverted by the negative velocity, the box in closed form. Arguments and errors are those
    of `align_with`.
    """
    velocity = _velocity(network, reference, moving, settings)
    box = lung_box_displacement(moving.lungs, reference.lungs)
    return compose(_integrated(-velocity, moving, settings), box)


@torch.inference_mode()
def _velocity(network: PeerNetwork, reference: Case, moving: Case, settings: PeerSettings) -> Tensor:
    check_size("reference.image", reference.image.shape, settings)
    if moving.image.shape != reference.image.shape:
        raise ValueError(
            f"moving.image has shape {moving.image.shape}; expected the reference's, {reference.image.shape}"
        )
    pair = shown_pair(shown_image(boxed_image(moving, reference)), shown_image(reference.image))
    velocity: Tensor = network(pair)
    return velocity


@torch.inference_mode()
def _integrated(velocity: Tensor, moving: Case, settings: PeerSettings) -> F32:
    height, width = moving.image.shape
    half = integrate(velocity.contiguous(), settings.integration_steps)
    displacement: F32 = resize_displacement(half, (height, width))[0].numpy()
    return displacement
