"""All that is measured of one registration: one radiograph by one arm, as columns of a report's row."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import torch

from assets.peers.case import Align, Case
from assets.prealignment.warp import warp_image, warp_lungs
from assets.registration.folds import folded_share, log_jacobian_spread
from assets.registration_report.lesions import lesion_preservation
from assets.registration_report.measures import hd95, inverse_consistency, landmark_errors, lung_dice, outline_error
from assets.registration_report.truth import Truth

# SimpleITK's generated wrappers carry no types.
sitk: Any = import_module("SimpleITK")
F32 = npt.NDArray[np.float32]


@contextmanager
def one_thread() -> Iterator[None]:
    """Within it torch, OpenCV and SimpleITK use one thread, so that times mean the same for every arm."""
    filters = sitk.ProcessObject
    threads = torch.get_num_threads(), cv2.getNumThreads(), filters.GetGlobalDefaultNumberOfThreads()
    _use_threads(1, 1, 1)
    try:
        yield
    finally:
        _use_threads(*threads)


def timed(align: Align, moving: Case) -> tuple[F32, float]:
    """An arm's displacement (2, H, W) of a radiograph, and the wall time in ms until the warped image is there."""
    start = time.perf_counter()
    displacement = align(moving)
    warp_image(moving.image, displacement)
    return displacement, 1000 * (time.perf_counter() - start)


def measure(
    reference: Case, moving: Case, displacement: F32, truth: Truth, inverse: F32 | None = None
) -> dict[str, float | None]:
    """Columns of one registration, named as in the report's table; None where no truth or no inverse is known.

    Args:
        reference: the reference lungs.
        moving: the radiograph.
        displacement: (2, H, W), backward map, reference grid -> radiograph, pixels.
        truth: what is known besides.
        inverse: (2, H, W), the arm's own map back, radiograph's grid -> reference; None for an arm that has none.

    Returns:
        Landmark errors, overlap of the lungs (Dice, distances of the outlines), folds, volume change and inverse
        consistency inside the reference lungs, and what became of the lesion.
    """
    inside = reference.lungs > 0
    warped = warp_lungs(moving.lungs, displacement)
    return {
        **_landmarks(displacement, truth),
        "dice": lung_dice(warped, reference.lungs),
        "hd95_px": hd95(warped, reference.lungs),
        "outline_px": outline_error(warped, reference.lungs),
        "folded_share": folded_share(displacement, inside),
        "log_jacobian_sd": log_jacobian_spread(displacement, inside),
        **_way_back(displacement, inverse, inside),
        **_lesion(moving, displacement, truth),
    }


def _landmarks(displacement: F32, truth: Truth) -> dict[str, float | None]:
    if truth.landmarks is None or truth.reference_landmarks is None:
        return {"landmark_px_mean": None, "landmark_px_p90": None}
    errors = landmark_errors(truth.reference_landmarks, truth.landmarks, displacement)
    return {"landmark_px_mean": float(errors.mean()), "landmark_px_p90": float(np.percentile(errors, 90))}


def _way_back(displacement: F32, inverse: F32 | None, inside: npt.NDArray[np.bool_]) -> dict[str, float | None]:
    if inverse is None:
        return {"inverse_mean_px": None, "inverse_max_px": None}
    mean, largest = inverse_consistency(displacement, inverse, inside)
    return {"inverse_mean_px": mean, "inverse_max_px": largest}


def _lesion(moving: Case, displacement: F32, truth: Truth) -> dict[str, float | None]:
    unknown: dict[str, float | None] = {"lesion_area_ratio": None, "lesion_contrast_ratio": None}
    if truth.lesion is None or truth.displacement is None or not truth.lesion.any():
        return unknown
    try:
        ratios = lesion_preservation(moving.image, truth.lesion, displacement, truth.displacement, lungs=moving.lungs)
    except ValueError:
        # one grid and a lesion being given, only this is left: the reference's frame does not show where it lies
        return unknown
    return {"lesion_area_ratio": ratios.area, "lesion_contrast_ratio": ratios.contrast}


def _use_threads(of_torch: int, of_opencv: int, of_sitk: int) -> None:
    torch.set_num_threads(of_torch)
    cv2.setNumThreads(of_opencv)
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(of_sitk)
