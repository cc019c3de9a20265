import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.training import build_peer, shown_image
from assets.peers.voxelmorph import SMALLEST_VARIANCE, fit_voxelmorph, local_correlation, loss_terms

F32 = npt.NDArray[np.float32]
Lungs = npt.NDArray[np.uint8]


def plain_correlation(first: F32, second: F32, window: int) -> float:
    """Squared correlation of every window, one after the other, in float64."""
    half, values = window // 2, []
    for row in range(first.shape[0]):
        for column in range(first.shape[1]):
            span = (slice(max(0, row - half), row + half + 1), slice(max(0, column - half), column + half + 1))
            a, b = first[span].astype(np.float64), second[span].astype(np.float64)
            covariance = np.mean((a - a.mean()) * (b - b.mean()))
            values.append(covariance**2 / max(a.var(), SMALLEST_VARIANCE) / max(b.var(), SMALLEST_VARIANCE))
    return float(np.mean(values))


@pytest.mark.parametrize("window", [3, 5, 9])
def test_local_correlation_agrees_with_a_plain_loop(rng: np.random.Generator, window: int) -> None:
    first, second = rng.random((2, 1, 1, 13, 11)).astype(np.float32)
    second = 0.6 * second + 0.4 * first
    found = local_correlation(torch.from_numpy(first), torch.from_numpy(second), window)
    assert float(found) == pytest.approx(plain_correlation(first[0, 0], second[0, 0], window), rel=1e-4)


@settings(deadline=None, max_examples=25)
@given(seed=st.integers(0, 1000), slope=st.floats(0.2, 2) | st.floats(-2, -0.2), offset=st.floats(-1, 1))
def test_an_affine_copy_correlates_fully_with_either_sign(seed: int, slope: float, offset: float) -> None:
    image = torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(seed))
    assert float(local_correlation(image, slope * image + offset, 9)) == pytest.approx(1, abs=1e-3)


def test_correlation_is_symmetric_and_a_flat_image_has_none(rng: np.random.Generator) -> None:
    first, second = (torch.from_numpy(rng.random((1, 1, 16, 16)).astype(np.float32)) for _ in range(2))
    assert torch.equal(local_correlation(first, second, 9), local_correlation(second, first, 9))
    assert float(local_correlation(torch.full((1, 1, 16, 16), 0.9), first, 9)) < 1e-6


def test_an_untrained_network_pays_for_the_boxed_images_difference(reference: Case, tiny: PeerSettings) -> None:
    moving, fixed = shown_image(np.roll(reference.image, 3, axis=0)), shown_image(reference.image)
    terms = loss_terms(build_peer(tiny, torch.Generator().manual_seed(0)), moving, fixed, tiny)
    assert float(terms["similarity"].detach()) == pytest.approx(float((moving - fixed).square().mean()), rel=1e-2)
    assert float(terms["smoothness"].detach()) < 1e-6


@pytest.mark.parametrize("similarity", ["mse", "ncc"])
def test_training_brings_the_images_together(
    images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings, similarity: str
) -> None:
    longer = tiny.model_copy(update={"steps": 120, "similarity": similarity})
    history = fit_voxelmorph(images, lungs, reference, longer).history
    first, last = (np.mean([terms["similarity"] for terms in part]) for part in (history[:10], history[-10:]))
    assert last < 0.7 * first


def test_smoothness_counts_by_its_weight(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    settings = tiny.model_copy(update={"voxelmorph_smoothness": 0.7})
    for terms in fit_voxelmorph(images, lungs, reference, settings).history:
        assert terms["loss"] == pytest.approx(terms["similarity"] + 0.7 * terms["smoothness"], rel=1e-5)


def test_the_seed_decides_weights_and_batches(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    before = torch.get_rng_state()
    other = tiny.model_copy(update={"seed": 1})
    first, second, third = (fit_voxelmorph(images, lungs, reference, chosen) for chosen in (tiny, tiny, other))
    assert first.history == second.history
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    assert first.history[0]["similarity"] != third.history[0]["similarity"]
    assert torch.equal(torch.get_rng_state(), before)


def test_fewer_images_than_a_batch_are_enough(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    assert len(fit_voxelmorph(images[:1], lungs[:1], reference, tiny).history) == tiny.steps


def test_misfit_arrays_are_named(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    with pytest.raises(ValueError, match="images is empty"):
        fit_voxelmorph(images[:0], lungs[:0], reference, tiny)
    with pytest.raises(ValueError, match=r"lungs has shape \(3, 32, 32\); expected \(12, 32, 32\)"):
        fit_voxelmorph(images, lungs[:3], reference, tiny)
    with pytest.raises(ValueError, match="images has shape"):
        fit_voxelmorph(images[:, :24], lungs[:, :24], reference, tiny)
    with pytest.raises(ValueError, match=r"reference\.image has shape .* multiples of 8"):
        fit_voxelmorph(images, lungs, Case(reference.image[:30], reference.lungs[:30]), tiny)
    with pytest.raises(ValueError, match="lungs"):
        fit_voxelmorph(images, np.zeros_like(lungs), reference, tiny)
