"""Splits and shards by a hash of the patient: nobody moves when the cohort grows."""

import hashlib
from typing import Literal

Split = Literal["train", "validation", "test"]


def assign_split(
    pseudonym: str,
    test_share: float,
    validation_share: float,
    seed: int,
    *,
    may_be_held_out: bool = True,
    folds: int = 0,
    fold: int = 0,
) -> Split:
    """Split of a patient, from the pseudonym alone.

    Args:
        pseudonym: of the patient; all radiographs of a patient get the same split.
        test_share: expected share of patients in test; 1 where nothing is trained. Not looked at with folds.
        validation_share: expected share of patients in validation; with folds, of those outside the fold.
        seed: another seed draws another split.
        may_be_held_out: whether test and validation are among the splits; otherwise the patient trains, unless
            test_share is 1 and nobody does.
        folds: parts that the patients are cut into, of which one is test; 0 for none. Over all folds every patient is
            in test exactly once.
        fold: which part is test, 0 to folds - 1.

    Raises:
        ValueError: shares that are negative or sum to more than 1, or a fold that there is not.
    """
    if folds and not (folds > 1 and 0 <= fold < folds):
        raise ValueError(f"folds {folds}, fold {fold}: expected at least 2 folds and one of 0 to folds - 1")
    share = 1 / folds if folds else test_share
    if min(share, validation_share) < 0 or (validation_share >= 1 if folds else share + validation_share > 1):
        raise ValueError(
            f"test_share {test_share:g}, validation_share {validation_share:g}: expected two shares of at least 0 "
            "that sum to at most 1; lower them"
        )
    draw = _hash(f"split {seed} {pseudonym}") / 2**64
    # Where everybody is tested, nobody trains.
    if not may_be_held_out and (folds or test_share < 1):
        return "train"
    if folds:
        if int(draw * folds) == fold:
            return "test"
        again = _hash(f"validation {seed} {folds} {fold} {pseudonym}") / 2**64
        return "validation" if again < validation_share else "train"
    if draw < test_share:
        return "test"
    return "validation" if draw < test_share + validation_share else "train"


def shard_of(pseudonym: str, shards: int) -> int:
    """Shard of a patient, 0 to shards - 1, independent of the split.

    Raises:
        ValueError: fewer than one shard.
    """
    if shards < 1:
        raise ValueError(f"shards {shards}: expected at least 1; mend the cohort's declaration")
    return _hash(f"shard {pseudonym}") % shards


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
