import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from assets.translation.domain import confine, prepare, support


def _lungs(side: int = 64) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    lungs = np.zeros((1, side, side), np.uint8)
    lungs[0, side // 4 : 3 * side // 4, side // 8 : 3 * side // 8] = 1
    lungs[0, side // 4 : 3 * side // 4, 5 * side // 8 : 7 * side // 8] = 2
    return lungs


def test_convention_background_is_minus_one_and_white_lung_is_plus_one() -> None:
    images, masks = prepare(np.ones((1, 256, 256), np.float32), _lungs(256), 256)
    assert images.shape == masks.shape == (1, 1, 256, 256)
    assert images[0, 0, 0, 0] == -1
    assert images[0, 0, 128, 64] == 1
    assert torch.equal(images, 2 * masks - 1)


def test_nothing_outside_the_lungs_reaches_the_networks() -> None:
    rng = np.random.default_rng(0)
    inside = rng.random((1, 64, 64), dtype=np.float32)
    lungs = _lungs()
    near = gaussian_filter((lungs > 0).astype(np.float32), (0, 4, 4)) > 0
    elsewhere = np.where(near, inside, rng.random((1, 64, 64), dtype=np.float32))
    assert torch.equal(prepare(inside, lungs, 32)[0], prepare(elsewhere, lungs, 32)[0])


def test_soft_mask_agrees_with_scipy() -> None:
    lungs = _lungs(256)
    _, masks = prepare(np.zeros((1, 256, 256), np.float32), lungs, 256)
    oracle = gaussian_filter((lungs[0] > 0).astype(np.float64), 2.0)
    np.testing.assert_allclose(masks[0, 0].numpy(), oracle, atol=2e-3)


def test_resampling_is_area_averaging() -> None:
    rng = np.random.default_rng(1)
    image, lungs = rng.random((1, 64, 64), dtype=np.float32), np.ones((1, 64, 64), np.uint8)
    images, _ = prepare(image, lungs, 16)
    blocks = image[0].reshape(16, 4, 16, 4).mean((1, 3))
    np.testing.assert_allclose(images[0, 0].numpy(), 2 * blocks - 1, atol=1e-5)


def test_both_lungs_count_alike() -> None:
    lungs = _lungs()
    image = np.full((1, 64, 64), 0.5, np.float32)
    assert torch.equal(prepare(image, lungs, 32)[0], prepare(image, (lungs > 0).astype(np.uint8), 32)[0])


def test_no_image_gives_empty_tensors() -> None:
    images, masks = prepare(np.zeros((0, 64, 64), np.float32), np.zeros((0, 64, 64), np.uint8), 32)
    assert images.shape == masks.shape == (0, 1, 32, 32)


def test_faulty_input_names_row_and_remedy() -> None:
    good, lungs = np.zeros((1, 64, 64), np.float32), _lungs()
    with pytest.raises(ValueError, match=r"one shape"):
        prepare(good, lungs[:, :32], 32)
    with pytest.raises(ValueError, match="size is 128"):
        prepare(good, lungs, 128)
    with pytest.raises(ValueError, match=r"images\[0\] leaves"):
        prepare(good - 1, lungs, 32)
    with pytest.raises(ValueError, match=r"images\[0\].*not finite"):
        prepare(np.full_like(good, np.nan), lungs, 32)
    with pytest.raises(ValueError, match=r"lungs\[0\] is empty"):
        prepare(good, np.zeros_like(lungs), 32)


def test_confine_puts_background_outside_and_keeps_the_inside() -> None:
    masks = torch.tensor([[[[0.0, 0.003, 0.5, 1.0]]]])
    inside = support(masks)
    assert inside.flatten().tolist() == [False, False, True, True]
    assert confine(torch.full((1, 1, 1, 4), 0.25), inside).flatten().tolist() == [-1, -1, 0.25, 0.25]
