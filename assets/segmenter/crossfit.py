"""Networks that are each taught without a part of the patients: nobody is segmented by one that saw them."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.segmenter.mask_score import ScoreModel
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.trained import DIGITS, Arrays, TrainedSegmenter, from_arrays

_PART = re.compile(r"part(\d+)\.(.+)")


@dataclass(frozen=True)
class Segmenters:
    """A cohort's networks: one, or one a part of the patients.

    Attributes:
        parts: at least one.
    """

    parts: tuple[TrainedSegmenter, ...]

    def of(self, patient: str) -> TrainedSegmenter:
        """The network that was taught without this patient's part, the only one where there are no parts."""
        return self.parts[part_of(patient, len(self.parts))]

    @property
    def together(self) -> "TrainedSegmenter | Together":
        """All networks as one, for patients of whom none was taught: no name decides which of them draws."""
        return self.parts[0] if len(self.parts) == 1 else Together(self.parts)


@dataclass(frozen=True)
class Together:
    """Several networks that answer with their mean; used as a `TrainedSegmenter` is."""

    parts: tuple[TrainedSegmenter, ...]

    @property
    def score(self) -> ScoreModel | None:
        """None where one of them has none."""
        scores = [part.score for part in self.parts]
        return None if None in scores else scores[0]

    def probabilities(self, image: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Mean probabilities (2, 2, H, W) of the lungs in a radiograph (H, W)."""
        drawn = np.stack([part.probabilities(image) for part in self.parts])
        mean: npt.NDArray[np.float32] = np.asarray(drawn.mean(axis=0), dtype=np.float32)
        return mean

    def quality(self, lungs: npt.NDArray[np.uint8], probabilities: npt.NDArray[np.float32]) -> tuple[float, float]:
        """Mean of the expected Dice of the patient-right and the patient-left lung.

        Raises:
            ValueError: there is no score.
        """
        right, left = zip(*(part.quality(lungs, probabilities) for part in self.parts), strict=True)
        return round(float(np.mean(right)), DIGITS), round(float(np.mean(left)), DIGITS)


def part_of(patient: str, parts: int) -> int:
    """Part of a patient, 0 to parts - 1, from the pseudonym alone and independent of split and shard."""
    draw = hashlib.sha256(f"segmenter part {patient}".encode()).digest()
    return int.from_bytes(draw[:8], "big") % parts


def taught_to(part: int, parts: int, patients: Sequence[str]) -> list[int]:
    """Positions of the patients that the network of a part is taught on: all others, or all where there is one part."""
    return [at for at, patient in enumerate(patients) if parts == 1 or part_of(patient, parts) != part]


def joined(parts: Sequence[Mapping[str, npt.NDArray[Any]]]) -> Arrays:
    """Arrays of all parts under names of their own; those of a single network as they are."""
    if len(parts) == 1:
        return dict(parts[0])
    return {f"part{number}.{name}": array for number, part in enumerate(parts) for name, array in part.items()}


def parted(arrays: Mapping[str, npt.NDArray[Any]]) -> list[Arrays]:
    """Inverse of `joined`; arrays that belong to no part are passed over where there are parts."""
    found: dict[int, Arrays] = {}
    for name, array in arrays.items():
        match = _PART.fullmatch(name)
        if match:
            found.setdefault(int(match[1]), {})[match[2]] = array
    return [found[number] for number in sorted(found)] or [dict(arrays)]


def segmenters(arrays: Mapping[str, npt.NDArray[Any]], settings: SegmenterSettings) -> Segmenters:
    """The networks that `joined` stored.

    Raises:
        ValueError: the arrays are not those of segmenters with these settings.
    """
    return Segmenters(tuple(from_arrays(part, settings) for part in parted(arrays)))


def in_common(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the networks' trainings say together: numbers in the mean over those that have them, the first text."""
    found = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts if part[name] is not None]
        numbers = all(isinstance(value, int | float) for value in values)
        if values and numbers and len(parts) > 1:
            mean = float(np.mean(values))
            found[name] = round(mean) if all(isinstance(value, int) for value in values) else mean
        else:
            found[name] = next((value for value in values if value), first)
    return found


def mean_history(histories: Sequence[npt.NDArray[np.float32]]) -> npt.NDArray[np.float32]:
    """Mean loss curves (steps, losses) of networks that trained equally long."""
    stacked = np.stack(histories).astype(np.float64)
    mean: npt.NDArray[np.float32] = np.asarray(stacked.mean(axis=0), dtype=np.float32)
    return mean
