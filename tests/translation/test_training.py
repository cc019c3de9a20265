from typing import Literal

import pytest
import torch
from safetensors.torch import load, save

from assets.translation import training
from assets.translation.settings import TranslationSettings
from assets.translation.training import Trained, TrainingStopped, train

CPU = torch.device("cpu")
Gan = Literal["cyclegan", "cut"]


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def _settings(**numbers: object) -> TranslationSettings:
    small = {
        "size": 32,
        "steps": 12,
        "batch": 2,
        "generator_width": 4,
        "generator_blocks": 2,
        "discriminator_width": 4,
        "discriminator_layers": 1,
        "nce_patches": 16,
        "nce_width": 8,
        "pool_size": 3,
        "augment_shift": 0.1,
    }
    return TranslationSettings.model_validate({**small, **numbers})


def _images(count: int, seed: int) -> torch.Tensor:
    return torch.rand((count, 1, 32, 32), generator=torch.Generator().manual_seed(seed)) * 2 - 1


def _train(
    method: Gan,
    settings: TranslationSettings,
    seed: int = 0,
    resume: dict[str, torch.Tensor] | None = None,
    saved: list[dict[str, torch.Tensor]] | None = None,
    counts: tuple[int, int] = (5, 4),
) -> Trained:
    return train(
        method,
        _images(counts[0], 1),
        _images(counts[1], 2),
        settings,
        seed,
        device=CPU,
        autocast=False,
        resume=resume,
        checkpoint=None if saved is None else saved.append,
    )


def _equal(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_resumed_training_is_bit_equal_to_an_uninterrupted_one(method: Gan) -> None:
    saved: list[dict[str, torch.Tensor]] = []
    whole = _train(method, _settings(), saved=saved)
    assert [int(state["step"]) for state in saved] == [5, 10]
    for state in saved:
        # Through bytes, as a store keeps it.
        resumed = _train(method, _settings(), resume=load(save(state)))
        assert _equal(resumed.weights, whole.weights)
        assert resumed.history == whole.history


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_checkpoints_after_resuming_are_bit_equal_too(method: Gan) -> None:
    saved: list[dict[str, torch.Tensor]] = []
    again: list[dict[str, torch.Tensor]] = []
    _train(method, _settings(), saved=saved)
    _train(method, _settings(), resume=saved[0], saved=again)
    assert len(again) == 1
    assert _equal(again[0], saved[1])


def test_checkpoint_is_a_snapshot_and_holds_every_part() -> None:
    saved: list[dict[str, torch.Tensor]] = []
    _train("cyclegan", _settings(), saved=saved)
    parts = {name.split("/")[0] for name in saved[0]}
    assert parts == {"step", "network", "adam", "pool", "history"}
    assert not torch.equal(saved[0]["network/to_normal/stem.weight"], saved[1]["network/to_normal/stem.weight"])
    assert saved[0]["pool/normal/images"].shape == (3, 1, 32, 32)


def test_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    settings = _settings(steps=2)
    first, again, other = (_train("cut", settings, seed) for seed in (0, 0, 1))
    assert _equal(first.weights, again.weights)
    assert not _equal(first.weights, other.weights)


def test_global_random_state_is_neither_read_nor_advanced() -> None:
    settings = _settings(steps=2)
    before = torch.random.get_rng_state()
    first = _train("cyclegan", settings)
    assert torch.equal(before, torch.random.get_rng_state())
    with torch.random.fork_rng():
        torch.rand(3)
        assert _equal(first.weights, _train("cyclegan", settings).weights)


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_one_image_a_domain_and_batches_larger_than_a_domain_train(method: Gan) -> None:
    trained = _train(method, _settings(steps=2, batch=3), counts=(1, 2))
    assert len(trained.history) == 2


def test_history_has_a_record_a_window_and_progress_sees_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "_HISTORY_POINTS", 2)
    seen: list[tuple[int, int]] = []
    trained = train(
        "cut",
        _images(2, 1),
        _images(2, 2),
        _settings(steps=5),
        0,
        device=CPU,
        autocast=False,
        progress=lambda done, steps, _record: seen.append((done, steps)),
    )
    # Windows of 5 // 2 = 2 steps, and a last one of one step.
    assert [record["step"] for record in trained.history] == [2, 4, 5]
    assert seen == [(2, 5), (4, 5), (5, 5)]


def test_record_is_the_mean_over_its_window(monkeypatch: pytest.MonkeyPatch) -> None:
    single = _train("cut", _settings(steps=4)).history
    monkeypatch.setattr(training, "_HISTORY_POINTS", 2)
    windows = _train("cut", _settings(steps=4)).history
    assert windows[1]["nce"] == pytest.approx((single[2]["nce"] + single[3]["nce"]) / 2)


def test_learning_rate_follows_the_schedule() -> None:
    rates = [record["learning_rate"] for record in _train("cut", _settings(steps=4, decay_share=0.5)).history]
    # Two constant and two falling steps: 1, 1, 2/3, 1/3 of 2e-4.
    assert rates == pytest.approx([2e-4, 2e-4, 2e-4 * 2 / 3, 2e-4 / 3])


def test_rate_zero_at_the_end_would_stop_the_weights_but_the_last_step_still_moves_them() -> None:
    settings = _settings(steps=12)
    saved: list[dict[str, torch.Tensor]] = []
    trained = _train("cut", settings, saved=saved)
    assert not torch.equal(saved[-1]["network/to_normal/stem.weight"], trained.weights["stem.weight"])


def test_weights_are_the_generator_to_normal_only() -> None:
    saved: list[dict[str, torch.Tensor]] = []
    trained = _train("cyclegan", _settings(steps=10), saved=saved)
    prefix = "network/to_normal/"
    last = {name.removeprefix(prefix): value for name, value in saved[-1].items() if name.startswith(prefix)}
    assert _equal(trained.weights, last)


@pytest.mark.parametrize("method", ["cyclegan", "cut"])
def test_infinite_loss_stops_the_training_and_names_step_and_rows(method: Gan) -> None:
    with pytest.raises(TrainingStopped, match=r"step \d .*abnormal rows") as stopped:
        _train(method, _settings(learning_rate=1e30))
    assert stopped.value.step <= 1
    assert len(stopped.value.abnormal_rows) == len(stopped.value.normal_rows) == 2


def test_unusable_domains_are_refused() -> None:
    settings, good = _settings(), _images(2, 0)

    def attempt(abnormal: torch.Tensor, normal: torch.Tensor, masks: torch.Tensor | None = None) -> None:
        train("cut", abnormal, normal, settings, 0, device=CPU, autocast=False, normal_masks=masks)

    with pytest.raises(ValueError, match="abnormal: there is no image"):
        attempt(good[:0], good)
    with pytest.raises(ValueError, match="normal: there is no image"):
        attempt(good, good[:0])
    with pytest.raises(ValueError, match=r"normal: images and masks are .*\(2, 1, 32, 32\)"):
        attempt(good, good[..., :16])
    with pytest.raises(ValueError, match="normal: images and masks"):
        attempt(good, good, good[:1])
    with pytest.raises(ValueError, match="abnormal: images leave"):
        attempt(good * 2, good)
    with pytest.raises(ValueError, match="abnormal: images leave"):
        attempt(good * float("nan"), good)


def test_masks_confine_what_the_translator_learns_from() -> None:
    masks = torch.zeros(5, 1, 32, 32)
    masks[..., 8:24, 8:24] = 1

    def trained(abnormal_masks: torch.Tensor | None, normal_masks: torch.Tensor | None) -> Trained:
        return train(
            "cut",
            _images(5, 1),
            _images(5, 2),
            _settings(steps=2),
            0,
            device=CPU,
            autocast=False,
            abnormal_masks=abnormal_masks,
            normal_masks=normal_masks,
        )

    confined, whole, unmasked = trained(masks, masks), trained(torch.ones_like(masks), None), trained(None, None)
    assert not _equal(confined.weights, unmasked.weights)
    assert _equal(whole.weights, unmasked.weights)


def test_checkpoint_of_another_plan_is_refused() -> None:
    saved: list[dict[str, torch.Tensor]] = []
    _train("cut", _settings(), saved=saved)
    with pytest.raises(ValueError, match="resume is at step 10, but the plan has 4"):
        _train("cut", _settings(steps=4), resume=saved[-1])
    with pytest.raises(RuntimeError, match="size mismatch"):
        _train("cut", _settings(generator_width=5), resume=saved[-1])
    with pytest.raises(ValueError, match="no 'step'"):
        _train("cut", _settings(), resume={})
