import numpy as np
import torch

from assets.registration.jitter import apply_exposure, draw_exposure


def test_no_exposure_change_leaves_images_alone() -> None:
    images = torch.rand(3, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(apply_exposure(images, torch.zeros(3, 3)), images, atol=1e-6, rtol=0)


def test_gamma_contrast_and_brightness() -> None:
    images = torch.full((3, 1, 2, 2), 0.25)
    exposure = torch.tensor([[np.log(2), 0, 0], [0, np.log(2), 0], [0, 0, 0.1]], dtype=torch.float32)
    # 0.25^2; 0.5 + 2 (0.25 - 0.5); 0.25 + 0.1
    expected = torch.tensor([0.0625, 0, 0.35]).view(3, 1, 1, 1).expand_as(images)
    torch.testing.assert_close(apply_exposure(images, exposure), expected, atol=1e-6, rtol=0)


def test_images_stay_in_range() -> None:
    images = torch.rand(16, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    exposure = torch.from_numpy(draw_exposure(16, 1.0, np.random.default_rng(0)))
    changed = apply_exposure(images, exposure)
    assert changed.min() >= 0
    assert changed.max() <= 1


def test_draws_have_the_asked_spread_and_differ() -> None:
    exposure = draw_exposure(4000, 0.2, np.random.default_rng(0))
    np.testing.assert_allclose(exposure.std(axis=0), [0.2, 0.2, 0.1], rtol=0.05)
    assert len(np.unique(exposure[:, 0])) == 4000
    assert not draw_exposure(5, 0, np.random.default_rng(0)).any()
