"""The whole state of a training as one flat dictionary of tensors, and back."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import torch
from torch import Tensor

from assets.translation.ema import AveragedWeights
from assets.translation.methods import Translator

Record = dict[str, float]


class UnusableCheckpoint(ValueError):
    """A state that this training cannot go on from: of another plan or architecture, or no state at all."""


@dataclass
class Spent:
    """Seconds of a training over all its resumptions.

    Attributes:
        seconds: in all.
        stepping: in steps, waiting for batches included.
        waited: for batches.
    """

    seconds: float = 0.0
    stepping: float = 0.0
    waited: float = 0.0


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        step: steps done.
        history: one record a window of steps: `step`, `learning_rate` and the mean losses.
        window: losses of each step since the last record.
        checks: one record a measurement: `step` and what was measured.
        best: weights of the best measurement, where the best are to be kept and there was one.
        spent: time.
    """

    step: int = 0
    history: list[Record] = field(default_factory=list)
    window: list[Record] = field(default_factory=list)
    checks: list[Record] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    spent: Spent = field(default_factory=Spent)


def capture(translator: Translator, progress: Progress, average: AveragedWeights | None = None) -> dict[str, Tensor]:
    """Copies of networks, average, Adam moments, pools and progress, on the CPU, named `part/owner/name`."""
    state: dict[str, Tensor] = {"step": torch.tensor(progress.step)}
    for owner, network in translator.networks.items():
        state |= {f"network/{owner}/{name}": value for name, value in network.state_dict().items()}
    for owner, optimizer in translator.optimizers.items():
        for index, moments in optimizer.state_dict()["state"].items():
            state |= {f"adam/{owner}/{index}/{name}": value for name, value in moments.items()}
    for owner, pool in translator.pools.items():
        state |= {f"pool/{owner}/{name}": value for name, value in pool.state().items()}
    state |= {f"average/{name}": value for name, value in (average.weights if average else {}).items()}
    state |= {f"best/{name}": value for name, value in progress.best.items()}
    state |= {
        f"spent/{name}": torch.tensor(value, dtype=torch.float64) for name, value in asdict(progress.spent).items()
    }
    state |= _columns("history", progress.history)
    state |= _columns("window", progress.window)
    state |= _columns("checks", progress.checks)
    return copied(state)


def copied(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU that nothing else changes."""
    return {name: value.detach().cpu().clone(memory_format=torch.contiguous_format) for name, value in tensors.items()}


def finite(state: Mapping[str, Tensor]) -> bool:
    """Whether no weight or moment of a captured state is infinite or no number."""
    learned = [value for name, value in state.items() if name.startswith(("network/", "adam/", "average/"))]
    return all(bool(value.isfinite().all()) for value in learned)


def restore(
    translator: Translator, state: Mapping[str, Tensor], device: torch.device, average: AveragedWeights | None = None
) -> Progress:
    """Put a captured state back into a translator of the same plan.

    Raises:
        UnusableCheckpoint: the state is no checkpoint of a training, or its parts have other shapes or names (it was
            taken with other settings).
    """
    if "step" not in state:
        raise UnusableCheckpoint("the state has no 'step', so it is no checkpoint of a training")
    try:
        return _restored(translator, state, device, average)
    except (RuntimeError, KeyError, ValueError, TypeError) as error:
        # Only the first line: torch lists every name of the networks.
        reason = str(error).partition("\n")[0]
        raise UnusableCheckpoint(f"the state is of another architecture or of other settings ({reason})") from error


def _restored(
    translator: Translator, state: Mapping[str, Tensor], device: torch.device, average: AveragedWeights | None
) -> Progress:
    for owner, network in translator.networks.items():
        network.load_state_dict(_under(state, f"network/{owner}/"))
    for owner, optimizer in translator.optimizers.items():
        _restore_moments(optimizer, _under(state, f"adam/{owner}/"))
    for owner, pool in translator.pools.items():
        pool.restore(_under(state, f"pool/{owner}/"), device)
    if average is not None:
        average.restore(_under(state, "average/"))
    return Progress(
        int(state["step"]),
        history=_records(_under(state, "history/")),
        window=_records(_under(state, "window/")),
        checks=_records(_under(state, "checks/")),
        best={name: value.clone() for name, value in _under(state, "best/").items()},
        spent=Spent(**{name: float(value) for name, value in _under(state, "spent/").items()}),
    )


def _restore_moments(optimizer: torch.optim.Adam, found: Mapping[str, Tensor]) -> None:
    moments: dict[int, dict[str, Tensor]] = {}
    for name, value in found.items():
        index, _, moment = name.partition("/")
        moments.setdefault(int(index), {})[moment] = value.clone()
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for place, parameter in enumerate(parameters):
        if moments and (place not in moments or moments[place]["exp_avg"].shape != parameter.shape):
            raise ValueError(f"Adam's moments of parameter {place} are not of its shape")
    optimizer.load_state_dict({"state": moments, "param_groups": optimizer.state_dict()["param_groups"]})


def _columns(table: str, records: list[Record]) -> dict[str, Tensor]:
    """Records as columns; what one lacks, as a measurement may, is no number there."""
    names = dict.fromkeys(name for record in records for name in record)
    return {
        f"{table}/{name}": torch.tensor([record.get(name, math.nan) for record in records], dtype=torch.float64)
        for name in names
    }


def _records(columns: Mapping[str, Tensor]) -> list[Record]:
    rows = zip(*(column.tolist() for column in columns.values()), strict=True)
    return [{name: value for name, value in zip(columns, row, strict=True) if not math.isnan(value)} for row in rows]


def _under(state: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
