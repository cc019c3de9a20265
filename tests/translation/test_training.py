from typing import get_args

import numpy as np
import pytest
import torch

from assets.translation import reporting
from assets.translation.arms import Gan
from assets.translation.checkpoints import UnusableCheckpoint
from assets.translation.guards import TrainingStopped
from assets.translation.training import Trained
from assets.translation.training_data import TrainingData, in_memory
from tests.translation.tiny_training import PAIRS, Seen, State, Ticking, data, equal, images, small, trained


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    settings = small(steps=2)
    first, again, other = (trained("cut", settings, seed=seed) for seed in (0, 0, 1))
    assert equal(first.weights, again.weights)
    assert not equal(first.weights, other.weights)


@pytest.mark.parametrize("method", ["cyclegan", "pix2pix"])
def test_global_random_state_is_neither_read_nor_advanced(method: Gan) -> None:
    settings = small(steps=2)
    before = torch.random.get_rng_state()
    first = trained(method, settings)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.rand(3)
        assert equal(first.weights, trained(method, settings).weights)


@pytest.mark.parametrize("method", ["cyclegan", "cut", "pix2pix"])
def test_one_image_a_domain_and_batches_larger_than_a_domain_train(method: Gan) -> None:
    found = trained(method, small(steps=2, batch=3), data(1, 2))
    assert len(found.history) == 2
    assert (found.steps, found.stopped) == (2, "steps")


def test_history_has_a_record_a_window_and_the_watch_sees_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reporting, "_HISTORY_POINTS", 2)
    watch = Seen()
    found = trained("cut", small(steps=5), watch=watch)
    # Windows of 5 // 2 = 2 steps, and a last one of one step.
    assert [record["step"] for record in found.history] == [2, 4, 5]
    assert [(pace.step, pace.steps) for pace in watch.paces] == [(2, 5), (4, 5), (5, 5)]
    shown = [{**pace.losses, "step": pace.step} for pace in watch.paces]
    assert shown == found.history


def test_record_is_the_mean_over_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    single = trained("cut", small(steps=4)).history
    monkeypatch.setattr(reporting, "_HISTORY_POINTS", 2)
    windows = trained("cut", small(steps=4)).history
    assert windows[1]["nce"] == pytest.approx((single[2]["nce"] + single[3]["nce"]) / 2)


def test_learning_rate_follows_the_schedule() -> None:
    rates = [record["learning_rate"] for record in trained("cut", small(steps=4, decay_share=0.5)).history]
    # Two constant and two falling steps: 1, 1, 2/3, 1/3 of 2e-4.
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4 * 2 / 3, 2e-4 / 3])


def test_weights_are_the_generator_to_normal_only() -> None:
    states: list[State] = []
    found = trained("cyclegan", small(steps=2), checkpoint=states.append)
    prefix = "network/to_normal/"
    last = {name.removeprefix(prefix): value for name, value in states[-1].items() if name.startswith(prefix)}
    assert equal(found.weights, last)


def test_averaged_weights_are_what_is_measured_and_returned() -> None:
    states: list[State] = []
    plain, averaged = Seen(), Seen()
    without = trained("cut", small(steps=2), watch=plain)
    found = trained("cut", small(steps=2, ema_decay=0.9), watch=averaged, checkpoint=states.append)
    newest = {name.removeprefix("network/to_normal/"): value for name, value in states[-1].items()}
    assert equal({name: newest[name] for name in found.weights}, without.weights)
    for name, value in found.weights.items():
        # After two updates: 0.9 of what was 0.8 new, by the rising share (1 + t) / (10 + t) = 1/10, then 2/11.
        first = states[0][f"network/to_normal/{name}"]
        expected = 2 / 11 * states[0][f"average/{name}"] + 9 / 11 * newest[name]
        assert torch.allclose(value, expected, atol=1e-6)
        assert not value.requires_grad
        assert first.shape == value.shape
    assert found.checks[-1]["mean"] != without.checks[-1]["mean"]


def test_measurements_are_made_every_so_many_steps_and_at_the_end() -> None:
    watch = Seen()
    found = trained("cut", small(steps=5, check_every=2), watch=watch)
    assert watch.checked == [2, 4, 5]
    assert [(check["step"], check["validation_auc"]) for check in found.checks] == [(2, 0.502), (4, 0.504), (5, 0.505)]
    silent = Seen()
    assert trained("cut", small(steps=2, checked_images=0), watch=silent).checks == []
    assert silent.checked == []
    assert silent.paces


def test_a_training_that_no_longer_gets_better_ends_with_its_best_weights() -> None:
    states: list[State] = []
    auc = {1: 0.6, 2: 0.9, 3: 0.8, 4: 0.9}
    settings = small(steps=6, check_every=1, patience=2)
    found = trained("cut", settings, watch=Seen(lambda step: auc[step]), checkpoint=states.append)
    assert (found.steps, found.stopped) == (4, "early stop")
    assert len(found.history) == 4
    best = {name: states[1][f"network/to_normal/{name}"] for name in found.weights}
    assert equal(found.weights, best)
    # Taken up after it ended, it ends again where it was.
    again = trained("cut", settings, watch=Seen(lambda step: auc[step]), resume=states[-1])
    assert (again.steps, again.stopped, again.checks) == (4, "early stop", found.checks)
    assert equal(again.weights, best)


def test_the_watch_of_a_resumed_training_is_told_what_came_before() -> None:
    states: list[State] = []
    whole, rest = Seen(), Seen()
    found = trained("cut", small(), watch=whole, checkpoint=states.append)
    trained("cut", small(), watch=rest, resume=states[3])
    assert whole.before == []
    assert rest.before == [(found.history[:4], found.checks[:2])]
    assert [pace.step for pace in rest.paces] == [5, 6]
    refused = Seen()
    with pytest.raises(UnusableCheckpoint):
        trained("cut", small(steps=2), watch=refused, resume=states[3])
    assert refused.before == []


def test_patience_needs_somebody_who_measures_the_auc() -> None:
    with pytest.raises(ValueError, match="patience=1 stops by validation, but nothing measures"):
        trained("cut", small(patience=1))

    class Blind(Seen):
        def check(self, step: int, translate: object) -> dict[str, float]:
            return {}

    with pytest.raises(ValueError, match="patience=1 stops by the validation AUC, but it cannot be measured"):
        trained("cut", small(patience=1), watch=Blind())


def test_a_training_whose_time_is_up_keeps_what_it_has() -> None:
    states: list[State] = []
    settings = small(steps=6, minutes=1.0)
    clock = Ticking(4.0)
    found = trained("cut", settings, clock=clock, checkpoint=states.append)
    assert found.stopped == "time budget"
    assert 1 <= found.steps < 6
    assert found.seconds >= 60
    assert len(found.history) == found.steps


def test_the_time_before_an_interruption_counts() -> None:
    states: list[State] = []
    trained("cut", small(steps=2), clock=Ticking(20.0), checkpoint=states.append)
    assert float(states[0]["spent/seconds"]) > 60
    resumed = trained("cut", small(steps=2, minutes=1.0), resume=states[0])
    assert (resumed.steps, resumed.stopped) == (1, "time budget")


def test_checkpoints_come_by_time() -> None:
    states: list[State] = []
    trained("cut", small(steps=3, checkpoint_minutes=1e6), clock=Ticking(1.0), checkpoint=states.append)
    assert states == []
    trained("cut", small(steps=3, checkpoint_minutes=0.5), clock=Ticking(5.0), checkpoint=states.append)
    assert [int(state["step"]) for state in states] == [1, 2, 3]


def test_pace_is_told_and_never_more_time_than_the_budget_leaves() -> None:
    watch = Seen()
    trained("cut", small(steps=3), watch=watch, clock=Ticking(1.0))
    first, last = watch.paces[0], watch.paces[-1]
    assert first.images_per_second is not None
    assert first.seconds_left is not None
    # Two images of two domains a step.
    assert first.seconds_left == pytest.approx(2 * 4 / first.images_per_second)
    assert last.seconds_left == 0
    short = Seen()
    trained("cut", small(steps=3, minutes=0.12), watch=short, clock=Ticking(1.0))
    left = short.paces[0].seconds_left
    assert left is not None
    assert left < first.seconds_left


@pytest.mark.parametrize("method", get_args(Gan))
def test_infinite_loss_stops_the_training_and_names_step_and_rows(method: Gan) -> None:
    states: list[State] = []
    with pytest.raises(TrainingStopped, match=r"step \d is not finite .*abnormal rows \d") as stopped:
        trained(method, small(learning_rate=1e30), checkpoint=states.append)
    assert stopped.value.step <= 1
    assert len(stopped.value.abnormal) == len(stopped.value.normal) == 2
    assert len(states) <= stopped.value.step


@pytest.mark.parametrize("method", get_args(Gan))
def test_a_measurement_after_the_broken_step_names_its_rows_as_well(method: Gan) -> None:
    with pytest.raises(TrainingStopped, match="is not finite") as stopped:
        trained(method, small(learning_rate=1e30, check_every=1), watch=Seen())
    assert len(stopped.value.abnormal) == len(stopped.value.normal) == 2


def poisoned(row: int) -> TrainingData:
    """A domain of which one image turns to no number after it was looked at."""

    class Poisoned:
        looked = False

        def __len__(self) -> int:
            return 5

        def rows(self, indices: torch.Tensor) -> object:
            batch = in_memory(images(5, 1)).rows(indices)
            if self.looked:
                batch.images[indices == row] = float("nan")
            self.looked = True
            return batch

    return TrainingData(Poisoned(), in_memory(images(4, 2)), PAIRS)  # type: ignore[arg-type]


@pytest.mark.parametrize("method", ["cyclegan", "cut", "reggan_nc", "pix2pix"])
def test_no_number_in_a_batch_stops_the_training_and_the_last_good_state_remains(method: Gan) -> None:
    states: list[State] = []
    settings = small(augment_gain=0)
    with pytest.raises(TrainingStopped) as stopped:
        trained(method, settings, poisoned(4), checkpoint=states.append)
    assert 4 in stopped.value.abnormal
    assert len(states) == stopped.value.step
    assert all(bool(value.isfinite().all()) for state in states for value in state.values())
    if states:
        with pytest.raises(TrainingStopped) as again:
            trained(method, settings, poisoned(4), resume=states[-1])
        assert str(again.value) == str(stopped.value)


def test_weights_that_are_no_numbers_are_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """A last step whose losses are fine, but not what it leaves."""
    states: list[State] = []
    step = torch.optim.Adam.step

    def broken(self: torch.optim.Adam, closure: None = None) -> None:
        step(self, closure)
        with torch.no_grad():
            self.param_groups[0]["params"][0].fill_(float("inf"))

    monkeypatch.setattr(torch.optim.Adam, "step", broken)
    with pytest.raises(TrainingStopped, match="step 0 is not finite"):
        trained("pix2pix", small(steps=1), checkpoint=states.append)
    assert states == []


def test_unusable_domains_are_refused() -> None:
    good = in_memory(images(2, 0))

    def attempt(given: TrainingData, method: Gan = "cut") -> None:
        trained(method, small(), given)

    with pytest.raises(ValueError, match="abnormal: there is no image"):
        attempt(TrainingData(good.rows(torch.arange(0)), good))
    with pytest.raises(ValueError, match="normal: there is no image"):
        attempt(TrainingData(good, good.rows(torch.arange(0))))
    with pytest.raises(ValueError, match=r"normal: images and masks are .*\(2, 1, 32, 32\)"):
        attempt(TrainingData(good, in_memory(images(2, 0, 16))))
    bad = images(3, 0)
    bad[1, 0, 5, 5] = 1.5
    with pytest.raises(ValueError, match="abnormal: row 1 leaves"):
        attempt(TrainingData(in_memory(bad), good))
    bad[1, 0, 5, 5] = float("nan")
    with pytest.raises(ValueError, match="normal: row 1 leaves"):
        attempt(TrainingData(good, in_memory(bad)))
    with pytest.raises(ValueError, match="there is none; pass rows of both domains as pairs"):
        attempt(TrainingData(good, good), "pix2pix")
    with pytest.raises(ValueError, match="rows of 2 abnormal and 2 normal"):
        attempt(TrainingData(good, good, torch.tensor([[0, 2]])), "reggan")


def test_masks_confine_what_the_translator_learns_from() -> None:
    masks = torch.zeros(5, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1

    def confined(given: torch.Tensor | None) -> Trained:
        abnormal, normal = (in_memory(images(5, seed), given) for seed in (1, 2))
        return trained("cut", small(steps=2), TrainingData(abnormal, normal))

    inside, whole, unmasked = confined(masks), confined(torch.ones_like(masks)), confined(None)
    assert not equal(inside.weights, unmasked.weights)
    assert equal(whole.weights, unmasked.weights)


def test_a_state_of_another_plan_is_refused() -> None:
    states: list[State] = []
    trained("cut", small(steps=3), checkpoint=states.append)
    with pytest.raises(UnusableCheckpoint, match="at step 3, but the plan has 2"):
        trained("cut", small(steps=2), resume=states[-1])
    with pytest.raises(UnusableCheckpoint, match="another architecture"):
        trained("cut", small(generator_width=5), resume=states[-1])
    with pytest.raises(UnusableCheckpoint, match="another architecture"):
        trained("cyclegan", small(), resume=states[-1])
    with pytest.raises(UnusableCheckpoint, match="another architecture or of other settings"):
        trained("cut", small(ema_decay=0.9), resume=states[-1])
    with pytest.raises(UnusableCheckpoint, match="no 'step'"):
        trained("cut", small(), resume={})


def test_lungs_are_exchanged_only_where_the_reference_is_known() -> None:
    with pytest.raises(ValueError, match="there are no reference_lungs"):
        trained("cut", small(lung_swap=True, arms=["it_pr/cut"]))
    lungs = np.zeros((64, 64), dtype=np.uint8)
    lungs[10:50, 8:28], lungs[10:50, 36:56] = 1, 2
    found = trained("cut", small(steps=1, lung_swap=True, arms=["it_pr/cut"]), reference_lungs=lungs)
    assert not equal(found.weights, trained("cut", small(steps=1)).weights)
