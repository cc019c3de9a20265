import numpy as np
import pytest

from assets.registration.folds import folded, folded_share, log_jacobian_spread


def test_identity_does_not_fold() -> None:
    assert not folded(np.zeros((2, 8, 9), np.float32)).any()


def test_one_displaced_pixel_is_found_where_central_differences_see_nothing() -> None:
    field = np.zeros((2, 7, 7), np.float32)
    field[0, 3, 3] = 1.6
    # central: 1 +- 1.6 / 2 >= 0.2 beside the pixel; forward at the pixel and backward after it: 1 - 1.6 = -0.6
    central = 1 + np.gradient(field[0], axis=1)
    assert central.min() == pytest.approx(0.2)
    found = folded(field)
    assert found[3, 3]
    assert found[3, 4]
    assert found.sum() == 2


def test_alternating_columns_fold() -> None:
    field = np.zeros((2, 6, 8), np.float32)
    field[0, :, ::2] = 1.2
    assert folded(field).all()


def test_convention_channel_0_is_x() -> None:
    x = np.arange(6, dtype=np.float32)
    mirrored = np.zeros((2, 6, 6), np.float32)
    mirrored[0] = -1.5 * x
    assert folded(mirrored).all()
    sheared = np.zeros((2, 6, 6), np.float32)
    sheared[0] = -1.5 * x[:, None]
    assert not folded(sheared).any()


def test_share_counts_within_the_region() -> None:
    field = np.zeros((2, 6, 6), np.float32)
    field[0, 2, 2] = 1.6
    region = np.zeros((6, 6), bool)
    region[2, 1:5] = True
    assert folded_share(field, region) == 0.5


def test_log_jacobian_of_uniform_growth() -> None:
    y, x = np.mgrid[:8, :8].astype(np.float32)
    everywhere = np.ones((8, 8), bool)
    assert log_jacobian_spread(np.float32(0.2) * np.stack([x, y]), everywhere) == pytest.approx(0, abs=1e-6)
    # half of the pixels doubled in area, half unchanged: spread ln(2) / 2, but for the column between
    step = np.stack([np.maximum(x - 3, 0), np.zeros_like(x)])
    outside = np.abs(np.arange(8) - 3) > 0
    region = everywhere & outside[None]
    area = np.where(np.arange(8) > 3, np.log(2), 0)[outside]
    assert log_jacobian_spread(step, region) == pytest.approx(float(np.std(area)), abs=1e-6)


def test_errors_name_what_is_wrong() -> None:
    field = np.zeros((2, 4, 4), np.float32)
    with pytest.raises(ValueError, match=r"expected \(2, H, W\)"):
        folded(np.zeros((4, 4, 2), np.float32))
    with pytest.raises(ValueError, match="region is empty"):
        folded_share(field, np.zeros((4, 4), bool))
    with pytest.raises(ValueError, match="region has shape"):
        folded_share(field, np.ones((3, 4), bool))
    field[0] = -2 * np.arange(4)
    with pytest.raises(ValueError, match="folded at every pixel"):
        log_jacobian_spread(field, np.ones((4, 4), bool))
