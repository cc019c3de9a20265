import numpy as np
import pytest
from pydantic import ValidationError

from assets.radiographs.phantom.anatomy import LUNGS, closed_spline, row_extent
from assets.radiographs.phantom.cohort import phantom_label, phantom_lesion, phantom_map, phantom_subject
from assets.radiographs.phantom.lesions import LESION_KINDS
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.skeleton import RIBS, RibCage, anterior_rib, draw_cage, posterior_rib, vertebra
from assets.radiographs.phantom.subject import to_pixels

SMALL = PhantomSettings(size=96, subjects=30)


def test_a_phantom_depends_on_seed_and_index_only() -> None:
    first = phantom_subject(7, 0, SMALL)
    phantom_subject(8, 0, SMALL)
    assert np.array_equal(first.image, phantom_subject(7, 0, SMALL).image)
    assert np.array_equal(first.image, phantom_subject(7, 0, SMALL.model_copy(update={"subjects": 90})).image)
    assert not np.array_equal(first.image, phantom_subject(9, 0, SMALL).image)
    assert not np.array_equal(first.image, phantom_subject(7, 1, SMALL).image)


def test_labels_alternate_and_lesions_take_turns() -> None:
    assert [phantom_label(i) for i in range(4)] == ["normal", "abnormal", "normal", "abnormal"]
    assert [phantom_lesion(i) for i in range(1, 15, 2)] == list(LESION_KINDS)
    assert not phantom_subject(4, 0, SMALL).lesion.any()
    assert phantom_subject(5, 0, SMALL).lesion.any()


def test_the_lesion_free_twin_is_the_same_subject() -> None:
    ill, twin = (phantom_subject(3, 0, SMALL, lesion_free=free) for free in (False, True))
    assert np.array_equal(ill.landmarks, twin.landmarks)
    assert not twin.lesion.any()
    assert (ill.image - twin.image)[ill.lesion > 0].mean() > 0
    assert (ill.image == twin.image).mean() > 0.5


def test_strength_and_spread_are_used() -> None:
    weak = PhantomSettings(size=96, strength_low=0.0, strength_high=0.0)
    assert np.array_equal(phantom_subject(1, 0, weak).image, phantom_subject(1, 0, weak, lesion_free=True).image)
    alike = PhantomSettings(size=96, spread=0.0)
    assert np.array_equal(phantom_subject(0, 0, alike).lungs, phantom_subject(2, 0, alike).lungs)


def test_wrong_requests_are_named() -> None:
    with pytest.raises(ValueError, match="index: expected 0 to 29, got 30"):
        phantom_subject(30, 0, SMALL)
    with pytest.raises(ValidationError, match="strength_low: expected at most"):
        PhantomSettings(strength_low=0.8, strength_high=0.3)


def test_splines_pass_through_their_points() -> None:
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    assert np.allclose(closed_spline(corners, 16)[::4], corners)


def test_row_extent_of_a_square() -> None:
    square = np.array([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]])
    assert row_extent(square, 0.25) == pytest.approx((-1.0, 1.0))
    with pytest.raises(ValueError, match="y: expected a row"):
        row_extent(square, 2.0)


def test_ribs_descend_in_order_and_reach_their_lung() -> None:
    heights = [np.interp(0.35, *posterior_rib(rib, 1).T) for rib in range(2, 11)]
    assert np.all(np.diff(heights) > 0.05)
    assert np.allclose(posterior_rib(5, -1), posterior_rib(5, 1) * [-1, 1])
    assert posterior_rib(6, 1)[:, 0].max() > LUNGS[1][:, 0].max() - 0.1


def test_a_shifted_cage_takes_ribs_and_spine_along() -> None:
    lower = RibCage(shift=0.05)
    assert np.allclose(vertebra(3, lower) - vertebra(3), [0, 0.05])
    moved = posterior_rib(5, 1, lower) - posterior_rib(5, 1)
    assert np.allclose(moved[:, 1], 0.05)
    # The turn of a rib stays on the chest wall, which widens downwards.
    assert moved[0, 0] == 0
    assert moved[-1, 0] > 0


def test_a_stretched_cage_has_wider_intercostal_spaces() -> None:
    tops = [[vertebra(level, RibCage(stretch=stretch))[0, 1] for level in (2, 7)] for stretch in (0.0, 0.1)]
    assert np.diff(tops[1]) == pytest.approx(1.1 * np.diff(tops[0]))


@pytest.mark.parametrize("seed", range(5))
def test_drawn_cages_keep_the_order_of_the_ribs(seed: int) -> None:
    cage = draw_cage(np.random.default_rng(seed))
    for side in (-1, 1):
        assert np.all(np.diff([posterior_rib(rib, side, cage)[[0, -1], 1] for rib in RIBS], axis=0) > 0.03)
        assert np.all(np.diff([anterior_rib(rib, side, cage)[-1, 1] for rib in RIBS]) > 0.03)
    assert not np.array_equal(cage.walls, draw_cage(np.random.default_rng(seed + 1)).walls)


def test_a_subjects_map_alone_is_the_one_that_is_rendered() -> None:
    settings = PhantomSettings(size=64, subjects=6, seed=4)
    for index in range(6):
        alone, rendered = phantom_map(index, 4, settings), phantom_subject(index, 4, settings).subject
        points = np.random.default_rng(index).uniform(-1, 1, (50, 2))
        np.testing.assert_array_equal(to_pixels(alone, points, 64), to_pixels(rendered, points, 64))
    with pytest.raises(ValueError, match="expected 0 to 5"):
        phantom_map(6, 4, settings)
