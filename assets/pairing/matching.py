"""Who stands beside whom: partners dealt in turn, by stratum, one to one, or by nearness.

Rows are indices into one table of a cohort; `patients` and the other arrays have an entry for each of its rows. Every
function gives pairs (M, 2) of an abnormal and a normal row, in the order of the abnormal ones: no pair twice, and never
two radiographs of one patient.
"""

from collections.abc import Sequence
from itertools import islice

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.intp]
Codes = npt.NDArray[np.int64]

NOBODY = -1


def random_pairs(abnormal: Rows, normal: Rows, patients: Codes, partners: int, rng: np.random.Generator) -> Rows:
    """Distinct normal partners for each abnormal radiograph, dealt in turn from one shuffled round of all normals.

    In the registered frame any abnormal and any normal radiograph form a pseudo-pair (Oh et al. 2026); dealing in
    turn keeps a few normals from dominating. A normal radiograph of the same patient is passed over. A new abnormal
    radiograph moves the deal of those after it; a new normal one shuffles the round anew.

    Args:
        abnormal: rows of abnormal radiographs, in a fixed order.
        normal: rows of normal radiographs, in a fixed order.
        patients: patient of every row of the table.
        partners: for each; fewer where there are fewer normals of other patients.
        rng: source of the draw.
    """
    return as_pairs(abnormal, _dealt(abnormal, normal[rng.permutation(len(normal))], patients, partners))


def matched_pairs(
    abnormal: Rows,
    normal: Rows,
    patients: Codes,
    partners: int,
    levels: Sequence[Codes],
    rng: np.random.Generator,
) -> Rows:
    """Partners dealt in turn within the abnormal radiograph's own stratum, and beyond it only where that runs out.

    Args:
        abnormal: rows of abnormal radiographs, in a fixed order.
        normal: rows of normal radiographs, in a fixed order.
        patients: patient of every row of the table.
        partners: for each; fewer where there are fewer normals of other patients.
        levels: stratum of every row, from the narrowest to the widest that may be dealt from.
        rng: source of the draw.
    """
    drawn = np.full((len(abnormal), partners), NOBODY, dtype=np.intp)
    for number, strata in enumerate(levels):
        short = np.flatnonzero((drawn == NOBODY).any(axis=1))
        for stratum in np.unique(strata[abnormal[short]]):
            mine, theirs = short[strata[abnormal[short]] == stratum], normal[strata[normal] == stratum]
            order = theirs[rng.permutation(len(theirs))]
            if number == 0:
                first = _dealt(abnormal[mine], order, patients, partners)
                drawn[mine, : first.shape[1]] = first
            else:
                _top_up(drawn, mine, abnormal, order, patients)
    return as_pairs(abnormal, drawn)


def fixed_pairs(abnormal: Rows, normal: Rows, patients: Codes, rng: np.random.Generator) -> Rows:
    """One to one, shuffled: nobody twice, and as many pairs as there can be.

    Where the shuffle puts a patient beside himself, he changes places with somebody for whom that makes no such pair;
    only if every other place holds this patient too is there nobody, and then no other matching has more pairs.

    Args:
        abnormal: rows of abnormal radiographs, in a fixed order.
        normal: rows of normal radiographs, in a fixed order.
        patients: patient of every row of the table.
        rng: source of the draw.
    """
    places = max(len(abnormal), len(normal))
    sides = [
        np.concatenate([rng.permutation(rows), np.full(places - len(rows), NOBODY)]) for rows in (abnormal, normal)
    ]
    # An empty place is a patient like no other, of each side another one.
    whose = [np.where(side == NOBODY, nobody, patients[side]) for side, nobody in zip(sides, (-1, -2), strict=True)]
    for place in np.flatnonzero(whose[0] == whose[1]):
        free = np.flatnonzero((whose[0] != whose[1][place]) & (whose[1] != whose[0][place]))
        if whose[0][place] == whose[1][place] and len(free):
            for held in (sides[1], whose[1]):
                held[[place, free[0]]] = held[[free[0], place]]
    kept = (sides[0] != NOBODY) & (sides[1] != NOBODY) & (whose[0] != whose[1])
    pairs = np.stack([sides[0][kept], sides[1][kept]], axis=1)
    return np.asarray(pairs[np.argsort(pairs[:, 0])], dtype=np.intp)


def as_pairs(abnormal: Rows, drawn: Rows) -> Rows:
    """Pairs (M, 2) from the partners (A, k) of each abnormal row, of which `NOBODY` is none."""
    flat = drawn.ravel()
    pairs = np.stack([np.repeat(abnormal, drawn.shape[1]), flat], axis=1)
    return np.asarray(pairs[flat != NOBODY], dtype=np.intp)


def _dealt(abnormal: Rows, order: Rows, patients: Codes, partners: int) -> Rows:
    """Partners (A, k) dealt in turn from `order`, k at most its length."""
    width = min(partners, len(order))
    if not width:
        return np.full((len(abnormal), 0), NOBODY, dtype=np.intp)
    starts = np.arange(len(abnormal)) * width
    drawn: Rows = order[(starts[:, None] + np.arange(width)) % len(order)]
    clashing = np.flatnonzero((patients[drawn] == patients[abnormal][:, None]).any(axis=1))
    for row in clashing:
        others = _others(order, int(starts[row]), patients, int(patients[abnormal[row]]), set(), width)
        drawn[row] = [*others, *[NOBODY] * (width - len(others))]
    return drawn


def _top_up(drawn: Rows, short: Rows, abnormal: Rows, order: Rows, patients: Codes) -> None:
    """Fill the empty places of some abnormal rows' partners, dealing on from `order`."""
    start = 0
    for row in short:
        places = np.flatnonzero(drawn[row] == NOBODY)
        others = _others(order, start, patients, int(patients[abnormal[row]]), set(drawn[row].tolist()), len(places))
        drawn[row, places[: len(others)]] = others
        start += len(others)


def _others(order: Rows, start: int, patients: Codes, patient: int, taken: set[int], wanted: int) -> list[int]:
    dealt = (int(order[(start + step) % len(order)]) for step in range(len(order)))
    return list(islice((row for row in dealt if row not in taken and patients[row] != patient), wanted))
