from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmentation.cleanup import clean
from assets.segmentation.settings import SegmentationSettings
from assets.segmenter import calibration as calibration_module
from assets.segmenter.calibration import (
    SMALLEST_CALIBRATION,
    SMALLEST_DICE,
    Calibration,
    HeldBack,
    calibrate,
    network_dices,
    why_untaught,
)
from assets.segmenter.damage import cut_base
from assets.segmenter.mask_features import mask_features
from assets.segmenter.mask_score import held_out_scores, quality
from assets.segmenter.shape_model import ShapeModel, fit_shapes

F32 = npt.NDArray[np.float32]
F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
PHANTOMS = PhantomSettings(size=64, subjects=40, seed=2)


def soft(lungs: U8, shift: int) -> F32:
    """Probabilities (2, 2, H, W) of a network that draws the lungs blurred, in its mirrored pass a little aside."""
    sides = np.stack([cv2.GaussianBlur((lungs == side).astype(np.float32), (0, 0), 1.5) for side in (1, 2)])
    return np.stack([sides, np.roll(sides, shift, axis=2)]).astype(np.float32)


def held_back(index: int) -> HeldBack:
    subject = phantom_subject(index, PHANTOMS.seed, PHANTOMS)
    lungs = clean(subject.lungs, SegmentationSettings())
    return HeldBack(subject.image.astype(np.float32), lungs, soft(lungs, index % 2))


@pytest.fixture(scope="module")
def rows() -> list[HeldBack]:
    return [held_back(index) for index in range(12)]


@pytest.fixture(scope="module")
def shapes(rows: list[HeldBack]) -> ShapeModel:
    return fit_shapes(np.stack([row.lungs for row in rows]), 6)


@pytest.fixture(scope="module")
def calibration(rows: list[HeldBack], shapes: ShapeModel) -> Calibration:
    found = calibrate(rows[:10], shapes, seed=0)
    assert found is not None
    return found


def score(calibration: Calibration, shapes: ShapeModel, row: HeldBack, lungs: U8) -> float:
    return float(quality(calibration.score, mask_features(lungs, row.probabilities, shapes)).min())


def test_too_few_held_back_radiographs_teach_nothing(rows: list[HeldBack], shapes: ShapeModel) -> None:
    assert calibrate(rows[: SMALLEST_CALIBRATION - 1], shapes, seed=0) is None


def test_radiographs_of_one_patient_count_once_and_stay_together(
    rows: list[HeldBack], shapes: ShapeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = [replace(row, patient=str(number % 7)) for number, row in enumerate(rows)]
    assert calibrate(few, shapes, seed=0) is None
    owners: list[list[int]] = []

    def noted(features: F64, dices: F64, images: npt.NDArray[np.intp]) -> F64:
        owners.append(list(dict.fromkeys(images.tolist())))
        return held_out_scores(features, dices, images)

    monkeypatch.setattr(calibration_module, "held_out_scores", noted)
    assert calibrate([replace(row, patient=str(number % 8)) for number, row in enumerate(rows)], shapes, seed=0)
    assert calibrate(rows, shapes, seed=0)
    assert owners == [list(range(8)), list(range(12))]


def test_a_useless_network_teaches_nothing(rows: list[HeldBack], shapes: ShapeModel) -> None:
    # Lungs of the same form, but a quarter of the image too low.
    useless = [replace(row, probabilities=np.roll(row.probabilities, 16, axis=2)) for row in rows[:10]]
    dices = network_dices(useless)
    assert dices is not None
    assert np.mean(dices) < SMALLEST_DICE
    assert calibrate(useless, shapes, seed=0) is None


def test_dice_of_a_network_that_misses_one_lung(rows: list[HeldBack]) -> None:
    halves = [replace(row, probabilities=row.probabilities * np.array([1, 0])[:, None, None]) for row in rows[:2]]
    right, left = network_dices(halves) or (0.0, 1.0)
    assert right > 0.9
    assert left == 0
    assert network_dices([]) is None


@pytest.mark.parametrize(
    ("count", "dices", "found"),
    [
        (8, (0.9, 0.7), ""),
        (7, (0.9, 0.9), "7 validation patients have a usable supplied lung mask, expected at least 8: "),
        (0, None, "0 validation patients have a usable supplied lung mask, expected at least 8: "),
        (8, (0.9, 0.6999), "the network's mean Dice on validation rows is 0.79, expected at least 0.8: "),
    ],
)
def test_why_no_score_is_taught(count: int, dices: tuple[float, float] | None, found: str) -> None:
    why = why_untaught(count, dices)
    assert why.startswith(found)
    assert bool(why) == bool(found)


def test_the_gate_passes_true_masks_of_other_radiographs_and_stops_truncated_ones(
    rows: list[HeldBack], shapes: ShapeModel, calibration: Calibration
) -> None:
    for row in rows[10:]:
        assert score(calibration, shapes, row, row.lungs) >= calibration.gate
        assert score(calibration, shapes, row, cut_base(row.lungs, 1, 0.5)) < calibration.gate


def test_equal_seeds_give_equal_scores_and_gates(
    rows: list[HeldBack], shapes: ShapeModel, calibration: Calibration
) -> None:
    again = calibrate(rows[:10], shapes, seed=0)
    assert again is not None
    assert again.gate == calibration.gate
    for name, array in calibration.score.to_arrays().items():
        np.testing.assert_array_equal(again.score.to_arrays()[name], array)
    other = calibrate(rows[:10], shapes, seed=1)
    assert other is not None
    assert other.gate != calibration.gate
