import numpy as np
import numpy.typing as npt
import pytest

from assets.prealignment.lung_coordinates import (
    prealign,
    prealign_boxes,
    prealign_inverse,
    prealign_points,
    reference_frame,
)
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.travel import carry_boxes, carry_points
from assets.prealignment.warp import compose, warp_image
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmenter.damage import bite
from tests.prealignment.test_lung_coordinates import MODES, Mode, interior

U8 = npt.NDArray[np.uint8]
SIDE = 256
LUNGS = [phantom_subject(index, 3, PhantomSettings()).lungs for index in range(4)]
SETTINGS = {mode: PrealignmentSettings(mode=mode) for mode in MODES}
FRAMES = {mode: reference_frame(LUNGS[0], SETTINGS[mode]) for mode in MODES}


@pytest.mark.parametrize("mode", MODES)
def test_round_trip_inside_the_lungs_of_the_radiograph(mode: Mode) -> None:
    for moving in LUNGS[1:]:
        there = prealign(FRAMES[mode], moving, SETTINGS[mode])
        back = prealign_inverse(FRAMES[mode], moving, SETTINGS[mode])
        error = np.hypot(*compose(there, back))[moving > 0]
        assert error.mean() < 0.01
        assert np.percentile(error, 99) < 0.05
        assert error.max() < 0.5


@pytest.mark.parametrize("mode", MODES)
def test_round_trip_inside_the_reference_lungs(mode: Mode) -> None:
    for moving in LUNGS[1:]:
        there = prealign(FRAMES[mode], moving, SETTINGS[mode])
        back = prealign_inverse(FRAMES[mode], moving, SETTINGS[mode])
        error = np.hypot(*compose(back, there))[interior(LUNGS[0])]
        assert error.mean() < 0.01
        assert np.percentile(error, 99) < 0.1
        assert error.max() < 0.5


@pytest.mark.parametrize("mode", MODES)
def test_the_dense_inverse_says_what_the_points_say(mode: Mode) -> None:
    points = np.array([[60.0, 100.0], [190.0, 140.0], [128.0, 40.0], [3.0, 250.0]])
    field = prealign_inverse(FRAMES[mode], LUNGS[1], SETTINGS[mode])
    exact = prealign_points(FRAMES[mode], LUNGS[1], points, SETTINGS[mode])
    np.testing.assert_allclose(carry_points(field, points), exact, atol=5e-3)


def test_convention_the_inverse_lies_on_the_radiograph_s_grid() -> None:
    moved = np.roll(LUNGS[0], 7, axis=1)
    back = prealign_inverse(FRAMES["rows_tilt"], moved, SETTINGS["rows_tilt"])
    assert back.dtype == np.float32
    np.testing.assert_allclose(back[0, moved > 0], -7, atol=1e-3)
    np.testing.assert_allclose(back[1, moved > 0], 0, atol=1e-3)
    # a map of the reference frame, brought back, lies where the radiograph's lungs lie
    restored = warp_image((LUNGS[0] > 0).astype(np.float32), back)
    assert (restored[interior(moved, 3)] > 0.99).all()


def test_a_larger_radiograph_and_a_chosen_size_give_their_own_grids() -> None:
    large = np.zeros((SIDE + 40, SIDE + 24), np.uint8)
    large[20 : 20 + SIDE, 10 : 10 + SIDE] = LUNGS[1]
    chosen = PrealignmentSettings(mode="box")
    small, back = (prealign_inverse(FRAMES["box"], moving, chosen) for moving in (LUNGS[1], large))
    assert back.shape == (2, SIDE + 40, SIDE + 24)
    lungs = LUNGS[1] > 0
    cut = back[:, 20 : 20 + SIDE, 10 : 10 + SIDE]
    np.testing.assert_allclose(cut[0, lungs], small[0, lungs] - 10, atol=0.1)
    np.testing.assert_allclose(cut[1, lungs], small[1, lungs] - 20, atol=0.1)
    part = prealign_inverse(FRAMES["box"], LUNGS[1], chosen, size=(200, 180))
    np.testing.assert_allclose(part, small[:, :200, :180], atol=1e-4)


def test_a_bitten_lung_comes_back_as_well() -> None:
    moving = bite(LUNGS[1], 1, 16 / SIDE, np.random.default_rng(0))
    for mode in MODES:
        there = prealign(FRAMES[mode], moving, SETTINGS[mode])
        back = prealign_inverse(FRAMES[mode], moving, SETTINGS[mode])
        assert np.percentile(np.hypot(*compose(there, back))[moving > 0], 99) < 0.1


@pytest.mark.parametrize("mode", MODES)
def test_boxes_enclose_what_they_enclosed(mode: Mode) -> None:
    boxes = np.array([[40.0, 80.0, 24.0, 30.0], [170.0, 100.0, 30.0, 18.0]])
    carried = prealign_boxes(FRAMES[mode], LUNGS[1], boxes, SETTINGS[mode])
    rng = np.random.default_rng(0)
    for box, around in zip(boxes, carried, strict=True):
        inside = box[:2] - 0.5 + rng.uniform(0, 1, (100, 2)) * box[2:]
        points = prealign_points(FRAMES[mode], LUNGS[1], inside, SETTINGS[mode])
        assert (points > around[:2] - 0.5 - 0.1).all()
        assert (points < around[:2] - 0.5 + around[2:] + 0.1).all()


def test_convention_boxes_travel_by_the_inverse_of_the_image_warp_and_back_by_the_field() -> None:
    moved = np.roll(LUNGS[0], 7, axis=1)
    box = np.array([[50.0, 90.0, 20.0, 12.0]])
    frame, chosen = FRAMES["rows_tilt"], SETTINGS["rows_tilt"]
    there = prealign_boxes(frame, moved, box, chosen)
    np.testing.assert_allclose(there, box - np.array([7, 0, 0, 0]), atol=2e-3)
    np.testing.assert_allclose(carry_boxes(prealign(frame, moved, chosen), there), box, atol=5e-3)


def test_boxes_are_checked() -> None:
    with pytest.raises(ValueError, match="boxes"):
        prealign_boxes(FRAMES["box"], LUNGS[1], np.zeros((1, 4)), SETTINGS["box"])
