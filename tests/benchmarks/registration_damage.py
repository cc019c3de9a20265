"""What damaged lung masks cost IT-PR and IT-DPR, in landmark error.

Bites, jagged borders and missing bases are among the damages that IT-DPR is trained on (`damaged_displacements`), at
other places and grades: how it deals with them is no proof that it deals with others. Grown lungs are never trained on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.peers.case import Align
from assets.registration_report.arms import Methods, arms
from assets.registration_report.measured import one_thread
from assets.registration_report.settings import ArmName
from assets.segmenter.damage import bite, cut_base, jag, swell
from tests.benchmarks.registration_data import Subject, case_of
from tests.benchmarks.registration_measures import errors_of

U8 = npt.NDArray[np.uint8]
COMPARED: tuple[ArmName, ...] = ("it_pr", "it_dpr")
Damage = Callable[[U8, int, np.random.Generator], U8]


def _bitten(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return bite(lungs, label, 16 / 256, rng)


def _jagged(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return jag(lungs, 1.8 / 256, rng)


def _without_base(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return cut_base(lungs, label, 0.22)


def _grown(lungs: U8, label: int, rng: np.random.Generator) -> U8:
    return swell(swell(lungs, 1, 4 / 256), 2, 4 / 256)


DAMAGES: dict[str, Damage] = {
    "bite of 16 px": _bitten,
    "jagged border, 1.8 px": _jagged,
    "base missing, 22 %": _without_base,
    "grown by 4 px, never trained on": _grown,
}


@dataclass(frozen=True)
class Loss:
    """Mean landmark error in px of an arm with clean and with damaged masks."""

    clean: float
    damaged: float

    @property
    def lost(self) -> float:
        """What the damage costs, px."""
        return self.damaged - self.clean


def losses(methods: Methods, subjects: Sequence[Subject], seed: int) -> dict[str, dict[ArmName, Loss]]:
    """By damage and arm; the right and the left lung are damaged in turns, or both grown; the reference is whole.

    A damaged mask sets the image's window, too, as it would in a cohort.
    """
    ways = arms(methods)
    with one_thread():
        clean = {arm: _error(ways[arm], subjects, None, seed) for arm in COMPARED}
        return {
            name: {arm: Loss(clean[arm], _error(ways[arm], subjects, damage, seed)) for arm in COMPARED}
            for name, damage in DAMAGES.items()
        }


def _error(way: Align, subjects: Sequence[Subject], damage: Damage | None, seed: int) -> float:
    errors = []
    for number, subject in enumerate(subjects):
        lungs = subject.phantom.lungs
        if damage is not None:
            lungs = damage(lungs, 1 + number % 2, np.random.default_rng([seed, subject.index]))
        errors.append(errors_of(subject, way(case_of(subject.phantom, lungs))))
    return float(np.mean(errors))
