"""The benchmarked methods, and what each is measured by on a set of radiographs."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from torch import Tensor

from assets.segmentation.cleanup import clean
from assets.segmentation.pbtseg import segment
from assets.segmentation.quality import lung_dices
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter.inference import labels_of, load_network, predict
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.trained import TrainedSegmenter
from tests.benchmarks.segmentation_data import Case, supplied
from tests.benchmarks.segmentation_measures import (
    DiceFigures,
    Mean,
    box_shares,
    chest_region,
    dice_figures,
    lung_regions,
    mean_over_patients,
)

U8 = npt.NDArray[np.uint8]
F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
Method = Callable[[F32], U8]

FINAL, CONTROL, PBTSEG, PUBLISHED = "trained", "control", "pbtseg", "pbtseg as published"
COMPARED = (FINAL, CONTROL, PBTSEG)
"""Methods whose lungs make the region of an image and whose recall of boxes is measured in it."""

SETTINGS = SegmentationSettings()


@dataclass(frozen=True)
class Boxes:
    """Boxes of some radiographs and what each compared method covers of them.

    Attributes:
        patients: (K,) pseudonym of each box's patient.
        shares: by method, (2, K) share of each box in the lungs, of what lies in the chest region and of what lies in
            the regions of the lungs; NaN where nothing lies there.
        areas: by method, (N,) share of each image that the lungs cover.
    """

    patients: list[str]
    shares: dict[str, F64]
    areas: dict[str, F64]

    @property
    def area_ratio(self) -> float:
        """Mean lung area of the final network over that of the control."""
        return float(self.areas[FINAL].mean() / self.areas[CONTROL].mean())

    @property
    def outside(self) -> list[int]:
        """Boxes of which nothing lies in the chest region, and in the regions of the lungs; they do not count."""
        return [int(np.isnan(row).sum()) for row in self.shares[FINAL]]

    def recall(self, method: str) -> tuple[Mean, Mean]:
        """Mean share of the boxes in a method's lungs: of the chest region, and of the regions of the lungs."""
        chest, lungs = (_mean_of_present(row, self.patients) for row in self.shares[method])
        return chest, lungs


def methods(weights: Mapping[str, tuple[dict[str, Tensor], SegmenterSettings]]) -> dict[str, Method]:
    """All methods, their masks cleaned as the pipeline cleans them: the networks by name, and PBTSeg twice."""
    published = SETTINGS.model_copy(update={"equalize": False})
    found = {name: _network(*given) for name, given in weights.items()}
    found[PBTSEG] = lambda image: clean(segment(image, SETTINGS), SETTINGS)
    found[PUBLISHED] = lambda image: clean(segment(image, published), SETTINGS)
    return found


def dice_by_method(cases: Sequence[Case], chosen: Mapping[str, Method]) -> dict[str, F64]:
    """Dice (N, 2) of every method with the supplied lungs as they are; a lung not found has 0."""
    return {
        name: np.array([lung_dices(method(case.image), supplied(case)) for case in cases]).reshape(-1, 2)
        for name, method in chosen.items()
    }


def figures_of(
    dices: Mapping[str, F64], cases: Sequence[Case], keep: Callable[[Case], bool] = lambda case: True
) -> dict[str, DiceFigures]:
    """Figures of every method over the cases that are kept."""
    kept = [index for index, case in enumerate(cases) if keep(case)]
    patients = [cases[index].patient for index in kept]
    return {name: dice_figures(values[kept], patients) for name, values in dices.items()}


def boxes_by_method(cases: Sequence[Case], chosen: Mapping[str, Method]) -> Boxes:
    """What each compared method covers of the boxes of the cases, in regions that all of them share."""
    shares: dict[str, list[F64]] = {name: [] for name in COMPARED}
    areas: dict[str, list[float]] = {name: [] for name in COMPARED}
    for case in cases:
        masks = {name: chosen[name](case.image) for name in COMPARED}
        regions = [region([*masks.values()]) for region in (chest_region, lung_regions)]
        for name, lungs in masks.items():
            shares[name].append(np.stack([box_shares(case.boxes, lungs, region) for region in regions]))
            areas[name].append(float(np.mean(lungs > 0)))
    return Boxes(
        [case.patient for case in cases for _ in case.boxes],
        {name: np.concatenate(parts, axis=1) for name, parts in shares.items()},
        {name: np.array(parts) for name, parts in areas.items()},
    )


def together(parts: Sequence[Boxes]) -> Boxes:
    """The boxes of several sources as those of one."""
    return Boxes(
        [patient for part in parts for patient in part.patients],
        {name: np.concatenate([part.shares[name] for part in parts], axis=1) for name in COMPARED},
        {name: np.concatenate([part.areas[name] for part in parts]) for name in COMPARED},
    )


def milliseconds(segmenter: TrainedSegmenter, images: Sequence[F32]) -> float:
    """Median CPU time of one image: network, labels, clean-up and quality score, one image at a time on one thread."""
    spent = []
    for image in images:
        start = time.thread_time()
        probabilities = segmenter.probabilities(image)
        segmenter.quality(clean(labels_of(probabilities), SETTINGS), probabilities)
        spent.append(time.thread_time() - start)
    return 1000 * float(np.median(spent))


def _mean_of_present(shares: F64, patients: Sequence[str]) -> Mean:
    there = np.flatnonzero(~np.isnan(shares)).tolist()
    return mean_over_patients(shares[there], [patients[index] for index in there])


def _network(state: dict[str, Tensor], settings: SegmenterSettings) -> Method:
    network = load_network(state, settings)
    return lambda image: clean(labels_of(predict(network, image, settings)), SETTINGS)
