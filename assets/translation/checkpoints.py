"""The whole state of a training as one flat dictionary of tensors, and back."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from assets.translation.methods import Translator


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        history: one record a window of steps: `step`, `learning_rate` and the mean losses.
    """

    step: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


def capture(translator: Translator, progress: Progress) -> dict[str, Tensor]:
    """Copies of networks, Adam moments, pools, step and history, on the CPU, named `part/owner/name`."""
    state: dict[str, Tensor] = {"step": torch.tensor(progress.step)}
    for owner, network in translator.networks.items():
        state |= {f"network/{owner}/{name}": value for name, value in network.state_dict().items()}
    for owner, optimizer in translator.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            state |= {f"adam/{owner}/{index}/{name}": value for name, value in moments.items()}
    for owner, pool in translator.pools.items():
        state |= {f"pool/{owner}/{name}": value for name, value in pool.state().items()}
    for name in progress.history[0] if progress.history else ():
        state[f"history/{name}"] = torch.tensor([record[name] for record in progress.history], dtype=torch.float64)
    return {name: value.detach().cpu().clone() for name, value in state.items()}


def restore(translator: Translator, state: Mapping[str, Tensor], device: torch.device) -> Progress:
    """Put a captured state back into a translator of the same plan.

    Raises:
        ValueError: the state has no `step`, so it is no checkpoint of a training.
        RuntimeError: its networks have other shapes or names (it was taken with other settings).
    """
    if "step" not in state:
        raise ValueError("resume: the dictionary has no 'step'; pass a state that `checkpoint` received")
    for owner, network in translator.networks.items():
        network.load_state_dict(_under(state, f"network/{owner}/"))
    for owner, optimizer in translator.optimizers.items():
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in _under(state, f"adam/{owner}/").items():
            index, _, moment = name.partition("/")
            moments.setdefault(int(index), {})[moment] = value.clone()
        optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})
    for owner, pool in translator.pools.items():
        pool.restore(_under(state, f"pool/{owner}/"), device)
    columns = _under(state, "history/")
    records = zip(*(column.tolist() for column in columns.values()), strict=True)
    return Progress(int(state["step"]), [dict(zip(columns, record, strict=True)) for record in records])


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
