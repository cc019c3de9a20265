import numpy as np
import numpy.typing as npt
import pytest
from scipy.ndimage import distance_transform_edt, gaussian_filter

from assets.localisation.boxes import box_rows
from assets.localisation.chance import box_heatmap, centre_map, random_map
from assets.localisation.smoothness import smoothness
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings


def lungs() -> npt.NDArray[np.uint8]:
    labels = np.zeros((64, 64), np.uint8)
    labels[8:56, 4:30], labels[10:54, 30:60] = 1, 2
    return labels


def test_the_centre_is_as_far_from_the_border_of_each_lung_as_it_gets() -> None:
    labels = lungs()
    expected = sum(distance_transform_edt(labels == label) for label in (1, 2))
    np.testing.assert_allclose(centre_map(labels), expected, atol=1e-4)
    # The lung of label 2 is the wider one, its middle columns are 44 and 45.
    row, column = np.unravel_index(int(centre_map(labels).argmax()), labels.shape)
    assert column in (44, 45)
    assert 20 < row < 44


def test_the_centre_does_not_depend_on_what_lies_in_memory_before_it() -> None:
    labels = phantom_subject(0, 0, PhantomSettings(size=64)).lungs
    # What is kept meanwhile moves what is computed next.
    kept = [(centre_map(labels), bytes(length)) for length in range(1, 400, 7)]
    assert len({found.tobytes() for found, _ in kept}) == 1


def test_the_border_of_the_canvas_is_a_border() -> None:
    assert centre_map(np.ones((9, 9), np.uint8)).max() == 5
    assert not centre_map(np.zeros((9, 9), np.uint8)).any()


def test_the_heat_map_counts_radiographs_not_boxes() -> None:
    twice = box_rows([[2, 2, 4, 4], [4, 4, 4, 4]])
    heat = box_heatmap([twice, box_rows([[0, 0, 3, 3]])], (10, 10))
    assert heat[5, 5] == 0.5
    assert heat[2, 2] == 1.0
    assert heat[9, 9] == 0.0
    with pytest.raises(ValueError, match="at least one radiograph"):
        box_heatmap([], (10, 10))


def test_random_maps_are_of_their_seed_and_of_one_scale() -> None:
    first, again, other = (random_map((128, 128), 6, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    for values in (first, other, random_map((128, 128), 24, [1, 2])):
        assert values.min() >= 0
        assert (values**2).mean() == pytest.approx(1, abs=0.35)


def test_wider_random_maps_are_smoother() -> None:
    inside = np.ones((256, 256), np.bool_)
    widths = [smoothness(random_map((256, 256), sigma, [7]), inside) or 0 for sigma in (2, 4, 8, 16)]
    assert (np.diff(widths) > 0).all()


@pytest.mark.parametrize("sigma", [2.0, 4.0, 8.0])
@pytest.mark.parametrize("side", [256, 512])
def test_smoothness_is_the_width_of_the_gaussian_that_made_it(sigma: float, side: int) -> None:
    noise = np.random.default_rng(0).standard_normal((side, side))
    values = gaussian_filter(noise, sigma * side / 256, mode="wrap").astype(np.float32)
    assert smoothness(values, np.ones((side, side), np.bool_)) == pytest.approx(sigma, rel=0.12)


def test_smoothness_knows_no_unit_and_nothing_of_the_outside() -> None:
    inside = np.zeros((64, 64), np.bool_)
    inside[10:50, 10:50] = True
    values = np.random.default_rng(1).random((64, 64)).astype(np.float32)
    loud = np.where(inside, 7 * values + 3, np.float32(1000)).astype(np.float32)
    assert smoothness(loud, inside) == pytest.approx(smoothness(values, inside), rel=1e-4)


def test_smoothness_is_undefined_where_nothing_varies_or_has_a_neighbor() -> None:
    inside = np.ones((8, 8), np.bool_)
    assert smoothness(np.ones((8, 8), np.float32), inside) is None
    assert smoothness(np.ones((8, 8), np.float32), ~inside) is None
    alone = np.zeros((8, 8), np.bool_)
    alone[2, 2] = alone[5, 5] = True
    assert smoothness(np.random.default_rng(0).random((8, 8)).astype(np.float32), alone) is None
    two = np.zeros((8, 8), np.float32)
    two[:, 5:] = 1
    split = np.ones((8, 8), np.bool_)
    split[:, 4] = False
    assert smoothness(two, split) is None
