import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import gaussian_filter

from assets.registration.fields import compose, integrate, resize_displacement
from assets.registration.folds import folded
from assets.registration.inference import load_network, refine, refine_batch, velocity_displacement
from assets.registration.network import RegistrationNetwork, build_network
from assets.registration.settings import RegistrationSettings
from assets.registration.training import Cohort

Lungs = npt.NDArray[np.uint8]


def smooth_velocity(seed: int, size: int, peak: float) -> npt.NDArray[np.float32]:
    noise = np.random.default_rng(seed).standard_normal((2, size, size))
    field = np.stack([gaussian_filter(channel, size / 8, mode="nearest") for channel in noise])
    scaled: npt.NDArray[np.float32] = (field * peak / np.abs(field).max()).astype(np.float32)
    return scaled


def moving_network(settings: RegistrationSettings) -> RegistrationNetwork:
    """Untrained network with a head strong enough to move something."""
    network = build_network(settings, torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        network.velocity.weight *= 1e4
    return network


def test_refine_gives_a_half_size_float16_velocity(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    network = moving_network(tiny)
    arguments = (toy.images, toy.lungs, toy.displacements, reference, tiny)
    batch = refine_batch(network, *arguments)
    assert batch.dtype == np.float16
    assert batch.shape == (12, 2, 16, 16)
    one = refine(network, toy.images[5], toy.lungs[5], toy.displacements[5], reference, tiny)
    np.testing.assert_allclose(one, batch[5], atol=2e-3)
    assert np.abs(batch).max() > 0.05


def test_untrained_network_leaves_the_image_where_it_is(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    network = build_network(tiny, torch.Generator().manual_seed(0))
    velocity = refine(network, toy.images[0], toy.lungs[0], toy.displacements[0], reference, tiny)
    assert np.abs(velocity_displacement(velocity, (32, 32), 7)).max() < 1e-3


def test_lungs_are_ignored_where_the_network_does_not_see_them(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    blind = tiny.model_copy(update={"use_lungs": False})
    for settings, equal in ((blind, True), (tiny, False)):
        network = moving_network(settings)
        seen = refine(network, toy.images[0], toy.lungs[0], toy.displacements[0], reference, settings)
        empty = refine(network, toy.images[0], np.zeros_like(reference), toy.displacements[0], reference, settings)
        assert np.array_equal(seen, empty) is equal


def test_reduced_precision_is_close(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    network = moving_network(tiny)
    arguments = (toy.images, toy.lungs, toy.displacements, reference, tiny)
    plain, reduced = refine_batch(network, *arguments), refine_batch(network, *arguments, autocast=True)
    np.testing.assert_allclose(reduced, plain, atol=0.05 * float(np.abs(plain).max()))


@pytest.mark.parametrize("peak", [5.0, 12.0])
def test_float16_storage_costs_less_than_a_fiftieth_of_a_pixel(peak: float) -> None:
    velocity = smooth_velocity(0, 64, peak)
    exact = resize_displacement(integrate(torch.from_numpy(velocity)[None], 7), (128, 128))[0].numpy()
    stored = velocity_displacement(velocity.astype(np.float16), (128, 128), 7)
    assert stored.dtype == np.float32
    assert np.linalg.norm(stored - exact, axis=0).max() <= 0.02


def test_minus_velocity_gives_the_inverse_map() -> None:
    velocity = smooth_velocity(1, 64, 4).astype(np.float16)
    forward = torch.from_numpy(velocity_displacement(velocity, (128, 128), 7))[None]
    backward = torch.from_numpy(velocity_displacement(-velocity, (128, 128), 7))[None]
    around = compose(forward, backward)[..., 16:-16, 16:-16].norm(dim=1)
    assert around.mean() < 0.05


def test_integrated_velocity_does_not_fold_where_the_velocity_does() -> None:
    velocity = 3 * smooth_velocity(2, 32, 6)
    assert folded(velocity).any()
    assert not folded(velocity_displacement(velocity.astype(np.float16), (64, 64), 7))[4:-4, 4:-4].any()


def test_convention_velocity_is_in_half_grid_pixels() -> None:
    velocity = np.zeros((2, 16, 16), np.float16)
    velocity[0] = 1
    displacement = velocity_displacement(velocity, (32, 32), 7)
    np.testing.assert_allclose(displacement[0], 31 / 15, rtol=1e-6)
    assert not displacement[1].any()


def test_weights_survive_loading(tiny: RegistrationSettings) -> None:
    network = moving_network(tiny)
    loaded = load_network({k: v.contiguous() for k, v in network.state_dict().items()}, tiny)
    inputs = torch.rand(1, 6, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loaded(inputs), network(inputs))
    assert not loaded.training


def test_errors_say_what_to_do(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    network = moving_network(tiny)
    wider = tiny.model_copy(update={"final_features": [12]})
    with pytest.raises(ValueError, match="fit it anew"):
        load_network(network.state_dict(), wider)
    with pytest.raises(ValueError, match="multiples of 8"):
        refine(network, toy.images[0, :30], toy.lungs[0, :30], toy.displacements[0, :, :30], reference[:30], tiny)
    with pytest.raises(ValueError, match=r"expected \(2, h, w\)"):
        velocity_displacement(np.zeros((16, 16), np.float16), (32, 32), 7)
