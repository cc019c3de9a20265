"""A trained segmenter as it is stored and used: network, shape model, quality score."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from assets.segmenter.inference import load_network, predict
from assets.segmenter.mask_features import mask_features
from assets.segmenter.mask_score import ScoreModel, quality
from assets.segmenter.settings import SegmenterSettings
from assets.segmenter.shape_model import ShapeModel

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Arrays = dict[str, npt.NDArray[Any]]

DIGITS = 9
NETWORK, SHAPE, SCORE = "network.", "shape.", "score."


@dataclass(frozen=True)
class TrainedSegmenter:
    """What finds lungs and judges masks.

    Attributes:
        network: in evaluation mode, on the CPU.
        settings: those of its training.
        shapes: model of lung shapes.
        score: None where too few masks were held back to teach one.
    """

    network: nn.Module
    settings: SegmenterSettings
    shapes: ShapeModel
    score: ScoreModel | None

    def probabilities(self, image: F32) -> F32:
        """Probabilities (2, 2, H, W) of the lungs in a radiograph (H, W); see `inference.predict`."""
        return predict(self.network, image, self.settings)

    def quality(self, lungs: U8, probabilities: F32) -> tuple[float, float]:
        """Expected Dice of the patient-right and the patient-left lung of a mask (H, W).

        Raises:
            ValueError: there is no score.
        """
        if self.score is None:
            raise ValueError("no score was taught with this segmenter; ask `score` first")
        right, left = quality(self.score, steady_features(lungs, probabilities, self.shapes))
        return round(float(right), DIGITS), round(float(left), DIGITS)


def steady_features(lungs: U8, probabilities: F32, shapes: ShapeModel) -> F64:
    """Features (2, K) of a mask, see `mask_features`, rounded.

    The last digits of a vectorized sum depend on where in memory its terms lie, and equal masks must give equal bytes.
    """
    return np.round(mask_features(lungs, probabilities, shapes), DIGITS)


def to_arrays(state: Mapping[str, Tensor], shapes: ShapeModel, score: ScoreModel | None) -> Arrays:
    """All of a segmenter as named arrays."""
    network = {NETWORK + name: value.detach().cpu().numpy() for name, value in state.items()}
    shape = {SHAPE + name: value for name, value in shapes.to_arrays().items()}
    taught = {SCORE + name: value for name, value in score.to_arrays().items()} if score is not None else {}
    return {**network, **shape, **taught}


def from_arrays(arrays: Mapping[str, npt.NDArray[Any]], settings: SegmenterSettings) -> TrainedSegmenter:
    """The segmenter of `to_arrays`; other arrays are passed over.

    Raises:
        ValueError: the arrays are not those of a segmenter with these settings.
    """
    network, shape, score = (
        {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
        for prefix in (NETWORK, SHAPE, SCORE)
    )
    state = {name: torch.from_numpy(value) for name, value in network.items()}
    return TrainedSegmenter(
        load_network(state, settings),
        settings,
        ShapeModel.from_arrays(shape),
        ScoreModel.from_arrays(score) if score else None,
    )
