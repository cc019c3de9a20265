"""Each abnormal radiograph with the normal ones that are nearest to it."""

import numpy as np
import numpy.typing as npt

from assets.pairing.matching import NOBODY, Codes, Rows, as_pairs

F32 = npt.NDArray[np.float32]

# Beyond the partners asked for, for those that are of the same patient or taken; more are looked for where these end.
SPARE = 8
# Distances that are put in order at once; each takes some 70 bytes.
BLOCK = 2**21


def nearest_pairs(
    abnormal: Rows, normal: Rows, patients: Codes, partners: int, vectors: F32, most_uses: int | None = None
) -> Rows:
    """The nearest normals of other patients for each abnormal radiograph.

    With a limit of uses the closest pairs of the whole cohort are made first; who finds a normal radiograph used up
    takes the next nearest that is left. Distances are worked out in blocks, so memory grows with the rows alone; where
    a block doesn't hold all who still lack a partner, the first of them are served first.

    Args:
        abnormal: rows of abnormal radiographs, in a fixed order.
        normal: rows of normal radiographs, in a fixed order.
        patients: patient of every row of the table.
        partners: for each; fewer where there are fewer normals of other patients, or these are used up.
        vectors: float32 (rows, D) of every row of the table; nearness is Euclidean.
        most_uses: at most this many pairs with one normal radiograph.

    Returns:
        (M, 2) abnormal and normal rows, of each abnormal row in the order in which they were given to it.
    """
    drawn = np.full((len(abnormal), partners), NOBODY, dtype=np.intp)
    left = np.full(len(normal), len(abnormal) if most_uses is None else most_uses)
    short, reach = np.arange(len(abnormal)), partners + SPARE
    while len(short) and left.any():
        pool = np.flatnonzero(left)
        width = min(reach, len(pool))
        from sklearn.neighbors import NearestNeighbors

        search = NearestNeighbors(n_neighbors=width, algorithm="brute").fit(vectors[normal[pool]])
        rows = max(1, BLOCK // width)
        for some in np.array_split(short, range(rows, len(short), rows)):
            distances, found = search.kneighbors(vectors[abnormal[some]])
            candidates = pool[found]
            strange = patients[normal[candidates]] != patients[abnormal[some]][:, None]
            _give(drawn, some, left, normal, np.where(strange, candidates, NOBODY), distances)
        if width == len(pool):
            break
        short, reach = np.flatnonzero((drawn == NOBODY).any(axis=1)), 4 * reach
    return as_pairs(abnormal, drawn)


def _give(
    drawn: Rows, short: Rows, left: Rows, normal: Rows, candidates: Rows, distances: npt.NDArray[np.floating]
) -> None:
    """Give candidates (S, K), closest pairs first, to those who still lack a partner, while they are not used up."""
    lacking = (drawn[short] == NOBODY).sum(axis=1).tolist()
    has = [set(row) for row in drawn[short].tolist()]
    names, width = normal.tolist(), drawn.shape[1]
    order = np.argsort(distances, axis=None, kind="stable")
    for row, candidate in zip((order // candidates.shape[1]).tolist(), candidates.ravel()[order].tolist(), strict=True):
        if candidate == NOBODY or not lacking[row] or not left[candidate] or names[candidate] in has[row]:
            continue
        drawn[short[row], width - lacking[row]] = names[candidate]
        has[row].add(names[candidate])
        left[candidate] -= 1
        lacking[row] -= 1
