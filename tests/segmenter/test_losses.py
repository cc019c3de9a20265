"""The segmenter's losses against hand-derived values."""

import math

import torch

from assets.segmenter.losses import outline_band, overlap_loss, weighted_entropy


def _masks() -> torch.Tensor:
    lungs = torch.zeros(1, 2, 12, 20)
    lungs[0, 0, 2:10, 2:8] = 1
    lungs[0, 1, 2:10, 12:18] = 1
    return lungs


def _logits(lungs: torch.Tensor, height: float) -> torch.Tensor:
    return height * torch.cat((1 - lungs.sum(1, keepdim=True), lungs), dim=1)


def test_the_right_answer_costs_nothing() -> None:
    lungs = _masks()
    assert overlap_loss(_logits(lungs, 50), lungs) < 1e-4
    assert weighted_entropy(_logits(lungs, 50), lungs, torch.ones(1, 12, 20)) < 1e-4


def test_exchanged_lungs_cost_everything() -> None:
    lungs = _masks()
    # no overlap: 1 - 1 / (48 + 48 + 1) with the smoothing of one pixel
    torch.testing.assert_close(overlap_loss(_logits(lungs.flip(1), 50), lungs), torch.tensor(1 - 1 / 97))


def test_ignorance_costs_the_logarithm_of_three_whatever_the_weights() -> None:
    weights = 0.1 + torch.rand((1, 12, 20), generator=torch.Generator().manual_seed(0))
    found = weighted_entropy(torch.zeros(1, 3, 12, 20), _masks(), weights)
    torch.testing.assert_close(found, torch.tensor(math.log(3)))


def test_a_wrong_pixel_costs_its_share_of_the_weights() -> None:
    lungs = _masks()
    logits, weights = _logits(lungs, 50.0), torch.ones(1, 12, 20)
    logits[0, :, 5, 5] = 0
    weights[0, 5, 5] = 3
    # one ignorant pixel of weight 3 among 239 of weight 1
    torch.testing.assert_close(weighted_entropy(logits, lungs, weights), torch.tensor(3 * math.log(3) / 242))


def test_the_band_reaches_its_radius_on_both_sides() -> None:
    lungs = torch.zeros(1, 2, 9, 20)
    lungs[:, 0, :, 10:] = 1
    expected = torch.zeros(1, 9, 20)
    expected[:, :, 8:12] = 1
    assert torch.equal(outline_band(lungs, radius=2), expected)
