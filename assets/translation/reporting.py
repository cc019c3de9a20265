"""What a training says of itself while it runs: its history, its pace, and what validation says."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from assets.translation.checkpoints import Progress, Record, copied
from assets.translation.ending import best_of
from assets.translation.optimization import rate_factor
from assets.translation.presets import TranslationPlan
from assets.translation.watch import VALIDATION_AUC, Pace, Translate, Watch

# A curve of about a hundred points shows a training.
_HISTORY_POINTS = 100
_LONGEST_WINDOW = 200


@dataclass(frozen=True)
class Around:
    """Whoever a training reports to.

    Attributes:
        watch: sees and measures it.
        checkpoint: receives its state.
        clock: seconds since any time.
        stepped: called after every step; what it raises ends the training.
    """

    watch: Watch | None
    checkpoint: Callable[[dict[str, Tensor]], None] | None
    clock: Callable[[], float]
    stepped: Callable[[], None]


def rate(step: int, plan: TranslationPlan) -> float:
    """Learning rate of a step, counted from 0."""
    return plan.learning_rate * rate_factor(step, plan.steps, plan.decay_share)


def window_ends(step: int, steps: int) -> bool:
    """Whether a record of the history is due after `step` of `steps` steps."""
    return step % max(1, min(_LONGEST_WINDOW, steps // _HISTORY_POINTS)) == 0 or step == steps


def close_window(progress: Progress, plan: TranslationPlan) -> Record:
    """Turn the losses since the last record into one; that record."""
    window = progress.window
    means = {name: sum(losses[name] for losses in window) / len(window) for name in window[0]}
    record = {"step": float(progress.step), "learning_rate": rate(progress.step - 1, plan), **means}
    progress.history.append(record)
    window.clear()
    return record


def pace(
    progress: Progress, plan: TranslationPlan, record: Record, since: tuple[int, float], minutes: float | None
) -> Pace:
    """How fast a training is.

    Args:
        progress: where it stands.
        plan: what it is to do.
        record: the newest of its history.
        since: steps done and seconds of stepping at the last report.
        minutes: its time budget; None for none.
    """
    losses = {name: value for name, value in record.items() if name != "step"}
    done, seconds = progress.step - since[0], progress.spent.stepping - since[1]
    if done <= 0 or seconds <= 0:
        return Pace(progress.step, plan.steps, losses, None, None)
    left = (plan.steps - progress.step) * seconds / done
    if minutes is not None:
        left = min(left, max(0.0, 60 * minutes - progress.spent.seconds))
    return Pace(progress.step, plan.steps, losses, 2 * plan.batch * done / seconds, left)


def measure(progress: Progress, watch: Watch, look: Translate, weights: Mapping[str, Tensor], patience: int) -> None:
    """Let the watch measure, unless it has after this step, and keep the weights where they are the best so far.

    Args:
        progress: receives the measurement, and the best weights if `patience` is not 0.
        watch: measures.
        look: translates with the weights.
        weights: of the generator to normal.
        patience: see `ending.early_stop`.

    Raises:
        ValueError: a training is to end by the validation AUC, and the watch has none.
    """
    if progress.checks and progress.checks[-1]["step"] == progress.step:
        return
    found = watch.check(progress.step, look)
    if patience and VALIDATION_AUC not in found:
        raise ValueError(
            f"patience={patience} stops by the validation AUC, but it cannot be measured; a cohort needs normal and "
            "abnormal radiographs in its validation part, or set patience to 0"
        )
    progress.checks.append({"step": float(progress.step), **found})
    if patience and best_of(progress.checks) == len(progress.checks) - 1:
        progress.best = copied(weights)
