"""Carried boxes against the dense inverse field that the registration itself defines."""

from typing import Literal

import numpy as np
import pytest

from assets.pairing.frame_boxes import Registration, boxes_in_frame
from assets.prealignment.field_inverse import dense_inverse
from assets.prealignment.lung_coordinates import prealign, prealign_inverse, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.travel import carry_boxes
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.inference import registered_displacement, registered_inverse
from assets.registration.roughness import UNKNOWN, no_rougher
from assets.registration.settings import RegistrationSettings

SIZE = 96
PHANTOMS = PhantomSettings(size=SIZE, subjects=4, seed=2)
IT_PR = PrealignmentSettings()
LUNGS, REFERENCE = (phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs for index in (1, 2))
BOXES = np.array([[20.0, 30.0, 12.0, 9.0], [60.0, 40.0, 7.0, 20.0], [30.5, 55.25, 10.0, 6.5]])


def velocity() -> np.ndarray:
    """Smooth, and of up to two pixels of the half grid."""
    y, x = np.mgrid[: SIZE // 2, : SIZE // 2] / (SIZE / 2)
    return np.stack([2 * np.sin(np.pi * x) * np.cos(np.pi * y), -1.5 * np.sin(np.pi * y)]).astype(np.float16)


def known(reading: Literal["R1", "R2", "R3"], roughness: tuple[float, float]) -> Registration:
    return Registration(reference_frame(REFERENCE, IT_PR), RegistrationSettings(reading=reading), roughness)


@pytest.mark.parametrize("reading", ["R1", "R3"])
@pytest.mark.parametrize("roughness", [UNKNOWN, (0.0, 0.0)])
def test_boxes_go_where_the_dense_inverse_carries_them(
    reading: Literal["R1", "R3"], roughness: tuple[float, float]
) -> None:
    cohort = known(reading, roughness)
    displacement = prealign(cohort.frame, LUNGS, IT_PR)
    start = no_rougher(displacement, REFERENCE > 0, roughness)
    assert (start is displacement) == (roughness == UNKNOWN)
    back = prealign_inverse(cohort.frame, LUNGS, IT_PR) if start is displacement else dense_inverse(start)
    expected = carry_boxes(registered_inverse(velocity(), back, cohort.settings), BOXES)
    found = boxes_in_frame(cohort, LUNGS, displacement, velocity(), BOXES)
    np.testing.assert_allclose(found, expected, atol=0.2)


def test_a_carried_box_holds_the_tissue_that_it_held() -> None:
    cohort = known("R3", UNKNOWN)
    displacement = prealign(cohort.frame, LUNGS, IT_PR)
    whole = registered_displacement(velocity(), displacement, cohort.settings)
    y, x = np.mgrid[:SIZE, :SIZE]
    read = np.stack([x, y]) + whole
    for box, (left, top, width, height) in zip(
        BOXES, boxes_in_frame(cohort, LUNGS, displacement, velocity(), BOXES), strict=True
    ):
        low, high = box[:2], box[:2] + box[2:] - 1
        inside = (read >= low[:, None, None]).all(axis=0) & (read <= high[:, None, None]).all(axis=0)
        rows, columns = np.nonzero(inside)
        assert len(rows) > 20
        assert columns.min() >= left - 1
        assert columns.max() <= left + width
        assert rows.min() >= top - 1
        assert rows.max() <= top + height


def test_what_is_no_box_is_refused() -> None:
    cohort = known("R3", UNKNOWN)
    displacement = prealign(cohort.frame, LUNGS, IT_PR)
    with pytest.raises(ValueError, match="width > 0"):
        boxes_in_frame(cohort, LUNGS, displacement, velocity(), np.array([[3.0, 3, 0, 4]]))
