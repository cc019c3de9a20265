from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
import torch
from scipy.ndimage import gaussian_filter

from assets.prealignment.warp import compose, dequantize, quantize, warp_image
from assets.registration.batches import Cohort
from assets.registration.deformations import trust_outlines
from assets.registration.fields import halve, integrate, resize_displacement
from assets.registration.folds import folded
from assets.registration.inference import (
    Refiner,
    load_network,
    refine,
    refiner,
    registered_displacement,
    registered_inverse,
    starting_map,
    velocity_displacement,
)
from assets.registration.network import build_network, predict_velocity
from assets.registration.roughness import roughness, usual_roughness
from assets.registration.settings import RefinementSettings, RegistrationSettings
from assets.registration.views import CHANNELS

F32 = npt.NDArray[np.float32]
Lungs = npt.NDArray[np.uint8]
# one look at the reference as it is, so that it is mapped onto itself; the network is followed all the way
FOLLOWED = RefinementSettings(anchor_pairs=0, outline_doubt=0)


def smooth_field(seed: int, size: int, peak: float, share: float = 1 / 8) -> F32:
    """Random field (2, size, size) smoothed by a share of the side, its longest component `peak` pixels."""
    noise = np.random.default_rng(seed).standard_normal((2, size, size))
    field = np.stack([gaussian_filter(channel, share * size, mode="nearest") for channel in noise])
    return np.asarray(field * peak / np.abs(field).max(), dtype=np.float32)


def smooth_image(seed: int, size: int) -> F32:
    noise = gaussian_filter(np.random.default_rng(seed).standard_normal((size, size)), size / 16, mode="wrap")
    return np.asarray((noise - noise.min()) / np.ptp(noise), dtype=np.float32)


def grid_of(size: int) -> F32:
    """Pixel coordinates (2, size, size), channel 0 = x."""
    return np.ascontiguousarray(np.mgrid[:size, :size][::-1], dtype=np.float32)


def moving_weights(settings: RegistrationSettings) -> dict[str, torch.Tensor]:
    """Untrained network with a head strong enough to move something."""
    network = build_network(settings, torch.Generator().manual_seed(0))
    with torch.no_grad():
        network.velocity.weight *= 2e4
    return {name: value.contiguous() for name, value in network.state_dict().items()}


def moving_refiner(settings: RegistrationSettings, reference: Lungs, image: F32 | None) -> Refiner:
    return refiner(moving_weights(settings), settings, image, reference, FOLLOWED)


def refined(ready: Refiner, cohort: Cohort, row: int) -> npt.NDArray[np.float16]:
    return refine(ready, cohort.images[row], cohort.lungs[row], cohort.displacements[row])


def test_refine_gives_a_half_size_float16_velocity(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    ready = moving_refiner(each, reference, toy.images[0])
    velocity = refined(ready, toy, 5)
    assert velocity.dtype == np.float16
    assert velocity.shape == (2, 16, 16)
    assert np.abs(velocity).max() > 0.05
    assert not np.array_equal(velocity, refined(ready, toy, 6))


def test_an_untrained_network_changes_nothing(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    weights = build_network(each, torch.Generator().manual_seed(0)).state_dict()
    velocity = refined(refiner(weights, each, toy.images[0], reference, FOLLOWED), toy, 1)
    displacement = registered_displacement(velocity, toy.displacements[1], each)
    expected = 0 * toy.displacements[1] if each.reading == "R1" else toy.displacements[1]
    np.testing.assert_allclose(displacement, expected, atol=1e-3)


def test_the_reference_is_mapped_onto_itself(toy: Cohort, reference: Lungs, composed: RegistrationSettings) -> None:
    image, nothing = toy.images[0], np.zeros((2, 32, 32), np.float32)
    ready = moving_refiner(composed, reference, image)
    assert ready.anchor.abs().max() > 0.05
    velocity = refine(ready, image, reference, nothing)
    # reading an image at its own pixel centers rounds in the last digits
    assert np.abs(registered_displacement(velocity, nothing, composed)).max() < 1e-4


def test_velocities_are_the_networks_less_the_references_own(
    toy: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    anchored = moving_refiner(composed, reference, toy.images[0])
    bare = replace(anchored, anchor=torch.zeros_like(anchored.anchor))
    for row in (0, 4):
        whole, rest = (refined(ready, toy, row).astype(np.float32) for ready in (bare, anchored))
        np.testing.assert_allclose(rest, whole - anchored.anchor[0].numpy(), atol=1e-3 * np.abs(whole).max())


def test_outlines_are_trusted_where_the_settings_say_so(
    toy: Cohort, reference: Lungs, composed: RegistrationSettings
) -> None:
    followed = moving_refiner(composed, reference, toy.images[0])
    held = replace(followed, refinement=RefinementSettings(outline_doubt=0.1))
    free, kept = (torch.from_numpy(refined(ready, toy, 3).astype(np.float32))[None] for ready in (followed, held))
    expected = trust_outlines(free, followed.normals, 0.1 * 16)
    torch.testing.assert_close(kept, expected, atol=2e-3 * float(free.abs().max()), rtol=0)
    assert not torch.allclose(free, kept, atol=1e-2)


def test_a_mean_shape_has_no_anchor(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    ready = moving_refiner(tiny, reference, None)
    assert not ready.anchor.any()
    assert np.abs(refined(ready, toy, 0)).max() > 0.05


def test_r1_has_no_anchor(toy: Cohort, reference: Lungs, imitating: RegistrationSettings) -> None:
    # its map replaces the pre-alignment: what it gives the reference is no part of anybody else's map
    assert not moving_refiner(imitating, reference, toy.images[0]).anchor.any()


def test_only_r1_looks_at_the_radiographs_own_lungs(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    ready = moving_refiner(each, reference, toy.images[0])
    seen = refined(ready, toy, 3)
    empty = refine(ready, toy.images[3], np.zeros_like(reference), toy.displacements[3])
    assert np.array_equal(seen, empty) is (each.reading != "R1")


def test_only_r2_looks_at_the_references_image(toy: Cohort, reference: Lungs, each: RegistrationSettings) -> None:
    first, second = (moving_refiner(each, reference, image) for image in (toy.images[0], toy.images[1]))
    one, other = (refined(ready, toy, 3) + ready.anchor[0].numpy() for ready in (first, second))
    assert np.allclose(one, other, atol=2e-3) is (each.reading != "R2")


def test_shifting_radiograph_and_field_together_changes_nothing(
    large_reference: Lungs, composed: RegistrationSettings
) -> None:
    # the field reads the middle of the radiograph only, so that nothing leaves the canvas
    image, size = smooth_image(0, 128), 128
    field = smooth_field(1, size, 6) - np.float32(0.3) * (grid_of(size) - (size - 1) / 2)
    ready = moving_refiner(composed, large_reference, smooth_image(2, size))
    velocity = refine(ready, image, large_reference, field).astype(np.float32)
    for dx, dy in ((7, -4), (-3, 9)):
        shift = np.array([dx, dy], np.float32)[:, None, None]
        moved = np.roll(image, (dy, dx), (0, 1))
        together = refine(ready, moved, large_reference, field + shift).astype(np.float32)
        alone = refine(ready, moved, large_reference, field).astype(np.float32)
        change = np.abs(together - velocity).max()
        assert change < 0.02 * np.abs(velocity).max()
        # the shift alone is seen
        assert np.abs(alone - velocity).max() > 10 * change


def test_one_warp_equals_pre_alignment_then_refinement(composed: RegistrationSettings) -> None:
    image, start = smooth_image(3, 128), smooth_field(4, 128, 12, 1 / 16)
    velocity = smooth_field(5, 64, 4, 1 / 16).astype(np.float16)
    own = velocity_displacement(velocity, (128, 128), composed.integration_steps)
    once = warp_image(image, registered_displacement(velocity, start, composed))
    twice = warp_image(warp_image(image, start), own)
    inside = slice(16, -16), slice(16, -16)
    assert np.abs(once - twice)[inside].max() < 0.004
    other_order = warp_image(warp_image(image, own), start)
    assert np.abs(once - other_order)[inside].max() > 0.015


def test_r1_replaces_the_pre_alignment(imitating: RegistrationSettings) -> None:
    velocity, start = smooth_field(5, 64, 4).astype(np.float16), smooth_field(4, 128, 12)
    own, back = (velocity_displacement(sign * velocity, (128, 128), imitating.integration_steps) for sign in (1, -1))
    assert np.array_equal(registered_displacement(velocity, start, imitating), own)
    assert np.array_equal(registered_inverse(velocity, start, imitating), back)


def bent(points: npt.NDArray[np.float64], back: bool) -> npt.NDArray[np.float64]:
    """A map with a closed inverse: rows slide sideways by a sine of their height, then all is turned and scaled."""
    x, y = points - 63.5
    turn = 1.1 * np.array([[np.cos(0.1), -np.sin(0.1)], [np.sin(0.1), np.cos(0.1)]])
    if back:
        x, y = np.einsum("ij,jhw->ihw", np.linalg.inv(turn), np.stack([x - 3, y + 2]))
        return np.stack([x - 4 * np.sin(y / 15), y]) + 63.5
    slid = np.stack([x + 4 * np.sin(y / 15), y])
    shift = np.array([3, -2])[:, None, None]
    return np.asarray(np.einsum("ij,jhw->ihw", turn, slid) + shift + 63.5)


def test_there_and_back_is_less_than_half_a_pixel(each: RegistrationSettings) -> None:
    grid = grid_of(128)
    places = bent(grid.astype(np.float64), back=False), bent(grid.astype(np.float64), back=True)
    start, way_back = (np.asarray(place - grid, dtype=np.float32) for place in places)
    velocity = smooth_field(6, 64, 4, 1 / 16).astype(np.float16)
    there, back = registered_displacement(velocity, start, each), registered_inverse(velocity, way_back, each)
    assert np.linalg.norm(there, axis=0).mean() > 1
    inside = slice(None), slice(20, -20), slice(20, -20)
    for around in (compose(back, there), compose(there, back)):
        error = np.linalg.norm(around[inside], axis=0)
        assert error.max() < 0.5
        assert error.mean() < 0.05


@pytest.mark.parametrize("seed", range(6))
def test_storage_costs_less_than_a_fiftieth_of_a_pixel(seed: int, tiny: RegistrationSettings) -> None:
    # IT-PR in steps of 1/64 px (rounds by 1/128 at most, 0.011 along the diagonal), velocities of up to 8 px on the
    # half grid in float16 (by 1/512 at most, below 8): lengths of the two-vectors' difference at every pixel
    start, velocity = smooth_field(seed, 256, 40), smooth_field(100 + seed, 128, 8)
    exact = integrate(torch.from_numpy(velocity)[None], tiny.integration_steps)
    whole = compose(start, resize_displacement(exact, (256, 256))[0].numpy())
    stored = registered_displacement(velocity.astype(np.float16), dequantize(quantize(start)), tiny)
    assert stored.dtype == np.float32
    error = np.linalg.norm(stored - whole, axis=0).max()
    assert 0.005 < error <= 0.02


@pytest.mark.parametrize("peak", [5.0, 12.0])
def test_float16_storage_costs_less_than_a_fiftieth_of_a_pixel(peak: float) -> None:
    velocity = smooth_field(0, 64, peak)
    exact = resize_displacement(integrate(torch.from_numpy(velocity)[None], 7), (128, 128))[0].numpy()
    stored = velocity_displacement(velocity.astype(np.float16), (128, 128), 7)
    assert stored.dtype == np.float32
    assert np.linalg.norm(stored - exact, axis=0).max() <= 0.02


def test_minus_velocity_gives_the_inverse_map() -> None:
    velocity = smooth_field(1, 64, 4).astype(np.float16)
    forward, backward = (velocity_displacement(sign * velocity, (128, 128), 7) for sign in (1, -1))
    around = np.linalg.norm(compose(forward, backward)[:, 16:-16, 16:-16], axis=0)
    assert around.mean() < 0.05


def test_integrated_velocity_does_not_fold_where_the_velocity_does() -> None:
    velocity = 3 * smooth_field(2, 32, 6)
    assert folded(velocity).any()
    assert not folded(velocity_displacement(velocity.astype(np.float16), (64, 64), 7))[4:-4, 4:-4].any()


def test_convention_velocity_is_in_half_grid_pixels() -> None:
    velocity = np.zeros((2, 16, 16), np.float16)
    velocity[0] = 1
    displacement = velocity_displacement(velocity, (32, 32), 7)
    np.testing.assert_allclose(displacement[0], 31 / 15, rtol=1e-6)
    assert not displacement[1].any()


def test_convention_the_map_is_backward_and_the_inverse_leads_to_the_frame(tiny: RegistrationSettings) -> None:
    # IT-PR reads 5 px to the right, the refinement 31 / 15 px further down: content at (20, 15) of the radiograph is
    # seen at (15, 15 - 31 / 15)
    velocity, start = np.zeros((2, 16, 16), np.float16), np.zeros((2, 32, 32), np.float32)
    velocity[1], start[0] = 1, 5
    down = 31 / 15
    whole, back = registered_displacement(velocity, start, tiny), registered_inverse(velocity, -start, tiny)
    np.testing.assert_allclose(whole[:, 13, 15], [5, down], rtol=1e-5)
    np.testing.assert_allclose(back[:, 15, 20], [-5, -down], rtol=1e-5)


def test_convention_the_network_is_shown_the_radiograph_at_the_pre_alignment(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings
) -> None:
    # the content lies 31 / 15 px right of where the frame wants it: half a grid's pixel, read one to the right
    ready = moving_refiner(tiny, reference, None)
    halved = halve(torch.from_numpy(toy.images[0])[None, None])
    start = np.zeros((2, 32, 32), np.float32)
    start[0] = 31 / 15
    copy = torch.cat((halved[..., 1:], halved[..., -1:]), dim=-1)
    sides = ready.lungs[:, :1] - ready.lungs[:, 1:]
    with torch.inference_mode():
        expected = predict_velocity(ready.network, torch.cat((copy, sides), dim=1))[0].numpy()
    found = refine(ready, toy.images[0], reference, start)
    np.testing.assert_allclose(found, expected, atol=2e-3 * np.abs(expected).max())


def test_weights_survive_loading(each: RegistrationSettings) -> None:
    network = build_network(each, torch.Generator().manual_seed(0))
    loaded = load_network({name: value.contiguous() for name, value in network.state_dict().items()}, each)
    views = torch.rand(1, CHANNELS[each.reading], 16, 16, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(predict_velocity(loaded, views), predict_velocity(network, views))
    assert not loaded.training


def test_errors_say_what_to_do(toy: Cohort, reference: Lungs, tiny: RegistrationSettings) -> None:
    weights, image = moving_weights(tiny), toy.images[0]
    wider = tiny.model_copy(update={"final_features": [12]})
    with pytest.raises(ValueError, match="fit it anew"):
        refiner(weights, wider, image, reference)
    with pytest.raises(ValueError, match="multiples of 16"):
        refiner(weights, tiny, image[:24], reference[:24])
    paired = tiny.model_copy(update={"reading": "R2"})
    with pytest.raises(ValueError, match="choose a medoid"):
        refiner(moving_weights(paired), paired, None, reference)
    ready = refiner(weights, tiny, image, reference, FOLLOWED)
    for arguments in (
        (image[:16], reference, toy.displacements[0]),
        (image, reference[:16], toy.displacements[0]),
        (image, reference, toy.displacements[0, :, :16]),
    ):
        with pytest.raises(ValueError, match=r"must lie on the reference's grid \(32, 32\)"):
            refine(ready, *arguments)
    with pytest.raises(ValueError, match=r"expected \(2, h, w\)"):
        velocity_displacement(np.zeros((16, 16), np.float16), (32, 32), 7)


def test_an_unusually_rough_pre_alignment_is_smoothed_before_use(
    toy: Cohort, reference: Lungs, tiny: RegistrationSettings, imitating: RegistrationSettings
) -> None:
    inside, start = reference > 0, toy.displacements[0]
    jagged = start.copy()
    jagged[0] += np.random.default_rng(0).normal(0, 1, (32, 1)).astype(np.float32)
    usual = usual_roughness(toy.displacements, inside)
    ready = refiner(moving_weights(tiny), tiny, None, reference, FOLLOWED, roughness=usual)
    assert starting_map(ready, start) is start
    assert roughness(starting_map(ready, jagged), inside) < roughness(jagged, inside) / 2
    whole = refiner(moving_weights(imitating), imitating, None, reference, FOLLOWED, roughness=usual)
    assert starting_map(whole, jagged) is jagged
