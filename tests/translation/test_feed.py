import threading
import time
from collections import Counter
from contextlib import closing

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from assets.translation import feed
from assets.translation.feed import Drawn, Sampler, fed
from assets.translation.presets import resolved
from assets.translation.sampling import Batch
from assets.translation.swap import SwapGrid
from tests.translation.tiny_training import PAIRS, data, small

PLAN = resolved(small(batch=2, augment_shift=0.1, augment_gain=0.1), "cut")


def same(one: Drawn, other: Drawn) -> bool:
    tensors = [(one.abnormal, other.abnormal), (one.normal, other.normal)]
    alike = all(torch.equal(a.images, b.images) and torch.equal(a.inside, b.inside) for a, b in tensors)
    draws = [torch.rand(3, generator=drawn.randomness.clone_state()) for drawn in (one, other)]
    return (
        alike
        and (one.abnormal_rows, one.normal_rows) == (other.abnormal_rows, other.normal_rows)
        and bool(torch.equal(*draws))
    )


@settings(deadline=None, max_examples=10)
@given(st.integers(0, 3), st.booleans())
def test_steps_see_the_same_with_and_without_the_thread(first: int, paired: bool) -> None:
    sampler = Sampler(data(), PLAN, 3, paired)
    with closing(fed(sampler.draw, first, 5)) as batches:
        found = [drawn for drawn, _ in batches]
    assert len(found) == 5 - first
    assert all(same(drawn, sampler.draw(step)) for step, drawn in enumerate(found, start=first))


def test_partners_come_together_and_pairs_equally_often() -> None:
    sampler = Sampler(data(), PLAN, 0, paired=True)
    seen = [sampler.draw(step) for step in range(len(PAIRS))]
    pairs = Counter(pair for drawn in seen for pair in zip(drawn.abnormal_rows, drawn.normal_rows, strict=True))
    assert pairs == {tuple(pair): 2 for pair in PAIRS.tolist()}


def test_without_pairs_each_domain_is_read_in_epochs_of_its_own() -> None:
    sampler = Sampler(data(), PLAN, 0)
    seen = [sampler.draw(step) for step in range(10)]
    assert Counter(row for drawn in seen for row in drawn.abnormal_rows) == dict.fromkeys(range(5), 4)
    assert Counter(row for drawn in seen for row in drawn.normal_rows) == dict.fromkeys(range(4), 5)


def test_rows_are_those_of_the_images() -> None:
    still = resolved(small(augment_shift=0, augment_gain=0), "cut")
    given_data = data()
    drawn = Sampler(given_data, still, 0, paired=True).draw(1)
    expected = given_data.abnormal.rows(torch.tensor(drawn.abnormal_rows))
    assert torch.allclose(drawn.abnormal.images, expected.images, atol=1e-6)


def test_the_next_batch_is_drawn_while_a_step_is_computed() -> None:
    drawn_by: dict[int, str] = {}
    next_is_drawn = threading.Event()

    def draw(step: int) -> Drawn:
        drawn_by[step] = threading.current_thread().name
        if step == 1:
            next_is_drawn.set()
        return Sampler(data(), PLAN, 0).draw(step)

    with closing(fed(draw, 0, 3)) as batches:
        next(batches)
        # This is the step: nobody asks for the next batch, and still it is drawn.
        assert next_is_drawn.wait(30)
    assert all(name.startswith("batches") for name in drawn_by.values())


def test_waiting_is_measured() -> None:
    sampler = Sampler(data(), PLAN, 0)

    def slow(step: int) -> Drawn:
        time.sleep(0.05)
        return sampler.draw(step)

    with closing(fed(slow, 0, 2)) as batches:
        assert next(batches)[1] >= 0.04


def test_what_goes_wrong_in_the_thread_is_raised_at_its_step() -> None:
    def draw(step: int) -> Drawn:
        if step == 2:
            raise OSError(5, "the disk is gone")
        return Sampler(data(), PLAN, 0).draw(step)

    batches = fed(draw, 0, 4)
    next(batches)
    next(batches)
    with pytest.raises(OSError, match="the disk is gone"):
        next(batches)


@pytest.mark.parametrize("pinned", [True, False])
def test_batches_are_pinned_where_a_device_reads_them(monkeypatch: pytest.MonkeyPatch, pinned: bool) -> None:
    asked: list[int] = []

    def pin(batch: Batch) -> Batch:
        asked.append(len(batch))
        return batch

    monkeypatch.setattr(Batch, "pinned", pin)
    Sampler(data(), PLAN, 0, pinned=pinned).draw(0)
    assert asked == ([2, 2] if pinned else [])


def test_partners_have_their_lungs_exchanged_together(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[torch.Tensor] = []

    def noted(batch: Batch, _grid: SwapGrid, chosen: torch.Tensor) -> Batch:
        asked.append(chosen)
        return batch

    monkeypatch.setattr(feed, "with_swapped", noted)
    grid = SwapGrid(torch.zeros(1, 32, 32, 2), torch.ones(1, 1, 32, 32, dtype=torch.bool))
    for paired in (True, False):
        Sampler(data(), resolved(small(batch=16), "reggan"), 0, paired, grid).draw(0)
    together, apart = asked[:2], asked[2:]
    assert torch.equal(*together)
    assert not torch.equal(*apart)
