"""The policies of the settings on the table of a cohort's registered radiographs."""

from collections.abc import Callable
from itertools import accumulate

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing.matching import Codes, Rows, fixed_pairs, matched_pairs, random_pairs
from assets.pairing.nearest import nearest_pairs
from assets.pairing.settings import PairingSettings

F32 = npt.NDArray[np.float32]
Vectors = Callable[[Rows], F32]

SPLITS = ("train", "validation", "test")
# Widest first: an age band gives way first, then the sex, then the view.
STRATA = ("view", "sex", "age")


def choose_pairs(rows: pa.Table, settings: PairingSettings, vectors: Vectors) -> Rows:
    """Pairs of a cohort, split by split.

    Args:
        rows: radiographs in a fixed order, with columns patient, split, domain, view, sex and age.
        settings: policy and numbers.
        vectors: gives the float32 vectors (K, D) of these K rows, of which nearness is made; called by policy nearest
            alone, once a split.

    Returns:
        (M, 2) rows of the table, abnormal and normal.
    """
    patients = codes(rows["patient"])
    split, domain = (np.asarray(rows[name].to_numpy(zero_copy_only=False)) for name in ("split", "domain"))
    levels = levels_of(strata(rows, settings.age_band)) if settings.policy == "matched" else []
    found = []
    for number, name in enumerate(SPLITS):
        abnormal, normal = (np.flatnonzero((split == name) & (domain == side)) for side in ("abnormal", "normal"))
        rng = np.random.default_rng([settings.seed, number])
        partners = settings.normals_per_abnormal
        match settings.policy:
            case "random":
                found.append(random_pairs(abnormal, normal, patients, partners, rng))
            case "matched":
                found.append(matched_pairs(abnormal, normal, patients, partners, levels, rng))
            case "fixed":
                found.append(fixed_pairs(abnormal, normal, patients, rng))
            case "nearest":
                found.append(_nearest(abnormal, normal, patients, settings, vectors))
    return np.concatenate(found)


def _nearest(abnormal: Rows, normal: Rows, patients: Codes, settings: PairingSettings, vectors: Vectors) -> Rows:
    if not (len(abnormal) and len(normal)):
        return np.zeros((0, 2), dtype=np.intp)
    rows = np.concatenate([abnormal, normal])
    places = np.arange(len(rows))
    chosen = nearest_pairs(
        places[: len(abnormal)],
        places[len(abnormal) :],
        patients[rows],
        settings.normals_per_abnormal,
        vectors(rows),
        settings.most_uses,
    )
    return np.asarray(rows[chosen], dtype=np.intp)


def codes(column: pa.ChunkedArray | pa.Array) -> Codes:
    """A number for each value of a column, equal for equal values; what is unknown is a value of its own."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    encoded = pc.dictionary_encode(whole, null_encoding="encode")
    return np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)


def strata(rows: pa.Table, age_band: float) -> dict[str, Codes]:
    """View, sex and age band of every row as numbers, the unknown among them.

    A cohort is one source; radiographs of several sources never meet in one table.
    """
    bands = pc.floor(pc.divide(rows["age"], age_band))
    return {"view": codes(rows["view"]), "sex": codes(rows["sex"]), "age": codes(bands)}


def levels_of(known: dict[str, Codes]) -> list[Codes]:
    """Strata from the narrowest (view, sex and age band) by giving up age, then sex, then view."""
    everyone = np.zeros(len(known["view"]), dtype=np.int64)
    widest_first = accumulate((known[name] for name in STRATA), _crossed, initial=everyone)
    return list(widest_first)[::-1]


def relaxations(known: dict[str, Codes], pairs: Rows) -> npt.NDArray[np.bool_]:
    """(M, 3): whether the sides of each pair differ in view, sex or age band, in the order of `STRATA`."""
    return np.stack([known[name][pairs[:, 0]] != known[name][pairs[:, 1]] for name in STRATA], axis=1)


def _crossed(one: Codes, other: Codes) -> Codes:
    return np.unique(np.stack([one, other], axis=1), axis=0, return_inverse=True)[1].reshape(-1)
