"""The loop that fits a learned peer, and what its network is shown."""

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import warp_image
from assets.registration.fields import halve
from assets.registration.network import RegistrationNetwork, draw_weights
from assets.registration.training import Fitted

Progress = Callable[[int, dict[str, float]], None]

Objective = Callable[[RegistrationNetwork, torch.Generator], dict[str, Tensor]]
"""Draws a batch from the generator and returns scalar loss terms; `loss` is what is minimized."""


class PeerTrainingStopped(RuntimeError):
    """The loss is no longer a number.

    Attributes:
        step: optimizer step (from 0) at which it happened.
    """

    def __init__(self, step: int, terms: dict[str, float]) -> None:
        super().__init__(
            f"training of a peer stopped at step {step}: the loss is not finite ({terms}); "
            "lower learning_rate, or look for non-finite values in the images"
        )
        self.step = step


def train(objective: Objective, settings: PeerSettings, progress: Progress | None = None) -> Fitted:
    """Minimize an objective by Adam from weights that mean no displacement; the same seed gives the same weights.

    Args:
        objective: draws batches and returns their loss terms.
        settings: network and schedule.
        progress: called after every step with the step (from 0) and its loss terms.

    Raises:
        PeerTrainingStopped: the loss is not finite.
    """
    generator = torch.Generator().manual_seed(settings.seed)
    network = build_peer(settings, generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.learning_rate)
    history = []
    for step in range(settings.steps):
        optimizer.param_groups[0]["lr"] = settings.learning_rate * _falling(step / settings.steps)
        terms = _optimize(objective(network, generator), optimizer, step)
        history.append(terms)
        if progress is not None:
            progress(step, terms)
    state = {
        name: value.detach().clone(memory_format=torch.contiguous_format)
        for name, value in network.state_dict().items()
    }
    return Fitted(state, history)


def build_peer(settings: PeerSettings, generator: torch.Generator) -> RegistrationNetwork:
    """Untrained network, its weights drawn from `generator` alone."""
    return draw_weights(empty_peer(settings), generator)


def empty_peer(settings: PeerSettings) -> RegistrationNetwork:
    """Network from two images, moving and fixed, to a velocity; its weights are yet to be filled in."""
    network = RegistrationNetwork(2, settings.encoder_features, settings.decoder_features, settings.final_features)
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network


def shown_image(image: npt.NDArray[np.float32]) -> Tensor:
    """What a peer sees of a radiograph (H, W): stretched to [0, 1], on the half grid, (1, 1, H / 2, W / 2)."""
    low, high = float(image.min()), float(image.max())
    stretched = (image - low) / max(high - low, 1e-6)
    return halve(torch.from_numpy(stretched.astype(np.float32))[None, None])


def shown_pair(moving: Tensor, fixed: Tensor) -> Tensor:
    """Input of the network, (N, 2, h, w), from moving (N, 1, h, w) and fixed (N or 1, 1, h, w)."""
    pair = torch.cat((moving, fixed.expand_as(moving)), dim=1)
    return pair.contiguous(memory_format=torch.channels_last)


def boxed_image(case: Case, reference: Case) -> npt.NDArray[np.float32]:
    """Image of a radiograph (H, W) with the box of its lungs moved onto the reference's.

    Both methods expect an affine start (Balakrishnan et al., TMI 2019; Hoffmann et al., TMI 2022).
    """
    return warp_image(case.image, lung_box_displacement(reference.lungs, case.lungs))


def check_size(name: str, shape: tuple[int, ...], settings: PeerSettings) -> None:
    """Raise a ValueError unless `shape` is (H, W) with sides that the half-grid network can halve on every level."""
    multiple = 2 ** (len(settings.encoder_features) + 1)
    if len(shape) != 2 or any(side % multiple or side == 0 for side in shape):
        raise ValueError(f"{name} has shape {shape}; expected (H, W), both sides multiples of {multiple}")


def _falling(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


def _optimize(terms: dict[str, Tensor], optimizer: torch.optim.Adam, step: int) -> dict[str, float]:
    values = {name: float(value.detach()) for name, value in terms.items()}
    if not math.isfinite(values["loss"]):
        raise PeerTrainingStopped(step, values)
    optimizer.zero_grad(set_to_none=True)
    terms["loss"].backward()  # type: ignore[no-untyped-call]
    optimizer.step()
    return {"step": float(step), **values}
