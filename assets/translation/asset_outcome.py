"""What the row and the artefact of a trained arm hold."""

from typing import Any

from assets.tables.translation import TRANSLATOR_QUALITY
from assets.translation.checkpoints import Record
from assets.translation.ending import best_of
from assets.translation.stored import BACK, named_weights, table_of
from assets.translation.training import Trained
from resources.incremental import Outcome


def outcome(trained: Trained, columns: dict[str, Any], *, best: bool) -> Outcome:
    """Row and artefact of a GAN.

    Args:
        trained: what its training came to.
        columns: of the row, known before.
        best: its weights are the best by validation, where any was; else the newest.
    """
    history, checks = table_of(trained.history), table_of(trained.checks)
    chosen = best_of(trained.checks) if best else None
    measured: Record = {} if not trained.checks else trained.checks[-1 if chosen is None else chosen]
    return Outcome(
        {
            **columns,
            "steps": trained.steps,
            "stopped": None if trained.stopped == "steps" else trained.stopped,
            "history_columns": history[0],
            "checks_columns": checks[0],
            **quality(measured),
        },
        {
            **named_weights(trained.weights),
            **named_weights(trained.back or {}, BACK),
            "history": history[1],
            "checks": checks[1],
        },
    )


def quality(found: Record) -> Record:
    """What of a measurement has a column of its own."""
    return {name: value for name, value in found.items() if name in TRANSLATOR_QUALITY}


def spoken(name: str, trained: Trained) -> str:
    """One line for the log at the end of a training."""
    return (
        f"{name}: ended after {trained.steps} steps ({trained.stopped}), {trained.seconds:.1f} s, "
        f"{trained.images_per_second:.1f} images a second, {trained.waited:.1f} s without a batch"
    )
