"""Random pseudo-pairs of different patients in which every normal radiograph is used about equally often."""

from collections.abc import Mapping
from itertools import islice

import numpy as np


def draw_pairs(
    abnormal: list[str],
    normal: list[str],
    normals_per_abnormal: int,
    rng: np.random.Generator,
    patients: Mapping[str, str],
) -> list[tuple[str, str]]:
    """Pair each abnormal radiograph with distinct normal ones, dealt in turn from one shuffled round of all normals.

    In the registered frame any abnormal and any normal radiograph form a pseudo-pair (Oh et al. 2026); dealing in
    turn keeps a few normals from dominating. A normal radiograph of the same patient is passed over.

    Args:
        abnormal: ids of abnormal radiographs, in a fixed order.
        normal: ids of normal radiographs, in a fixed order.
        normals_per_abnormal: partners for each; fewer where there are fewer normals of other patients.
        rng: source of the draw.
        patients: patient of every id.

    Returns:
        (abnormal id, normal id) pairs, without repetition.
    """
    order = rng.permutation(len(normal))
    pairs: list[tuple[str, str]] = []
    for position, fixed in enumerate(abnormal):
        start = position * min(normals_per_abnormal, len(normal))
        dealt = (normal[order[(start + step) % len(normal)]] for step in range(len(normal)))
        others = (partner for partner in dealt if patients[partner] != patients[fixed])
        pairs.extend((fixed, partner) for partner in islice(others, normals_per_abnormal))
    return pairs
