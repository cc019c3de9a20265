"""Splits and shards by a hash of the patient: nobody moves when the cohort grows."""

import hashlib
from typing import Literal

Split = Literal["train", "validation", "test"]


def assign_split(pseudonym: str, test_share: float, validation_share: float, seed: int) -> Split:
    """Split of a patient, from the pseudonym alone.

    Args:
        pseudonym: of the patient; all radiographs of a patient get the same split.
        test_share: expected share of patients in test.
        validation_share: expected share of patients in validation.
        seed: another seed draws another split.

    Raises:
        ValueError: shares that are negative or leave nothing to train on.
    """
    if min(test_share, validation_share) < 0 or test_share + validation_share >= 1:
        raise ValueError(
            f"test_share {test_share:g}, validation_share {validation_share:g}: expected two shares of at least 0 "
            "that sum to less than 1; lower them"
        )
    draw = _hash(f"split {seed} {pseudonym}") / 2**64
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
