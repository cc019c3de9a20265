import time

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch

from assets.peers.case import Case
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.subject import true_displacement
from assets.registration_report.measured import measure, one_thread, timed
from assets.registration_report.truth import Truth

SIZE = 96
SETTINGS = PhantomSettings(size=SIZE, subjects=8, seed=2)
REFERENCE, MOVING = (phantom_subject(index, 2, SETTINGS) for index in (0, 1))
FIXED, CASE = Case(REFERENCE.image, REFERENCE.lungs), Case(MOVING.image, MOVING.lungs)
TRUE = true_displacement(REFERENCE.subject, MOVING.subject, SIZE)
KNOWN = Truth(MOVING.landmarks, REFERENCE.landmarks, MOVING.lesion > 0, TRUE)
ZERO = np.zeros((2, SIZE, SIZE), np.float32)


def test_the_true_map_is_measured_as_right() -> None:
    back = true_displacement(MOVING.subject, REFERENCE.subject, SIZE)
    found = measure(FIXED, CASE, TRUE, KNOWN, back)
    limits = {"landmark_px_mean": 0.05, "landmark_px_p90": 0.1, "hd95_px": 1.5, "folded_share": 0, "outline_px": 0.6}
    for name, largest in limits.items():
        value = found[name]
        assert value is not None and value <= largest, name  # noqa: PT018 (for mypy)
    assert found["dice"] == pytest.approx(1, abs=0.02)
    assert found["inverse_mean_px"] == pytest.approx(0, abs=0.02)
    assert found["lesion_area_ratio"] == pytest.approx(1, abs=1e-6)
    assert found["lesion_contrast_ratio"] == pytest.approx(1, abs=0.05)


def test_no_registration_is_measured_as_wrong() -> None:
    found, right = (measure(FIXED, CASE, field, KNOWN) for field in (ZERO, TRUE))
    for name in ("landmark_px_mean", "landmark_px_p90", "hd95_px", "outline_px"):
        assert found[name] > 4 * right[name], name  # type: ignore[operator]
    assert found["log_jacobian_sd"] == 0


def test_what_is_not_known_is_not_measured() -> None:
    without = measure(FIXED, CASE, ZERO, Truth())
    empty = {name for name, value in without.items() if value is None}
    lesion, inverse = {"lesion_area_ratio", "lesion_contrast_ratio"}, {"inverse_mean_px", "inverse_max_px"}
    assert empty == {"landmark_px_mean", "landmark_px_p90"} | lesion | inverse
    with_lesion = measure(FIXED, CASE, ZERO, Truth(lesion=MOVING.lesion > 0))
    assert with_lesion["lesion_area_ratio"] is None


def test_a_lesion_that_the_true_map_does_not_show_is_not_measured() -> None:
    away = np.full((2, SIZE, SIZE), 3 * SIZE, np.float32)
    found = measure(FIXED, CASE, TRUE, Truth(MOVING.landmarks, REFERENCE.landmarks, MOVING.lesion > 0, away))
    assert (found["lesion_area_ratio"], found["lesion_contrast_ratio"]) == (None, None)
    assert found["landmark_px_mean"] is not None


def test_an_arms_own_inverse_is_used_where_there_is_one() -> None:
    off = np.full((2, SIZE, SIZE), 3, np.float32)
    found = measure(FIXED, CASE, ZERO, Truth(), off)
    assert found["inverse_mean_px"] == pytest.approx(3 * np.sqrt(2), rel=1e-6)


def test_time_is_wall_time_in_ms_until_the_image_is_warped() -> None:
    def slow(moving: Case) -> npt.NDArray[np.float32]:
        time.sleep(0.05)
        return ZERO

    displacement, ms = timed(slow, CASE)
    assert displacement is ZERO
    assert ms >= 50


def test_threads_come_back_after_one_was_used() -> None:
    before = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(2)
    cv2.setNumThreads(2)
    try:
        with pytest.raises(RuntimeError, match="an arm failed on 1 and 1"), one_thread():
            raise RuntimeError(f"an arm failed on {torch.get_num_threads()} and {cv2.getNumThreads()}")
        assert (torch.get_num_threads(), cv2.getNumThreads()) == (2, 2)
    finally:
        torch.set_num_threads(before[0])
        cv2.setNumThreads(before[1])
