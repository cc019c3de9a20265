"""The segmenter's losses against hand-derived values."""

import math

import torch

from assets.segmenter.losses import outline_band, outline_entropy, overlap_loss


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
    assert outline_entropy(_logits(lungs, 50), lungs, 1.0) < 1e-4


def test_exchanged_lungs_cost_everything() -> None:
    lungs = _masks()
    # no overlap: 1 - 1 / (48 + 48 + 1) with the smoothing of one pixel
    torch.testing.assert_close(overlap_loss(_logits(lungs.flip(1), 50), lungs), torch.tensor(1 - 1 / 97))


def test_ignorance_costs_the_logarithm_of_three() -> None:
    lungs = _masks()
    for weight in (0.0, 2.0):
        torch.testing.assert_close(outline_entropy(torch.zeros(1, 3, 12, 20), lungs, weight), torch.tensor(math.log(3)))


def test_pixels_at_the_outline_weigh_more() -> None:
    lungs = torch.zeros(1, 2, 40, 40)
    lungs[0, 0, :, 20:] = 1
    at_outline, far_off = _logits(lungs, 50.0), _logits(lungs, 50.0)
    at_outline[..., 20], far_off[..., 39] = 0, 0
    # one of 40 columns costs log 3; the band is 6 columns wide, so the weights sum to 40 + 6 a row
    for wrong, weight in ((at_outline, 2), (far_off, 1)):
        expected = torch.tensor(weight * math.log(3) / 46)
        torch.testing.assert_close(outline_entropy(wrong, lungs, 1.0), expected)


def test_the_band_reaches_its_radius_on_both_sides() -> None:
    lungs = torch.zeros(1, 2, 9, 20)
    lungs[:, 0, :, 10:] = 1
    expected = torch.zeros(1, 9, 20)
    expected[:, :, 8:12] = 1
    assert torch.equal(outline_band(lungs, radius=2), expected)
