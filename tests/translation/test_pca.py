import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from assets.translation import pca as module
from assets.translation.pca import fit_pca, reconstruct

SIDE = 8


def _images(count: int, seed: int = 0) -> torch.Tensor:
    return torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def _everywhere(count: int) -> torch.Tensor:
    return torch.ones(count, 1, SIDE, SIDE)


def test_image_in_the_span_is_reconstructed_exactly() -> None:
    weights = fit_pca(_images(20), _everywhere(20), 5)
    coefficients = torch.tensor([0.3, -0.2, 0.5, 0.1, -0.4])
    image = weights["mean"] + torch.einsum("k,kyx->yx", coefficients, weights["components"])
    np.testing.assert_allclose(reconstruct(weights, image[None, None], _everywhere(1))[0, 0], image, atol=1e-5)


def test_training_images_are_reconstructed_with_all_components() -> None:
    normal = _images(6)
    weights = fit_pca(normal, _everywhere(6), 5)
    assert torch.allclose(reconstruct(weights, normal, _everywhere(6)), normal, atol=1e-5)


def test_residual_is_orthogonal_to_every_component_and_reconstruction_is_idempotent() -> None:
    weights = fit_pca(_images(20), _everywhere(20), 5)
    image = _images(3, seed=1)
    once = reconstruct(weights, image, _everywhere(3))
    products = torch.einsum("nyx,kyx->nk", (image - once)[:, 0], weights["components"])
    assert products.abs().max() < 1e-5
    assert torch.allclose(reconstruct(weights, once, _everywhere(3)), once, atol=1e-5)


def test_components_are_orthonormal_and_agree_with_sklearn() -> None:
    normal = _images(30)
    weights = fit_pca(normal, _everywhere(30), 7)
    basis = weights["components"].flatten(1)
    assert torch.allclose(basis @ basis.T, torch.eye(7), atol=1e-5)
    oracle = PCA(7, svd_solver="full").fit(normal.flatten(1).numpy().astype(np.float64))
    cosines = np.abs((basis.numpy() * oracle.components_).sum(1))
    np.testing.assert_allclose(cosines, 1, atol=1e-5)
    image = _images(4, seed=2)
    expected = oracle.inverse_transform(oracle.transform(image.flatten(1).numpy().astype(np.float64)))
    np.testing.assert_allclose(reconstruct(weights, image, _everywhere(4)).flatten(1), expected, atol=1e-5)


def test_pixels_outside_every_mask_take_no_part() -> None:
    normal, masks = _images(10), _everywhere(10)
    masks[..., :4] = 0
    weights = fit_pca(normal, masks, 3)
    assert not weights["components"][..., :4].any()
    noisy = normal.clone()
    noisy[..., :4] = _images(10, seed=5)[..., :4]
    assert torch.equal(weights["components"], fit_pca(noisy, masks, 3)["components"])


def _half_lunged(count: int, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Images with masks that each leave out some pixels, soft at others."""
    masks = torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed + 100))
    masks[0] = 1
    return _images(count, seed), masks


def test_the_mean_of_a_pixel_is_that_of_the_images_with_lung_there() -> None:
    normal, masks = _half_lunged(9)
    expected = np.nanmean(np.where(masks >= 0.5, normal, np.nan), axis=(0, 1))
    np.testing.assert_allclose(fit_pca(normal, masks, 3)["mean"], expected, atol=1e-6)


def test_without_lung_anywhere_a_pixel_has_the_mean_of_all_lungs() -> None:
    normal, masks = _images(5), _everywhere(5)
    masks[..., 0, :] = 0
    mean = fit_pca(normal, masks, 2)["mean"]
    np.testing.assert_allclose(mean[0], normal[..., 1:, :].mean(), atol=1e-6)


def test_what_lies_outside_an_image_s_own_lungs_changes_nothing() -> None:
    normal, masks = _half_lunged(12)
    other = torch.where(masks >= 0.5, normal, -1.0)
    weights, same = fit_pca(normal, masks, 4), fit_pca(other, masks, 4)
    assert torch.equal(weights["components"], same["components"])
    assert torch.equal(weights["mean"], same["mean"])
    assert torch.equal(reconstruct(weights, normal, masks), reconstruct(weights, other, masks))


def test_outlines_alone_are_no_component() -> None:
    # The same lungs under masks that differ: nothing about the tissue varies.
    _, masks = _half_lunged(12)
    weights = fit_pca(_images(1).expand(12, 1, SIDE, SIDE), masks, 4)
    assert not len(weights["components"])


def test_no_lung_at_all_is_refused() -> None:
    with pytest.raises(ValueError, match="no normal radiograph has a pixel of lung"):
        fit_pca(_images(3), torch.zeros(3, 1, SIDE, SIDE), 2)


def test_components_stop_at_the_rank() -> None:
    assert len(fit_pca(_images(4), _everywhere(4), 32)["components"]) == 3
    constant = _images(1).expand(5, 1, SIDE, SIDE)
    weights = fit_pca(constant, _everywhere(5), 32)
    assert torch.allclose(reconstruct(weights, constant, _everywhere(5)), constant, atol=1e-6)


def test_fit_is_deterministic_with_fixed_signs() -> None:
    first, second = (fit_pca(_images(12), _everywhere(12), 4)["components"] for _ in range(2))
    assert torch.equal(first, second)
    peaks = first.flatten(1).gather(1, first.flatten(1).abs().argmax(1, keepdim=True))
    assert (peaks > 0).all()


def test_large_samples_are_thinned_evenly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LARGEST_SAMPLE", 5)
    normal = _images(9)
    # Nine images to five, evenly: rows 0, 2, 4, 6, 8.
    thinned, chosen = fit_pca(normal, _everywhere(9), 3), fit_pca(normal[::2], _everywhere(5), 3)
    assert torch.equal(thinned["components"], chosen["components"])
    assert torch.equal(thinned["mean"], chosen["mean"])


def test_one_image_or_differing_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two"):
        fit_pca(_images(1), _everywhere(1), 3)
    with pytest.raises(ValueError, match=r"\(N, 1, S, S\)"):
        fit_pca(_images(3), _everywhere(2), 3)
    with pytest.raises(ValueError, match=r"\(N, 1, S, S\)"):
        reconstruct(fit_pca(_images(3), _everywhere(3), 2), _images(3), _everywhere(2))
