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
    np.testing.assert_allclose(reconstruct(weights, image[None, None])[0, 0], image, atol=1e-5)


def test_training_images_are_reconstructed_with_all_components() -> None:
    normal = _images(6)
    weights = fit_pca(normal, _everywhere(6), 5)
    assert torch.allclose(reconstruct(weights, normal), normal, atol=1e-5)


def test_residual_is_orthogonal_to_every_component_and_reconstruction_is_idempotent() -> None:
    weights = fit_pca(_images(20), _everywhere(20), 5)
    image = _images(3, seed=1)
    once = reconstruct(weights, image)
    products = torch.einsum("nyx,kyx->nk", (image - once)[:, 0], weights["components"])
    assert products.abs().max() < 1e-5
    assert torch.allclose(reconstruct(weights, once), once, atol=1e-5)


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
    np.testing.assert_allclose(reconstruct(weights, image).flatten(1), expected, atol=1e-5)


def test_pixels_outside_every_mask_take_no_part() -> None:
    normal, masks = _images(10), _everywhere(10)
    masks[..., :4] = 0
    weights = fit_pca(normal, masks, 3)
    assert not weights["components"][..., :4].any()
    noisy = normal.clone()
    noisy[..., :4] = _images(10, seed=5)[..., :4]
    assert torch.equal(weights["components"], fit_pca(noisy, masks, 3)["components"])


def test_components_stop_at_the_rank() -> None:
    assert len(fit_pca(_images(4), _everywhere(4), 32)["components"]) == 3
    constant = _images(1).expand(5, 1, SIDE, SIDE)
    weights = fit_pca(constant, _everywhere(5), 32)
    assert torch.allclose(reconstruct(weights, constant), constant, atol=1e-6)


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
