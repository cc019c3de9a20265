"""Using a trained network: velocities of radiographs, and the displacements they stand for."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.registration.fields import halve, integrate, resize_displacement, warp
from assets.registration.network import RegistrationNetwork, empty_network, network_inputs, soft_lungs
from assets.registration.settings import RegistrationSettings


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


def refine(
    network: RegistrationNetwork,
    image: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    prealigned_displacement: npt.NDArray[np.float32],
    reference_lungs: npt.NDArray[np.uint8],
    settings: RegistrationSettings,
) -> npt.NDArray[np.float16]:
    """Velocity of one radiograph; see `refine_batch`.

    Args:
        network: from `load_network`.
        image: (H, W) in [0, 1], windowed as in training.
        lungs: uint8 (H, W).
        prealigned_displacement: IT-PR, (2, H, W), backward map, reference grid -> image, pixels.
        reference_lungs: uint8 (H, W).
        settings: those of the training.

    Returns:
        float16 (2, H / 2, W / 2), pixels of the half grid; `velocity_displacement` integrates it.
    """
    fields = prealigned_displacement[None]
    velocity: npt.NDArray[np.float16] = refine_batch(
        network, image[None], lungs[None], fields, reference_lungs, settings
    )[0]
    return velocity


@torch.inference_mode()
def refine_batch(
    network: RegistrationNetwork,
    images: npt.NDArray[np.float32],
    lungs: npt.NDArray[np.uint8],
    prealigned_displacements: npt.NDArray[np.float32],
    reference_lungs: npt.NDArray[np.uint8],
    settings: RegistrationSettings,
    *,
    autocast: bool = False,
) -> npt.NDArray[np.float16]:
    """Velocities of several radiographs, in float32 unless `autocast` runs the network in bfloat16.

    The map that they stand for replaces the pre-alignment (it leads from the reference grid to the radiograph itself,
    not to its pre-aligned copy), so the radiograph is warped by it directly.

    Args:
        network: from `load_network`, on any device.
        images: (N, H, W) in [0, 1].
        lungs: uint8 (N, H, W).
        prealigned_displacements: (N, 2, H, W).
        reference_lungs: uint8 (H, W).
        settings: those of the training.
        autocast: run the network in bfloat16.

    Returns:
        float16 (N, 2, H / 2, W / 2).

    Raises:
        ValueError: sides of the images are no multiples of twice the network's reduction.
    """
    if any(side % (2 * network.multiple) for side in images.shape[1:]):
        raise ValueError(f"images have shape {images.shape}; sides must be multiples of {2 * network.multiple}")
    device = next(network.parameters()).device
    image = torch.from_numpy(images)[:, None].to(device)
    displacement = torch.from_numpy(prealigned_displacements).to(device)
    half = image.shape[-2] // 2, image.shape[-1] // 2
    shown = slice(None) if settings.use_lungs else slice(0)
    own = soft_lungs(torch.from_numpy(lungs).to(device))[:, shown]
    reference = soft_lungs(torch.from_numpy(reference_lungs)[None].to(device))[:, shown]
    field = resize_displacement(displacement, half)
    inputs = network_inputs(halve(image), halve(warp(image, displacement)), field, own, reference)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=autocast):
        velocity = network(inputs)
    stored: npt.NDArray[np.float16] = velocity.cpu().to(torch.float16).numpy()
    return stored


@torch.inference_mode()
def velocity_displacement(
    velocity: npt.NDArray[np.float16], size: tuple[int, int], steps: int
) -> npt.NDArray[np.float32]:
    """Displacement field that a stored velocity stands for; of the inverse map if given `-velocity`.

    Args:
        velocity: (2, h, w), channel 0 = x, pixels of its own grid; float16 as stored, computed with in float32.
        size: (H, W) of the result.
        steps: squarings, `RegistrationSettings.integration_steps`.

    Returns:
        float32 (2, H, W) in pixels of the new grid: backward map, reference grid -> radiograph. Stored points of the
        radiograph travel to the reference by the field of `-velocity`.

    Raises:
        ValueError: not (2, h, w).
    """
    if velocity.ndim != 3 or velocity.shape[0] != 2:
        raise ValueError(f"velocity has shape {velocity.shape}; expected (2, h, w)")
    half = integrate(torch.from_numpy(velocity.astype(np.float32))[None], steps)
    displacement: npt.NDArray[np.float32] = resize_displacement(half, size)[0].numpy()
    return displacement
