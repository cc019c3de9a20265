"""The normal maps of an arm as arrays of an artefact, and what a radiograph's maps are compared with."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from assets.normal_maps.settings import NormalMapsSettings
from assets.scoring.framed import Mapped
from assets.scoring.score import KINDS, Kind
from assets.translation.moments import Moments, Pooling, Usual, moments_of, usual

FITTED_ON = "fitted_on"
# Only where some normals could not be mapped: they are in no sum, and nothing is tried anew because of them.
LEFT_OUT = "left_out"


def pooling_of(settings: NormalMapsSettings) -> Pooling:
    """How mean and spread are made of sums."""
    return Pooling(settings.smoothing, settings.prior, settings.smallest_spread)


def members_array(members: Collection[str]) -> npt.NDArray[np.uint8]:
    """Names of normals, 32 hexadecimal digits each, as an array (N, 16)."""
    return np.frombuffer(bytes.fromhex("".join(members)), dtype=np.uint8).reshape(-1, 16)


def members_of(arrays: Mapping[str, npt.NDArray[np.generic]]) -> frozenset[str]:
    """Names of the normals that are in the sums."""
    return _names(arrays[FITTED_ON])


def chosen_of(arrays: Mapping[str, npt.NDArray[np.generic]]) -> frozenset[str]:
    """Names of all normals that were looked at, those that could not be mapped, too."""
    return members_of(arrays) | (_names(arrays[LEFT_OUT]) if LEFT_OUT in arrays else frozenset())


def _names(array: npt.NDArray[np.generic]) -> frozenset[str]:
    return frozenset(bytes(name).hex() for name in array)


@dataclass(frozen=True)
class NormalMaps:
    """Sums over an arm's maps of validation normals.

    Attributes:
        moments: by kind of map.
        members: names of the normals that are in the sums.
        pooling: how mean and spread are made of them.
    """

    moments: Mapping[Kind, Moments]
    members: frozenset[str]
    pooling: Pooling

    def for_row(self, name: str, row: Mapped) -> Mapping[Kind, Usual]:
        """What is usual for a radiograph: of all normals, without itself where it is one of them."""
        if name not in self.members:
            return self._all
        return {
            kind: usual(sums.without(row.values[kind], row.lungs), self.pooling) for kind, sums in self.moments.items()
        }

    def whole(self, kind: Kind) -> Usual:
        """What is usual of one kind of map, of all normals."""
        return self._all[kind]

    @cached_property
    def _all(self) -> Mapping[Kind, Usual]:
        return {kind: usual(sums, self.pooling) for kind, sums in self.moments.items()}


def normal_maps_of(arrays: Mapping[str, npt.NDArray[np.generic]], settings: NormalMapsSettings) -> NormalMaps:
    """Normal maps from their artefact, by the settings that they were made with."""
    sums = {kind: moments_of(arrays, kind) for kind in KINDS}
    return NormalMaps(sums, members_of(arrays), pooling_of(settings))
