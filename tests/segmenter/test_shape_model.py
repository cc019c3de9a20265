import numpy as np
import numpy.typing as npt
import pytest

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.segmenter.damage import bite, cut_base, fragment, jag
from assets.segmenter.shape_model import ShapeModel, fit_shapes, shape_fit, upright_lungs

U8 = npt.NDArray[np.uint8]
SETTINGS = PhantomSettings(size=128)


@pytest.fixture(scope="module")
def normals() -> U8:
    return np.stack([phantom_subject(2 * index, 0, SETTINGS).lungs for index in range(24)])


@pytest.fixture(scope="module")
def shapes(normals: U8) -> ShapeModel:
    return fit_shapes(normals[:16], 8)


def test_directions_are_orthonormal_and_sorted(shapes: ShapeModel) -> None:
    np.testing.assert_allclose(shapes.directions @ shapes.directions.T, np.eye(8), atol=1e-4)
    assert np.all(np.diff(shapes.deviations) <= 0)
    assert np.all(shapes.deviations > 0)


def test_training_lungs_have_unit_variance(normals: U8, shapes: ShapeModel) -> None:
    distances = [shape_fit(lung, shapes).distance for mask in normals[:16] for lung in upright_lungs(mask)]
    assert np.mean(np.square(distances)) == pytest.approx(31 / 32, abs=0.01)


def test_new_normal_lungs_fit_and_damaged_ones_do_not(normals: U8, shapes: ShapeModel) -> None:
    rng = np.random.default_rng(0)
    for mask in normals[16:]:
        whole = shape_fit(upright_lungs(mask)[0], shapes)
        assert whole.overlap > 0.93
        for broken in (cut_base(mask, 1, 0.4), fragment(mask, 1, 0.4, 0.5), bite(mask, 1, 0.15, rng)):
            fit = shape_fit(upright_lungs(broken)[0], shapes)
            assert fit.overlap < whole.overlap or fit.distance > whole.distance + 0.5


def test_position_and_size_do_not_count(normals: U8, shapes: ShapeModel) -> None:
    lung = upright_lungs(normals[0])[0]
    fit = shape_fit(lung, shapes)
    moved = shape_fit(np.roll(lung, (5, -3), axis=(0, 1)), shapes)
    larger = shape_fit(np.kron(lung, np.ones((2, 2), np.bool_)), shapes)
    assert moved.overlap == pytest.approx(fit.overlap, abs=1e-6)
    assert moved.distance == pytest.approx(fit.distance, abs=1e-4)
    assert larger.overlap == pytest.approx(fit.overlap, abs=0.02)
    assert larger.distance == pytest.approx(fit.distance, abs=0.15)


def test_left_lungs_are_mirrored(normals: U8) -> None:
    exchanged = np.array([0, 2, 1], np.uint8)[normals[0][:, ::-1]]
    for lung, other in zip(upright_lungs(exchanged), reversed(upright_lungs(normals[0])), strict=True):
        np.testing.assert_array_equal(lung, other)


@pytest.mark.parametrize("count", [2, 5])
def test_few_masks_suffice(normals: U8, count: int) -> None:
    shapes = fit_shapes(normals[:count], 12)
    assert len(shapes.deviations) == min(12, 2 * count - 1)
    assert shape_fit(upright_lungs(normals[20])[0], shapes).overlap > 0.85


def test_equal_lungs_leave_no_direction(normals: U8) -> None:
    one = np.where(normals[0] == 1, 1, 0).astype(np.uint8)
    shapes = fit_shapes(np.stack([one] * 4), 3)
    fit = shape_fit(one == 1, shapes)
    assert shapes.directions.shape == (0, 48 * 48)
    assert (fit.overlap, fit.distance) == (1.0, 0.0)


def test_missing_lungs_have_the_worst_values_and_are_not_learned(normals: U8, shapes: ShapeModel) -> None:
    none = shape_fit(np.zeros((128, 128), np.bool_), shapes)
    assert (none.overlap, none.distance) == (0.0, 10.0)
    single = np.where(normals == 1, normals, 0).astype(np.uint8)
    assert len(fit_shapes(single[:5], 20).deviations) == 4


@pytest.mark.parametrize("rows", [slice(0, 1), slice(60, 61)])
def test_slivers_are_finite(shapes: ShapeModel, rows: slice) -> None:
    sliver = np.zeros((128, 128), np.bool_)
    sliver[rows, 20:90] = True
    fit = shape_fit(sliver, shapes)
    assert 0 <= fit.overlap < 0.7
    assert 0 < fit.distance <= 10


def test_jagged_lungs_keep_their_shape(normals: U8, shapes: ShapeModel) -> None:
    rough = jag(normals[20], 1.8 / 256, np.random.default_rng(0))
    assert shape_fit(rough == 1, shapes).overlap == pytest.approx(shape_fit(normals[20] == 1, shapes).overlap, abs=0.03)


def test_arrays_hold_the_whole_model(normals: U8, shapes: ShapeModel) -> None:
    copy = ShapeModel.from_arrays(shapes.to_arrays())
    assert shape_fit(normals[3] == 1, copy) == shape_fit(normals[3] == 1, shapes)
    with pytest.raises(ValueError, match="without \\['deviations'\\]"):
        ShapeModel.from_arrays({"mean": shapes.mean, "directions": shapes.directions})


def test_too_few_lungs_are_an_error() -> None:
    with pytest.raises(ValueError, match="at least 3 lungs"):
        fit_shapes(np.zeros((5, 32, 32), np.uint8), 4)
