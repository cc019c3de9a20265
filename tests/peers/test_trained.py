import numpy as np
import numpy.typing as npt
import pytest
import torch
from safetensors.torch import load, save

from assets.peers.case import Case
from assets.peers.settings import PeerSettings
from assets.peers.synthmorph import fit_synthmorph
from assets.peers.trained import PeerNetwork, align_with, load_peer, peer_inverse
from assets.peers.training import build_peer
from assets.peers.voxelmorph import fit_voxelmorph
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import compose, warp_image
from assets.registration.folds import folded_share

F32 = npt.NDArray[np.float32]
Lungs = npt.NDArray[np.uint8]


def untrained(settings: PeerSettings) -> PeerNetwork:
    return build_peer(settings, torch.Generator().manual_seed(0)).eval()


def shifting(settings: PeerSettings, x: float, y: float) -> PeerNetwork:
    """Network that answers with one velocity everywhere, half-grid pixels."""
    network = untrained(settings)
    with torch.no_grad():
        network.get_parameter("velocity.weight").zero_()
        network.get_parameter("velocity.bias").copy_(torch.tensor([x, y]))
    return network


def test_weights_survive_safetensors(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    for fitted in (fit_voxelmorph(images, lungs, reference, tiny), fit_synthmorph(lungs, reference, tiny)):
        stored = dict(load(save(fitted.state)))
        assert all(torch.equal(stored[name], fitted.state[name]) for name in fitted.state)
        moving = Case(images[0], lungs[0])
        first, second = (
            align_with(load_peer(state, tiny), reference, moving, tiny) for state in (fitted.state, stored)
        )
        np.testing.assert_array_equal(first, second)


def test_weights_of_another_network_are_refused(tiny: PeerSettings) -> None:
    state = untrained(tiny).state_dict()
    wider = tiny.model_copy(update={"final_features": [12]})
    with pytest.raises(ValueError, match="state doesn't fit the network of these settings"):
        load_peer(state, wider)
    with pytest.raises(ValueError, match="state doesn't fit"):
        load_peer({"velocity.weight": state["velocity.weight"]}, tiny)


def test_an_untrained_peer_is_the_lungs_box(cases: list[Case], reference: Case, tiny: PeerSettings) -> None:
    found = align_with(untrained(tiny), reference, cases[0], tiny)
    assert found.dtype == np.float32
    assert found.shape == (2, 32, 32)
    np.testing.assert_allclose(found, lung_box_displacement(reference.lungs, cases[0].lungs), atol=1e-2)


def test_velocities_are_pixels_of_the_half_grid_read_through_the_box(
    cases: list[Case], reference: Case, tiny: PeerSettings
) -> None:
    # a constant velocity (1, -2) on 16 pixels a side is (31/15, -62/15) on 32; the box then reads at the moved place
    found = align_with(shifting(tiny, 1.0, -2.0), reference, cases[0], tiny)
    box = lung_box_displacement(reference.lungs, cases[0].lungs)
    shift = np.broadcast_to(np.array([31 / 15, -62 / 15], np.float32)[:, None, None], box.shape)
    inside = (slice(None), slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(found[inside], compose(box, shift)[inside], atol=1e-3)
    slope = 1 + box[0, 0, 1] - box[0, 0, 0]
    np.testing.assert_allclose((found - box)[0][6:-6, 6:-6], slope * 31 / 15, atol=1e-3)


def test_the_reference_comes_to_itself_and_needs_no_box(reference: Case, tiny: PeerSettings) -> None:
    np.testing.assert_allclose(align_with(untrained(tiny), reference, reference, tiny), 0, atol=1e-2)


def trained(images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings) -> tuple[PeerNetwork, PeerSettings]:
    settings = tiny.model_copy(update={"steps": 150, "learning_rate": 5e-3})
    return load_peer(fit_voxelmorph(images, lungs, reference, settings).state, settings), settings


def test_the_inverse_undoes_the_map(
    cases: list[Case], images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings
) -> None:
    network, settings = trained(images, lungs, reference, tiny)
    inside = (slice(None), slice(5, -5), slice(5, -5))
    for case in cases[:4]:
        forward, backward = (step(network, reference, case, settings) for step in (align_with, peer_inverse))
        box = lung_box_displacement(reference.lungs, case.lungs)
        assert np.abs(forward - box).max() > 0.5
        for outer, inner in ((forward, backward), (backward, forward)):
            assert np.abs(compose(outer, inner)[inside]).mean() < 0.1


def test_a_trained_peer_moves_what_the_box_leaves(
    cases: list[Case], images: F32, lungs: Lungs, reference: Case, tiny: PeerSettings
) -> None:
    network, settings = trained(images, lungs, reference, tiny)
    inside = reference.lungs > 0
    left, remaining = [], []
    for case in cases:
        box, whole = lung_box_displacement(reference.lungs, case.lungs), align_with(network, reference, case, settings)
        left.append(np.abs(warp_image(case.image, box) - reference.image)[inside].mean())
        remaining.append(np.abs(warp_image(case.image, whole) - reference.image)[inside].mean())
        assert folded_share(whole, inside) == 0
    assert np.mean(remaining) < 0.6 * np.mean(left)


def test_misfit_sizes_are_named(cases: list[Case], reference: Case, tiny: PeerSettings) -> None:
    small = Case(cases[0].image[:24], cases[0].lungs[:24])
    with pytest.raises(ValueError, match=r"moving\.image has shape \(24, 32\)"):
        align_with(untrained(tiny), reference, small, tiny)
    with pytest.raises(ValueError, match=r"reference\.image has shape .* multiples of 8"):
        align_with(untrained(tiny), Case(reference.image[:30], reference.lungs[:30]), cases[0], tiny)
    with pytest.raises(ValueError, match="lungs"):
        align_with(untrained(tiny), reference, Case(cases[0].image, np.zeros_like(cases[0].lungs)), tiny)
