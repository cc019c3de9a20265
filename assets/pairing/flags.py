"""What is worth knowing of a radiograph before one trusts a pair with it, in fixed words.

`mask_problem`: its published lung mask could not be used. `mask_passed_over`: a better liked source's lung mask failed
the gates. `base_completed`: a lung's base was completed from the other lung. `low_mask_quality`, `low_dice`: below the
limits of the settings. `folded`: its registration folds somewhere in the lungs. Of the normal side of a matched pair
besides, `relaxed_view`, `relaxed_sex` and `relaxed_age`: what it does not share with the abnormal side, for nobody was
left who did.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.settings import PairingSettings

Bools = npt.NDArray[np.bool_]

WORDS = ("mask_problem", "mask_passed_over", "base_completed", "low_mask_quality", "folded", "low_dice")
RELAXED = ("relaxed_view", "relaxed_sex", "relaxed_age")
COLUMNS = ("mask_problem", "passed_over", "base_completed", "quality", "folded_share", "dice_reference")


def quality(rows: pa.Table, settings: PairingSettings) -> Bools:
    """Which words hold of each row: (N, 6), in the order of `WORDS`.

    Args:
        rows: the columns of `COLUMNS`; null is what nobody measured and flags nothing.
        settings: limits of mask quality and overlap.
    """
    holds = [
        *(_said(rows[name]) for name in ("mask_problem", "passed_over", "base_completed")),
        _true(pc.less(rows["quality"], settings.flag_quality_below)),
        _true(pc.greater(rows["folded_share"], 0.0)),
        _true(pc.less(rows["dice_reference"], settings.flag_dice_below)),
    ]
    return np.stack(holds, axis=1)


def words_where(holds: Bools, words: Sequence[str]) -> pa.ListArray:
    """Lists of those words (K,) that hold in each row of (N, K)."""
    offsets = np.concatenate([[0], np.cumsum(holds.sum(axis=1))]).astype(np.int32)
    return pa.ListArray.from_arrays(offsets, pa.array(np.array(words, dtype=object)[np.nonzero(holds)[1]], pa.string()))


def _said(texts: pa.ChunkedArray) -> Bools:
    return _true(pc.greater(pc.utf8_length(texts), 0))


def _true(column: pa.ChunkedArray) -> Bools:
    return np.asarray(pc.fill_null(column, False).to_numpy(zero_copy_only=False), dtype=np.bool_)
