from collections import Counter

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.translation.sampling import Batch, augmented, batch_indices, generator_for


def _batch(count: int = 2, side: int = 16) -> Batch:
    images = torch.rand((count, 1, side, side), generator=torch.Generator().manual_seed(0)) * 1.6 - 0.9
    return Batch(images, torch.ones_like(images, dtype=torch.bool))


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(0, 3))
def test_every_image_is_shown_equally_often(count: int, batch: int, seed: int) -> None:
    rows = torch.cat([batch_indices(count, batch, step, seed, "normal") for step in range(count)])
    assert Counter(rows.tolist()) == {row: batch for row in range(count)}


def test_rows_depend_on_step_seed_and_domain_only() -> None:
    rows = batch_indices(50, 8, 3, 0, "normal")
    assert torch.equal(rows, batch_indices(50, 8, 3, 0, "normal"))
    others = [(4, 0, "normal"), (3, 1, "normal"), (3, 0, "abnormal")]
    assert all(not torch.equal(rows, batch_indices(50, 8, step, seed, domain)) for step, seed, domain in others)


def test_one_image_fills_a_batch() -> None:
    assert batch_indices(1, 4, 7, 0, "normal").tolist() == [0, 0, 0, 0]


def test_generators_of_neighbouring_steps_differ_and_leave_the_global_state_alone() -> None:
    before = torch.random.get_rng_state()
    draws = {torch.rand((), generator=generator_for(0, "step", step)).item() for step in range(50)}
    assert len(draws) == 50
    assert torch.equal(before, torch.random.get_rng_state())


def test_convention_both_domains_move_by_the_same_offset_and_nothing_is_flipped() -> None:
    single = torch.full((1, 1, 16, 16), -1.0)
    single[0, 0, 8, 5] = 1
    mark = Batch(single, single > 0)
    offsets = set()
    for step in range(40):
        first, second = augmented(mark, mark, 0.2, 0.0, generator_for(0, "step", step))
        assert torch.equal(first.images, second.images)
        assert torch.equal(first.images > 0, first.inside)
        (place,) = (first.images[0, 0] > 0).nonzero().tolist()
        offsets.add((place[0] - 8, place[1] - 5))
    assert max(abs(value) for offset in offsets for value in offset) == 3
    assert len(offsets) > 10


def test_moved_in_border_is_background() -> None:
    white = Batch(torch.ones(1, 1, 16, 16), torch.ones(1, 1, 16, 16, dtype=torch.bool))
    for step in range(5):
        moved, _ = augmented(white, white, 0.2, 0.0, generator_for(0, "step", step))
        assert set(moved.images.flatten().tolist()) <= {-1.0, 1.0}
        assert torch.equal(moved.images == 1, moved.inside)


def test_gain_scales_brightness_and_keeps_the_background() -> None:
    batch = _batch()
    gained, _ = augmented(batch, batch, 0.0, 0.05, generator_for(0, "step", 1))
    ratios = (gained.images + 1) / (batch.images + 1)
    # One factor an image, within 1 +- 0.05; 0.7 * 1.05 stays below the clip at 1.
    assert torch.allclose(ratios.amin((1, 2, 3)), ratios.amax((1, 2, 3)), atol=1e-4)
    assert ((ratios > 0.949) & (ratios < 1.051)).all()
    dark = Batch(torch.full((1, 1, 4, 4), -1.0), batch.inside[:1, :, :4, :4])
    assert torch.equal(augmented(dark, dark, 0.0, 0.05, generator_for(0, "step", 1))[0].images, dark.images)


def test_zero_shift_and_gain_change_nothing() -> None:
    batch = _batch()
    same, _ = augmented(batch, batch, 0.0, 0.0, generator_for(0, "step", 0))
    assert torch.allclose(same.images, batch.images, atol=1e-6)
