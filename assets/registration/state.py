"""A training's state as a flat dictionary of tensors, which safetensors can store."""

import torch
from torch import Tensor

from assets.registration.network import RegistrationNetwork

TrainingState = dict[str, Tensor]

LOSS_TERMS = ("step", "field", "similarity", "smoothness", "dice", "loss")
"""Columns of the history, in order."""

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What Adam remembers of a parameter."""


def pack(
    network: RegistrationNetwork,
    teacher: RegistrationNetwork,
    optimizer: torch.optim.Adam,
    history: list[dict[str, float]],
) -> TrainingState:
    """Copies on the CPU: `network.<name>`, `teacher.<name>`, `adam.<name>.<moment>`, `history` (steps, 6) float64."""
    state = {f"network.{name}": value for name, value in network.named_parameters()}
    state |= {f"teacher.{name}": value for name, value in teacher.named_parameters()}
    for name, parameter in network.named_parameters():
        for moment in MOMENTS:
            state[f"adam.{name}.{moment}"] = optimizer.state[parameter][moment]
    copied = {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
    rows = [[terms[name] for name in LOSS_TERMS] for terms in history]
    copied["history"] = torch.tensor(rows, dtype=torch.float64).reshape(-1, len(LOSS_TERMS))
    return copied


def unpack(
    state: TrainingState, network: RegistrationNetwork, teacher: RegistrationNetwork, optimizer: torch.optim.Adam
) -> list[dict[str, float]]:
    """Put a packed state into `network`, `teacher` (the network of the round before) and `optimizer`.

    Returns:
        The history.

    Raises:
        ValueError: the state is of another network.
    """
    owners = ("network", "teacher")
    wanted = {f"{owner}.{name}": value.shape for owner in owners for name, value in network.named_parameters()}
    found = {name: value.shape for name, value in state.items() if name.partition(".")[0] in owners}
    if wanted != found or "history" not in state:
        raise ValueError("resume doesn't fit the network of these settings; drop the checkpoint and train anew")
    with torch.no_grad():
        for name, parameter in teacher.named_parameters():
            parameter.copy_(state[f"teacher.{name}"])
        for name, parameter in network.named_parameters():
            parameter.copy_(state[f"network.{name}"])
            optimizer.state[parameter] = {
                # Adam keeps its counter on the CPU, its moments beside the parameter and in its memory layout
                moment: state[f"adam.{name}.{moment}"].clone()
                if moment == "step"
                else torch.empty_like(parameter).copy_(state[f"adam.{name}.{moment}"])
                for moment in MOMENTS
            }
    return [dict(zip(LOSS_TERMS, row, strict=True)) for row in state["history"].tolist()]
