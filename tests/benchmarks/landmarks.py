"""Landmark error of IT-PR and its peers on phantoms: ``python -m tests.benchmarks.landmarks``."""

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt

from assets.peers.classical import affine_bspline
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.reference_lung import medoid
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.render import Phantom
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.folds import folded_share
from assets.registration_report.measures import landmark_errors

F32 = npt.NDArray[np.float32]
Align = Callable[[Phantom], F32]


@dataclass(frozen=True)
class Result:
    """Landmark errors of one method.

    Attributes:
        errors: (subjects, 40) px.
        milliseconds: median CPU time of an image, one thread.
        folded: mean share of the reference lungs' pixels that fold.
    """

    errors: npt.NDArray[np.float64]
    milliseconds: float
    folded: float


def cohort(subjects: int, seed: int = 0) -> list[Phantom]:
    """The first subjects of the phantom cohort with the given seed."""
    chosen = PhantomSettings(subjects=max(subjects, 2), seed=seed)
    return [phantom_subject(index, seed, chosen) for index in range(subjects)]


def reference_index(phantoms: Sequence[Phantom]) -> int:
    """Index of the medoid of the normal subjects (the even ones)."""
    return 2 * medoid([phantom.lungs for phantom in phantoms[::2]])


def evaluate(reference: Phantom, moving: Sequence[Phantom], align: Align) -> Result:
    """Landmark errors, CPU time and folds of one method over the moving subjects."""
    errors, spent, folds = [], [], []
    for phantom in moving:
        start = time.thread_time()
        displacement = align(phantom)
        spent.append(time.thread_time() - start)
        errors.append(landmark_errors(reference.landmarks, phantom.landmarks, displacement))
        folds.append(folded_share(displacement, reference.lungs > 0))
    return Result(np.array(errors), 1000 * float(np.median(spent)), float(np.mean(folds)))


def it_pr(reference: Phantom, chosen: PrealignmentSettings) -> Align:
    """IT-PR onto one reference."""
    frame = reference_frame(reference.lungs, chosen)
    return lambda phantom: prealign(frame, phantom.lungs, chosen)


def methods(reference: Phantom) -> dict[str, Align]:
    """The methods that need no image."""
    return {
        "unregistered": lambda phantom: np.zeros((2, *phantom.lungs.shape), np.float32),
        "lung_box": lambda phantom: lung_box_displacement(reference.lungs, phantom.lungs),
        "it_pr_box": it_pr(reference, PrealignmentSettings(mode="box")),
        "it_pr_rows": it_pr(reference, PrealignmentSettings(mode="rows")),
        "it_pr_rows_tilt": it_pr(reference, PrealignmentSettings(mode="rows_tilt")),
    }


def main() -> None:
    """Print the table, then the same as one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int, default=100)
    parser.add_argument("--peers", type=int, default=20, help="subjects for the slow peers, the first of the same")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    phantoms = cohort(arguments.subjects, arguments.seed)
    index = reference_index(phantoms)
    reference, moving = phantoms[index], phantoms[:index] + phantoms[index + 1 :]
    table = {name: evaluate(reference, moving, align) for name, align in methods(reference).items()}
    if arguments.peers:
        few = moving[: arguments.peers]
        table["it_pr_rows_tilt, same few"] = evaluate(reference, few, methods(reference)["it_pr_rows_tilt"])
        table["simpleitk_affine_bspline"] = evaluate(
            reference, few, lambda phantom: affine_bspline(reference.image, phantom.image)
        )
    print(f"reference: subject {index} of seed {arguments.seed}")
    print(f"{'method':<28}{'n':>5}{'mean px':>9}{'p90 px':>9}{'ms':>9}{'folded':>10}")
    rows = {name: _row(result) for name, result in table.items()}
    for name, row in rows.items():
        print(f"{name:<28}{row['n']:>5}{row['mean']:>9.2f}{row['p90']:>9.2f}{row['ms']:>9.1f}{row['folded']:>10.5f}")
    print(json.dumps({"reference": index, "seed": arguments.seed, "methods": rows}))


def _row(result: Result) -> dict[str, float]:
    return {
        "n": len(result.errors),
        "mean": float(result.errors.mean()),
        "p90": float(np.percentile(result.errors, 90)),
        "ms": result.milliseconds,
        "folded": result.folded,
    }


if __name__ == "__main__":
    main()
