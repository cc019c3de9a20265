import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.leaks.brought import bring, coarse_field, log_jacobian
from tests.leaks.leak_scenes import PERCENTILES, SETTINGS, SIDE, frame_of, phantom

SHARES = st.floats(-0.3, 0.3)


def test_the_reference_is_where_it_is_already() -> None:
    found = bring(phantom(0).image, phantom(0).lungs, frame_of(), PERCENTILES, SETTINGS)
    assert found.log_jacobian_mean < 1e-3
    assert found.log_jacobian_top5 < 1e-2
    assert np.abs(found.field).max() < 1e-2
    assert (found.image.shape, found.mask.shape) == ((1, 48, 48), (1, 48, 48))


def test_sizes_are_settings() -> None:
    own = SETTINGS.model_copy(update={"size": 32, "field_side": 16, "top_share": 1.0})
    found = bring(phantom(2).image, phantom(2).lungs, frame_of(), PERCENTILES, own)
    usual = bring(phantom(2).image, phantom(2).lungs, frame_of(), PERCENTILES, SETTINGS)
    assert (found.image.shape, found.mask.shape) == ((1, 32, 32), (1, 32, 32))
    assert found.field.size < usual.field.size
    assert found.log_jacobian_top5 == pytest.approx(found.log_jacobian_mean) == usual.log_jacobian_mean


def test_another_lung_is_warped() -> None:
    found = bring(phantom(2).image, phantom(2).lungs, frame_of(), PERCENTILES, SETTINGS)
    assert found.log_jacobian_top5 > found.log_jacobian_mean > 0.01
    assert np.abs(found.field).mean() > 0.5
    # The soft cut-out is that of the reference, whose shape its lungs have taken.
    own = bring(phantom(0).image, phantom(0).lungs, frame_of(), PERCENTILES, SETTINGS)
    assert np.mean((found.mask > 127) == (own.mask > 127)) > 0.97


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 1000))
def test_the_warp_sees_the_mask_and_not_the_image(seed: int) -> None:
    drawn = phantom(1)
    other = np.random.default_rng(seed).random((SIDE, SIDE), dtype=np.float32)
    first, second = (bring(image, drawn.lungs, frame_of(), PERCENTILES, SETTINGS) for image in (drawn.image, other))
    assert np.array_equal(first.field, second.field)
    assert (first.log_jacobian_mean, first.log_jacobian_top5) == (second.log_jacobian_mean, second.log_jacobian_top5)
    assert np.array_equal(first.mask, second.mask)
    assert not np.array_equal(first.image, second.image)


@settings(deadline=None, max_examples=10)
@given(st.floats(0.3, 1.0), st.floats(0.0, 0.3))
def test_the_exposure_is_that_of_the_masks_lungs(gain: float, offset: float) -> None:
    drawn = phantom(1)
    darker = (np.float32(gain) * drawn.image * np.float32(0.7) + np.float32(offset)).astype(np.float32)
    first, second = (bring(image, drawn.lungs, frame_of(), PERCENTILES, SETTINGS) for image in (drawn.image, darker))
    assert second.image.astype(np.float64) / 65535 == pytest.approx(first.image.astype(np.float64) / 65535, abs=2e-3)


@settings(deadline=None)
@given(SHARES, SHARES)
def test_a_scaling_changes_areas_by_its_logarithm_everywhere(across: float, down: float) -> None:
    rows, columns = np.mgrid[:11, :9].astype(np.float32)
    field = np.stack([across * columns, down * rows]).astype(np.float32)
    assert log_jacobian(field) == pytest.approx(abs(np.log((1 + across) * (1 + down))), abs=1e-4)


def test_halved_and_doubled_areas_weigh_the_same_and_folds_are_bounded() -> None:
    rows, columns = np.mgrid[:11, :9].astype(np.float32)
    doubled, halved = (np.stack([factor * columns, 0 * rows]) for factor in (1.0, -0.5))
    assert log_jacobian(doubled) == pytest.approx(log_jacobian(halved), abs=1e-5)
    folded = log_jacobian(np.stack([-3 * columns, 0 * rows]))
    assert folded == pytest.approx(-np.log(0.05), abs=1e-4)


def test_a_coarse_field_lies_where_the_lungs_do() -> None:
    lungs = np.zeros((64, 64), np.uint8)
    lungs[:, :32] = 1
    rows, columns = np.mgrid[:64, :64].astype(np.float32)
    found = coarse_field(np.stack([columns, 2 * rows]), lungs, 8)
    x, y = found.reshape(2, 8, 4)
    assert x == pytest.approx(np.tile([3.5, 11.5, 19.5, 27.5], (8, 1)))
    assert y[:, 0] == pytest.approx(2 * np.arange(3.5, 64, 8))
    assert coarse_field(np.zeros((2, 64, 64), np.float32), np.zeros((64, 64), np.uint8), 8).size == 0


def test_a_mask_without_two_lungs_brings_nothing() -> None:
    drawn = phantom(1)
    right = np.where(drawn.lungs == 1, np.uint8(1), np.uint8(0))
    with pytest.raises(ValueError, match=r"patient-left lung \(label 2\) is missing"):
        bring(drawn.image, right, frame_of(), PERCENTILES, SETTINGS)


def test_flat_lungs_bring_nothing() -> None:
    drawn = phantom(1)
    with pytest.raises(ValueError, match="flat"):
        bring(np.ones_like(drawn.image), drawn.lungs, frame_of(), PERCENTILES, SETTINGS)
