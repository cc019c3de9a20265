"""Maps of normals summed up, and the value that few of their pixels exceed."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from assets.normal_maps.settings import NormalMapsSettings
from assets.scoring.anomaly_map import smooth_in_lung
from assets.scoring.framed import Mapped
from assets.scoring.score import KINDS, Kind
from assets.translation.moments import Moments, no_moments


@dataclass(frozen=True)
class Summed:
    """What is kept of the maps of normals.

    Attributes:
        moments: by kind of map.
        threshold: what few pixels of their smoothed absolute maps exceed, in units of the map.
    """

    moments: Mapping[Kind, Moments]
    threshold: float


def summed(rows: Iterable[Mapped], side: int, settings: NormalMapsSettings) -> Summed:
    """Sum up maps of normals, of `side` x `side` pixels.

    Raises:
        ValueError: there is none, or none has a pixel of lung.
    """
    moments: dict[Kind, Moments] = {kind: no_moments(side) for kind in KINDS}
    pixels = [np.zeros(0, np.float32)]
    for row in rows:
        for kind, sums in moments.items():
            sums.add(row.values[kind], row.lungs)
        smooth = smooth_in_lung(row.values["absolute"], row.lungs, settings.threshold_sigma)
        pixels.append(smooth[row.lungs])
    values = np.concatenate(pixels)
    if not values.size:
        raise ValueError("no normal has a pixel of lung in this frame, so nothing is usual; look at lung_masks")
    return Summed(moments, float(np.quantile(values, settings.threshold_share)))
