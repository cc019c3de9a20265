"""A training while it runs: steps, and what happens between them."""

from collections.abc import Mapping
from contextlib import closing
from functools import partial

import torch
from torch import Tensor

from assets.translation.arms import Gan
from assets.translation.checkpoints import Progress, UnusableCheckpoint, capture, copied, finite, restore
from assets.translation.compute import Compute, prepare_networks
from assets.translation.ema import AveragedWeights
from assets.translation.ending import Stopped, ending
from assets.translation.feed import Drawn, Sampler, fed
from assets.translation.guards import guarded, require_finite, require_finite_images, require_finite_weights
from assets.translation.inference import translate
from assets.translation.methods import untrained
from assets.translation.presets import TranslationPlan, resolved
from assets.translation.reporting import Around, close_window, measure, pace, rate, window_ends
from assets.translation.sampling import generator_for
from assets.translation.settings import TranslationSettings
from assets.translation.watch import Translate

Weights = dict[str, Tensor]


class Loop:
    """Networks and progress of one training.

    Args:
        method: what to train.
        settings: of the stage.
        seed: of the training.
        compute: where, and in which arithmetic.
        around: whoever it reports to.
    """

    def __init__(self, method: Gan, settings: TranslationSettings, seed: int, compute: Compute, around: Around) -> None:
        self.method: Gan = method
        self.settings, self.compute, self.around = settings, compute, around
        self.plan: TranslationPlan = resolved(settings, method)
        self.translator = untrained(method, self.plan, generator_for(seed, "weights", 0), compute.device)
        networks = self.translator.networks
        generators = [network for name, network in networks.items() if name.startswith("to_")]
        prepare_networks(networks.values(), generators, compute)
        self.average = AveragedWeights(self.translator.to_normal, self.plan.ema_decay) if self.plan.ema_decay else None
        self.progress = Progress()
        self._last_tick = self._last_saved = around.clock()
        self._reported = (0, 0.0)

    def take_up(self, state: Mapping[str, Tensor]) -> None:
        """Go on from a captured state.

        Raises:
            UnusableCheckpoint: it is of another plan or architecture.
        """
        progress = restore(self.translator, state, self.compute.device, self.average)
        if progress.step > self.plan.steps:
            raise UnusableCheckpoint(f"the state is at step {progress.step}, but the plan has {self.plan.steps}")
        self.progress = progress
        self._reported = (progress.step, progress.spent.stepping)
        if self.around.watch is not None:
            self.around.watch.resumed(progress.history, progress.checks)

    def run(self, sampler: Sampler) -> Stopped:
        """Every step that is left, and a last measurement; why it ended.

        Raises:
            TrainingStopped: a loss, gradient or weight is not finite.
        """
        self._last_tick = self._last_saved = self.around.clock()
        drawn: Drawn | None = None
        with closing(fed(sampler.draw, self.progress.step, self.plan.steps, self.around.clock)) as batches:
            while (stopped := self._ending()) is None:
                drawn, waited = next(batches)
                self._step(drawn, waited)
                if self.progress.step % self.plan.check_every == 0:
                    self._measure(drawn)
                if window_ends(self.progress.step, self.plan.steps):
                    self._report()
                self._save()
                self.around.stepped()
        if self.progress.window:
            self._report()
        if drawn is not None:
            require_finite_weights(self.progress.step - 1, self._weights(), drawn)
        self._measure(drawn)
        return stopped

    def final_weights(self) -> Weights:
        """What translates: the best by validation where that ends a training, else the newest."""
        return copied(self.progress.best or self._weights())

    def final_back(self) -> Weights | None:
        """The newest generator from normal to abnormal; None where there is none, or where an earlier step counts."""
        back = self.translator.networks.get("to_abnormal")
        return None if back is None or self.progress.best else copied(dict(back.state_dict()))

    def _weights(self) -> Weights:
        return self.average.weights if self.average else dict(self.translator.to_normal.state_dict())

    def _ending(self) -> Stopped | None:
        progress, settings = self.progress, self.settings
        return ending(
            progress.step, self.plan.steps, progress.checks, settings.patience, progress.spent.seconds, settings.minutes
        )

    def _step(self, drawn: Drawn, waited: float) -> None:
        plan, progress = self.plan, self.progress
        begun = self.around.clock()
        require_finite_images(progress.step, drawn)
        for optimizer in self.translator.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = rate(progress.step, plan)
        named = self.translator.step(
            drawn.abnormal.to(self.compute.device),
            drawn.normal.to(self.compute.device),
            drawn.randomness,
            autocast=self.compute.autocast,
        )
        # One transfer for all losses.
        losses = dict(zip(named, torch.stack(list(named.values())).tolist(), strict=True))
        require_finite(progress.step, losses, drawn)
        if self.average is not None:
            self.average.update(self.translator.to_normal, progress.step)
        progress.step += 1
        progress.window.append(losses)
        progress.spent.stepping += waited + self.around.clock() - begun
        progress.spent.waited += waited
        self._tick()

    def _tick(self) -> None:
        now = self.around.clock()
        self.progress.spent.seconds += now - self._last_tick
        self._last_tick = now

    def _measure(self, drawn: Drawn | None) -> None:
        watch, settings, compute = self.around.watch, self.settings, self.compute
        if watch is None or not settings.checked_images:
            return
        weights = self._weights()
        device, autocast = compute.device, compute.autocast
        look: Translate = partial(translate, self.method, weights, settings=settings, device=device, autocast=autocast)
        look = guarded(look, self.progress.step - 1, drawn)
        measure(self.progress, watch, look, weights, settings.patience)
        self._tick()

    def _report(self) -> None:
        record = close_window(self.progress, self.plan)
        if self.around.watch is not None:
            minutes = self.settings.minutes
            self.around.watch.progress(pace(self.progress, self.plan, record, self._reported, minutes))
        self._reported = (self.progress.step, self.progress.spent.stepping)

    def _save(self) -> None:
        """Hand out the state, if it is time and nothing in it is broken."""
        save, now = self.around.checkpoint, self.around.clock()
        if save is None or now - self._last_saved < 60 * self.settings.checkpoint_minutes:
            return
        state = capture(self.translator, self.progress, self.average)
        if finite(state):
            save(state)
        self._last_saved = self.around.clock()
        self._tick()
