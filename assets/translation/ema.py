"""The exponential moving average of a network's weights, which translates more steadily than any one step's."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def kept_share(decay: float, updates: int) -> float:
    """Share of the average that an update keeps: min(decay, (1 + t) / (10 + t)) after t updates.

    The first updates keep less, so that the average soon forgets the random start.
    """
    return min(decay, (1 + updates) / (10 + updates))


class AveragedWeights:
    """Average over the training of every floating-point weight; what is not floating-point is the newest.

    Args:
        network: whose weights to begin with.
        decay: largest share of the average that an update keeps, in [0, 1).
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: value.detach().clone() for name, value in network.state_dict().items()}

    def update(self, network: nn.Module, updates: int) -> None:
        """Take a step's weights in.

        Args:
            network: of the same architecture.
            updates: how often this was called before.
        """
        newest = 1 - kept_share(self.decay, updates)
        with torch.no_grad():
            for name, value in network.state_dict().items():
                mean = self.weights[name]
                if mean.is_floating_point():
                    mean.lerp_(value, newest)
                else:
                    mean.copy_(value)

    def restore(self, weights: Mapping[str, Tensor]) -> None:
        """Take over an average of the same network.

        Raises:
            RuntimeError: names or shapes differ.
        """
        if weights.keys() != self.weights.keys():
            raise RuntimeError("the averaged weights are those of another network")
        for name, value in weights.items():
            if value.shape != self.weights[name].shape:
                raise RuntimeError(f"the average of {name} is {tuple(value.shape)}, expected another shape")
            self.weights[name].copy_(value)
