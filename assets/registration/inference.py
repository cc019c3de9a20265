"""Using a trained network: velocities of radiographs, and the maps they stand for."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.prealignment.warp import compose
from assets.registration.anchor import anchor_velocity
from assets.registration.deformations import outline_normals, trust_outlines
from assets.registration.fields import halve, integrate, resize_displacement, warp
from assets.registration.network import CELL, RegistrationNetwork, empty_network, predict_velocity
from assets.registration.roughness import UNKNOWN, no_rougher
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration.views import copy_views, paired_views, soft_lungs, whole_views

F32 = npt.NDArray[np.float32]
U8 = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Refiner:
    """A trained network with all that it needs of the reference.

    Attributes:
        network: in evaluation mode.
        settings: those of the training.
        refinement: how the network is used.
        lungs: soft lungs of the reference, (1, 2, h, w).
        image: the reference radiograph, (1, 1, h, w), or None where the reference is a shape.
        normals: of the reference's outlines, (1, 2, h, w).
        inside: bool (H, W), the reference's lungs.
        roughness: usual one of the training's pre-alignments.
        anchor: velocity (1, 2, h, w) of the reference itself, taken off everybody's; zero where it is a shape.
    """

    network: RegistrationNetwork
    settings: RegistrationSettings
    refinement: RefinementSettings
    lungs: Tensor
    image: Tensor | None
    normals: Tensor
    inside: npt.NDArray[np.bool_]
    roughness: tuple[float, float]
    anchor: Tensor


def load_network(
    state: dict[str, Tensor], settings: RegistrationSettings, device: torch.device | None = None
) -> RegistrationNetwork:
    """Trained network in evaluation mode, from `training.Fitted.state`.

    Raises:
        ValueError: the weights are of another architecture.
    """
    network = empty_network(settings)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"state doesn't fit the network of these settings; fit it anew ({error})") from error
    return network.to(device or torch.device("cpu")).eval()


@torch.inference_mode()
def refiner(
    state: dict[str, Tensor],
    settings: RegistrationSettings,
    reference_image: F32 | None,
    reference_lungs: U8,
    refinement: RefinementSettings | None = None,
    device: torch.device | None = None,
    *,
    roughness: tuple[float, float] = UNKNOWN,
) -> Refiner:
    """Make a trained network ready for the radiographs of a cohort.

    R2 and R3 bring a radiograph to where the network believes that most people's anatomy lies. The reference deviates
    from most people, too; its own velocity (`anchor.anchor_velocity`), taken off everybody's, makes it the frame's
    origin again.

    Args:
        state: weights, from `training.Fitted.state`.
        settings: those of the training.
        reference_image: (H, W) in [0, 1], windowed as in training; None where the reference is a mean shape, which is
            most people's anatomy already.
        reference_lungs: uint8 (H, W).
        refinement: `anchor_pairs` and `outline_doubt`; the defaults where none are given.
        device: where the network is to run; the CPU by default.
        roughness: `training.Fitted.roughness`; no pre-alignment is smoothed without it.

    Raises:
        ValueError: the weights are of another architecture, sides of the reference don't fit the network, or R2 has no
            image to compare with.
    """
    network = load_network(state, settings, device)
    multiple = 2 * CELL * network.multiple
    if any(side % multiple for side in reference_lungs.shape):
        raise ValueError(f"reference_lungs has shape {reference_lungs.shape}; sides must be multiples of {multiple}")
    where = next(network.parameters()).device
    lungs = soft_lungs(torch.from_numpy(reference_lungs)[None]).to(where)
    image = None if reference_image is None else halve(torch.from_numpy(reference_image)[None, None]).to(where)
    anchor = torch.zeros_like(lungs)
    if settings.reading == "R2" and image is None:
        raise ValueError("reading R2 compares with the reference's image and got none; choose a medoid as reference")
    used = refinement or RefinementSettings()
    normals, inside = outline_normals(lungs).to(where), reference_lungs > 0
    bare = Refiner(network, settings, used, lungs, image, normals, inside, roughness, anchor)
    if image is None or settings.reading == "R1":
        return bare

    def predict(copies: Tensor) -> Tensor:
        return predict_velocity(network, _residual_views(bare, copies))

    return replace(bare, anchor=anchor_velocity(predict, image, lungs, settings, used.anchor_pairs))


def starting_map(ready: Refiner, prealigned_displacement: F32) -> F32:
    """The map that `refine` and `registered_displacement` are to start from: IT-PR, smoothed if it is unusually rough.

    R1, which replaces IT-PR, starts from it as it is.

    Args:
        ready: from `refiner`.
        prealigned_displacement: IT-PR, (2, H, W), pixels.

    Returns:
        The same array where nothing is to be done, else float32 (2, H, W).
    """
    if ready.settings.reading == "R1":
        return prealigned_displacement
    return no_rougher(prealigned_displacement, ready.inside, ready.roughness)


@torch.inference_mode()
def refine(ready: Refiner, image: F32, lungs: U8, prealigned_displacement: F32) -> npt.NDArray[np.float16]:
    """Velocity of one radiograph, in float32 until it is stored.

    Args:
        ready: from `refiner`.
        image: (H, W) in [0, 1], windowed as in training.
        lungs: uint8 (H, W); only R1 looks at them.
        prealigned_displacement: `starting_map` of IT-PR, (2, H, W), backward map, reference grid -> image, pixels.

    Returns:
        float16 (2, H / 2, W / 2), pixels of the half grid; `registered_displacement` makes the map of it.

    Raises:
        ValueError: image, lungs and displacement are not on the reference's grid.
    """
    size = ready.lungs.shape[2] * 2, ready.lungs.shape[3] * 2
    if image.shape != size or lungs.shape != size or prealigned_displacement.shape != (2, *size):
        raise ValueError(
            f"image {image.shape}, lungs {lungs.shape} and displacement {prealigned_displacement.shape} must lie on "
            f"the reference's grid {size}"
        )
    where = ready.lungs.device
    whole = halve(torch.from_numpy(image)[None, None].to(where))
    field = resize_displacement(torch.from_numpy(prealigned_displacement)[None].to(where), (size[0] // 2, size[1] // 2))
    copy = warp(whole, field)
    if ready.settings.reading == "R1":
        own = soft_lungs(torch.from_numpy(lungs)[None].to(where))
        views = whole_views(whole, copy, field, own, ready.lungs)
        velocity = predict_velocity(ready.network, views)
    else:
        velocity = predict_velocity(ready.network, _residual_views(ready, copy)) - ready.anchor
        doubt = ready.refinement.outline_doubt * size[0] / 2
        velocity = trust_outlines(velocity, ready.normals, doubt)
    stored: npt.NDArray[np.float16] = velocity[0].cpu().to(torch.float16).numpy()
    return stored


def registered_displacement(
    velocity: npt.NDArray[np.float16], prealigned_displacement: F32, settings: RegistrationSettings
) -> F32:
    """The whole backward map of IT-DPR, reference grid -> radiograph: warp the radiograph itself by it, once.

    Args:
        velocity: from `refine`.
        prealigned_displacement: the map that `refine` started from, (2, H, W). R1 replaces it, R2 and R3 are composed
            with it: the radiograph is warped by it first, the outcome by the integrated velocity.
        settings: those of the training.

    Returns:
        float32 (2, H, W), pixels.
    """
    size = prealigned_displacement.shape[1], prealigned_displacement.shape[2]
    own = velocity_displacement(velocity, size, settings.integration_steps)
    return own if settings.reading == "R1" else compose(prealigned_displacement, own)


def registered_inverse(
    velocity: npt.NDArray[np.float16], prealigned_inverse: F32, settings: RegistrationSettings
) -> F32:
    """The way back, radiograph's grid -> reference: for points, boxes and maps of the radiograph and the frame.

    Args:
        velocity: from `refine`.
        prealigned_inverse: inverse of the map that `refine` started from, (2, H, W), on the radiograph's grid.
        settings: those of the training.

    Returns:
        float32 (2, H, W): the point q of the radiograph lies at q + u(q) in the reference frame.
    """
    size = prealigned_inverse.shape[1], prealigned_inverse.shape[2]
    own = velocity_displacement(-velocity, size, settings.integration_steps)
    return own if settings.reading == "R1" else compose(own, prealigned_inverse)


@torch.inference_mode()
def velocity_displacement(
    velocity: npt.NDArray[np.float16], size: tuple[int, int], steps: int
) -> npt.NDArray[np.float32]:
    """Displacement field that a velocity stands for; of the inverse map if given `-velocity`.

    Args:
        velocity: (2, h, w), channel 0 = x, pixels of its own grid; float16 as stored, computed with in float32.
        size: (H, W) of the result.
        steps: squarings, `RegistrationSettings.integration_steps`.

    Returns:
        float32 (2, H, W) in pixels of the new grid.

    Raises:
        ValueError: not (2, h, w).
    """
    if velocity.ndim != 3 or velocity.shape[0] != 2:
        raise ValueError(f"velocity has shape {velocity.shape}; expected (2, h, w)")
    half = integrate(torch.from_numpy(velocity.astype(np.float32))[None], steps)
    displacement: npt.NDArray[np.float32] = resize_displacement(half, size)[0].numpy()
    return displacement


def _residual_views(ready: Refiner, copy: Tensor) -> Tensor:
    if ready.settings.reading == "R3" or ready.image is None:
        return copy_views(copy, ready.lungs)
    return paired_views(copy, ready.image, ready.lungs)
