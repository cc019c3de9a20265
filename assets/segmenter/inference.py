"""Using a trained segmenter: probabilities of both lungs, and the labels they stand for."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from assets.segmenter.network import empty_network, network_input, resized
from assets.segmenter.settings import SegmenterSettings


def load_network(state: dict[str, Tensor], settings: SegmenterSettings) -> nn.Module:
    """Trained network in evaluation mode on the CPU, from `training.Fitted.state`.

    Raises:
        ValueError: the weights are of another architecture.
    """
    network = empty_network(settings)
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        raise ValueError(f"state doesn't fit the network of these settings; train it anew ({error})") from error
    return network.eval()


@torch.inference_mode()
def predict(network: nn.Module, image: npt.NDArray[np.float32], settings: SegmenterSettings) -> npt.NDArray[np.float32]:
    """Probabilities of the lungs in a radiograph and in its mirror image.

    Args:
        network: from `load_network`.
        image: (H, W) in [0, 1].
        settings: those of the training.

    Returns:
        float32 (2, 2, H, W) in [0, 1]. Axis 0: the image as it is, then its mirror image mirrored back with the lungs
        exchanged (the first pass again where `average_flips` is off). Axis 1: patient-right, patient-left.

    Raises:
        ValueError: not (H, W).
    """
    if image.ndim != 2:
        raise ValueError(f"image has shape {image.shape}; expected (H, W)")
    straight = torch.from_numpy(np.ascontiguousarray(image))[None, None]
    views = torch.cat((straight, straight.flip(3))) if settings.average_flips else straight
    working = resized(views, (settings.working_size, settings.working_size))
    logits = resized(network(network_input(working)), (image.shape[0], image.shape[1]))
    lungs = logits.softmax(1)[:, 1:]
    mirrored = lungs[1].flip(2)[[1, 0]] if settings.average_flips else lungs[0]
    probabilities: npt.NDArray[np.float32] = torch.stack((lungs[0], mirrored)).numpy()
    return probabilities


def labels_of(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    """Labels (H, W) of probabilities (2, 2, H, W): the likeliest of background, patient-right 1 and patient-left 2."""
    mean = probabilities.mean(axis=0)
    labels = np.where(mean[0] >= mean[1], 1, 2).astype(np.uint8)
    labels[mean.max(axis=0) <= np.maximum(1 - mean.sum(axis=0), 0)] = 0
    return labels
