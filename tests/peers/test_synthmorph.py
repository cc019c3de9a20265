import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from assets.peers.case import Case
from assets.peers.label_maps import FIRST_SHAPE, anatomy_map, random_shapes
from assets.peers.settings import PeerSettings
from assets.peers.synthmorph import OVERLAID, chest_pairs, fit_synthmorph, loss_terms, shape_pairs
from assets.peers.training import build_peer, train
from assets.registration.losses import overlap_loss

Lungs = npt.NDArray[np.uint8]


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def chests(lungs: Lungs) -> Tensor:
    return torch.from_numpy(np.stack([anatomy_map(own) for own in lungs])).long()


def test_every_pixel_of_a_pair_of_shapes_has_one_label() -> None:
    pairs = shape_pairs(random_shapes(3, 6, (32, 32), seeded(0)), 6, seeded(1))
    assert pairs.moving.shape == pairs.fixed.shape == (3, 1, 32, 32)
    assert pairs.moving_masks.shape == pairs.fixed_masks.shape == (3, 6, 32, 32)
    for masks in (pairs.moving_masks, pairs.fixed_masks):
        assert torch.equal(masks.sum(1), torch.ones(3, 32, 32))
    assert not torch.equal(pairs.moving_masks, pairs.fixed_masks)


def test_pairs_of_chests_know_lungs_that_a_shape_hides(chests: Tensor) -> None:
    hidden = torch.zeros_like(chests)
    pairs = chest_pairs(chests, hidden, seeded(0))
    assert pairs.moving_masks.shape == (12, 2, 32, 32)
    for label in (1, 2):
        share = pairs.fixed_masks[:, label - 1].mean() / (chests == label).float().mean()
        assert float(share) == pytest.approx(1, abs=0.15)
    # where one label lies over all, nothing of the lungs is left in the image
    lung, rest = pairs.fixed_masks.sum(1, keepdim=True), 1 - pairs.fixed_masks.sum(1, keepdim=True)
    inside = (pairs.fixed * lung).sum((1, 2, 3)) / lung.sum((1, 2, 3))
    outside = (pairs.fixed * rest).sum((1, 2, 3)) / rest.sum((1, 2, 3))
    clear = chest_pairs(chests, hidden + OVERLAID, seeded(0))
    lit = (clear.fixed * lung).sum((1, 2, 3)) / lung.sum((1, 2, 3))
    unlit = (clear.fixed * rest).sum((1, 2, 3)) / rest.sum((1, 2, 3))
    assert float((inside - outside).abs().mean()) < 0.6 * float((lit - unlit).abs().mean())


def test_shapes_from_the_overlaid_ones_on_let_the_chest_through(chests: Tensor) -> None:
    shapes = torch.full_like(chests, OVERLAID)
    assert int(chests.max()) < FIRST_SHAPE
    first, second = (chest_pairs(chests, drawn, seeded(0)) for drawn in (shapes, shapes + 1))
    assert torch.equal(first.moving, second.moving)


def test_an_untrained_network_pays_for_the_views_overlap(chests: Tensor, tiny: PeerSettings) -> None:
    shapes = random_shapes(12, 6, (32, 32), seeded(0))
    kinds = [shape_pairs(shapes[:4], 6, seeded(1)), chest_pairs(chests[:8], shapes[4:], seeded(2))]
    terms = loss_terms(build_peer(tiny, seeded(0)), kinds, tiny)
    each = [float(overlap_loss(pairs.moving_masks, pairs.fixed_masks)) for pairs in kinds]
    assert float(terms["overlap"].detach()) == pytest.approx((4 * each[0] + 8 * each[1]) / 12, rel=1e-2)


def test_smoothness_counts_by_its_weight(lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    settings = tiny.model_copy(update={"synthmorph_smoothness": 0.7})
    for terms in fit_synthmorph(lungs, reference, settings).history:
        assert terms["loss"] == pytest.approx(terms["overlap"] + 0.7 * terms["smoothness"], rel=1e-5)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_maps_of_one_kind_are_enough(lungs: Lungs, reference: Case, tiny: PeerSettings, share: float) -> None:
    settings = tiny.model_copy(update={"shapes_share": share})
    assert len(fit_synthmorph(lungs, reference, settings).history) == tiny.steps


def test_the_seed_decides_weights_and_pairs(lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    before = torch.get_rng_state()
    other = tiny.model_copy(update={"seed": 1})
    first, second, third = (fit_synthmorph(lungs, reference, chosen) for chosen in (tiny, tiny, other))
    assert first.history == second.history
    assert all(torch.equal(first.state[name], second.state[name]) for name in first.state)
    assert first.history[0]["overlap"] != third.history[0]["overlap"]
    assert torch.equal(torch.get_rng_state(), before)


def test_training_aligns_the_labels_of_views_in_other_grays(chests: Tensor, tiny: PeerSettings) -> None:
    shapes = random_shapes(6, 6, (32, 32), seeded(0))
    kinds = [shape_pairs(shapes[:3], 6, seeded(1)), chest_pairs(chests[:3], shapes[3:], seeded(2))]
    settings = tiny.model_copy(update={"steps": 120, "learning_rate": 5e-3, "synthmorph_smoothness": 0.05})
    history = train(lambda network, _: loss_terms(network, kinds, settings), settings).history
    assert history[-1]["overlap"] < 0.7 * history[0]["overlap"]


def test_misfit_masks_are_named(lungs: Lungs, reference: Case, tiny: PeerSettings) -> None:
    with pytest.raises(ValueError, match=r"lungs has shape \(0, 32, 32\); expected .* N > 0"):
        fit_synthmorph(lungs[:0], reference, tiny)
    with pytest.raises(ValueError, match="lungs has shape"):
        fit_synthmorph(lungs[:, :24], reference, tiny)
    with pytest.raises(ValueError, match=r"reference\.lungs has shape .* multiples of 8"):
        fit_synthmorph(lungs[:, :30], Case(reference.image[:30], reference.lungs[:30]), tiny)
    with pytest.raises(ValueError, match="at least one lung"):
        fit_synthmorph(np.zeros_like(lungs), reference, tiny)
