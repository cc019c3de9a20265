"""How much room a training will need, before it begins."""

import torch
from torch import Tensor, nn

from assets.translation.arms import Gan
from assets.translation.methods import untrained
from assets.translation.presets import resolved
from assets.translation.sampling import generator_for
from assets.translation.settings import TranslationSettings

_FLOAT = 4
# Names, history and measurements.
_REST = 2**20


def checkpoint_bytes(method: Gan, settings: TranslationSettings) -> int:
    """Largest size of a checkpoint: networks with Adam's two moments, full pools, averaged and best weights."""
    plan = resolved(settings, method)
    translator = untrained(method, plan, generator_for(0, "weights", 0), torch.device("cpu"))
    learned, generator = _values(*translator.networks.values()), _values(translator.to_normal)
    copies = int(plan.ema_decay > 0) + int(settings.patience > 0)
    pooled = sum(pool.capacity for pool in translator.pools.values()) * plan.size * plan.size
    return _FLOAT * (3 * learned + copies * generator + pooled) + _REST


def _values(*networks: nn.Module) -> int:
    found: list[Tensor] = [value for network in networks for value in network.state_dict().values()]
    return sum(value.numel() for value in found)
