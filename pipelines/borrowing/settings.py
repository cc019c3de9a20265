"""The settings with which a cohort borrows all models, and is prepared as their lender was."""

from collections.abc import Mapping
from typing import Any

from pipelines.borrowing.lender import BorrowingError
from pipelines.settings import STAGE_SETTINGS
from resources.generation import Generation
from resources.taken_models import Settings, Taken

# What decides pixels or numbers that the models were fitted to: another value would need other models.
FIXED: dict[str, tuple[str, ...] | None] = {
    "radiographs": ("size", "low_percentile", "high_percentile"),
    "prealigned_radiographs": None,
    "registered_radiographs": None,
    "anomaly_maps": None,
    "evaluation": ("patient_score", "specificity"),
}
# The cohort may decide otherwise: masks of its own, say.
PROPOSED: dict[str, tuple[str, ...] | None] = {
    "lung_masks": None,
    "localisation": None,
    "evaluation": ("headline", "confidence"),
}
ALL_TEST = {"test_share": 1.0, "validation_share": 0.0, "folds": 0, "fold": 0}
UNDECIDED = {"share_set_aside", "borrow_from"}


def taken_settings(
    declared: Mapping[str, Any], generation: Generation, lenders: Mapping[str, str], model: str, *, undo_squash: bool
) -> Taken:
    """The settings with which a cohort borrows all models and is prepared as the lender was.

    Args:
        declared: the settings of its declaration.
        generation: the lender's models and settings.
        lenders: see `lenders_by_stage`.
        model: as it was asked for.
        undo_squash: whether the lender's images were stretched back, and the cohort's table tells how to.

    Raises:
        BorrowingError: the cohort declares something that its lender's models were not made for.
    """
    fixed: Settings = {stage: _decided(stage, generation, names) for stage, names in FIXED.items()}
    for stage, theirs in fixed.items():
        _require_same(stage, declared.get(stage, {}), theirs)
    for stage, lender in lenders.items():
        fixed[stage] = {**fixed.get(stage, {}), "borrow_from": lender}
    fixed["radiographs"] |= ALL_TEST
    if undo_squash:
        fixed["radiographs"]["undo_squash"] = True
    proposed = {stage: _decided(stage, generation, names) for stage, names in PROPOSED.items()}
    return Taken(
        model=model,
        fixed={stage: values for stage, values in fixed.items() if values},
        proposed={stage: values for stage, values in proposed.items() if values},
    )


def _decided(stage: str, generation: Generation, names: tuple[str, ...] | None) -> dict[str, Any]:
    """What the lender's stage was run with, as far as it counts."""
    used = generation.settings.get(stage, {})
    known = STAGE_SETTINGS[stage].model_fields.keys() & used.keys() - UNDECIDED
    return {name: used[name] for name in used if name in known and (names is None or name in names)}


def _require_same(stage: str, declared: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    for name, value in declared.items():
        if name in theirs and value != theirs[name]:
            raise BorrowingError(
                f"settings.{stage}.{name} is {value!r}, but the borrowed models were made with {theirs[name]!r}; take "
                "it out of the cohort's file, or leave out --model and train its own models"
            )
