"""Random pseudo-pairs in which every normal radiograph is used about equally often."""

import numpy as np


def draw_pairs(
    abnormal: list[str], normal: list[str], normals_per_abnormal: int, rng: np.random.Generator
) -> list[tuple[str, str]]:
    """Pair each abnormal radiograph with distinct normal ones, dealt in turn from one shuffled round of all normals.

    In the registered frame any abnormal and any normal radiograph form a pseudo-pair (Oh et al. 2026); dealing in
    turn keeps a few normals from dominating.

    Args:
        abnormal: ids of abnormal radiographs, in a fixed order.
        normal: ids of normal radiographs, in a fixed order.
        normals_per_abnormal: partners for each; fewer where there are fewer normals.
        rng: source of the draw.

    Returns:
        (abnormal id, normal id) pairs, without repetition.
    """
    count = min(normals_per_abnormal, len(normal))
    order = rng.permutation(len(normal))
    return [
        (fixed, normal[order[(position * count + offset) % len(normal)]])
        for position, fixed in enumerate(abnormal)
        for offset in range(count)
    ]
