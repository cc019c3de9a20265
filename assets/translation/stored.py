"""A translator as the arrays of its artefact, and back."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from assets.images import F32

Arrays = dict[str, npt.NDArray[np.float32]]
WEIGHTS = "weights."
# Of the generator from normal to abnormal, where a method has one.
BACK = "back."


def named_weights(weights: Mapping[str, Tensor], prefix: str = WEIGHTS) -> Arrays:
    """Weights as arrays of an artefact."""
    return {prefix + name: value.detach().cpu().float().numpy() for name, value in weights.items()}


def weights_of(arrays: Mapping[str, npt.NDArray[np.float32]], prefix: str = WEIGHTS) -> dict[str, Tensor]:
    """A translator's weights from its artefact; empty where it holds none of that prefix."""
    return {name[len(prefix) :]: torch.from_numpy(value) for name, value in arrays.items() if name.startswith(prefix)}


def table_of(records: Sequence[Mapping[str, float]]) -> tuple[list[str], F32]:
    """Records as names of columns, in alphabetical order, and an array (N, K); what a record lacks is no number."""
    names = sorted({name for record in records for name in record})
    values = [[record.get(name, np.nan) for name in names] for record in records]
    return names, np.array(values, dtype=np.float32).reshape(len(records), len(names))


def records_of(names: Sequence[str], values: npt.NDArray[np.float32]) -> list[dict[str, float]]:
    """What `table_of` was given."""
    return [dict(zip(names, map(float, row), strict=True)) for row in values]


def unit(images: Tensor) -> F32:
    """(N, 1, S, S) in [-1, 1] as (N, S, S) float32 in [0, 1]."""
    return ((images[:, 0].detach().cpu().float() + 1.0) / 2.0).clamp(0.0, 1.0).numpy()
