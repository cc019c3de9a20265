"""Resamples of patients as weights, the same for every arm, and what a measure comes to on each."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

F64 = npt.NDArray[np.float64]
Index = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Sampled:
    """A measure of all patients, and of each resample of them.

    Attributes:
        value: of all; NaN where it is not defined.
        samples: (R,), NaN where it is not defined.
    """

    value: float
    samples: F64

    @classmethod
    def of(cls, values: F64) -> "Sampled":
        """From (R + 1,) values of the rows of `patient_weights`."""
        return cls(float(values[0]), values[1:])

    def minus(self, other: "Sampled") -> "Sampled":
        """The paired difference."""
        return Sampled(self.value - other.value, self.samples - other.samples)

    def interval(self, confidence: float) -> tuple[float | None, float | None]:
        """Central interval of the samples that are defined; None where none is."""
        defined = self.samples[np.isfinite(self.samples)]
        if not len(defined):
            return None, None
        tail = (1 - confidence) / 2
        low, high = np.quantile(defined, [tail, 1 - tail])
        return float(low), float(high)


def patient_weights(drawn: Mask, resamples: int, seed: int) -> F64:
    """How often each patient is in each resample, behind a first row in which each is once.

    Patients whose findings are drawn and others are drawn apart, each with replacement to its own number, so no
    resample is left without either.

    Args:
        drawn: (P,) whether the patient has a radiograph whose findings are drawn.
        resamples: R.
        seed: of the generator.

    Returns:
        (R + 1, P) float64.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 8 (two samples) and 13.
    """
    rng = np.random.default_rng(seed)
    weights = np.ones((resamples + 1, len(drawn)))
    for group in (np.flatnonzero(drawn), np.flatnonzero(~drawn)):
        if len(group):
            weights[1:, group] = rng.multinomial(len(group), np.full(len(group), 1 / len(group)), size=resamples)
    return weights


def ratio(above: F64, below: F64, patients: Index, weights: F64) -> F64:
    """Sum of `above` over sum of `below` on each resample.

    Args:
        above: (N,), for example hits of a radiograph.
        below: (N,), for example boxes of it.
        patients: (N,) columns of the weights.
        weights: (R + 1, P).

    Returns:
        (R + 1,), NaN where the second sum is 0.
    """
    count = weights.shape[1]
    top, bottom = (weights @ np.bincount(patients, each, count) for each in (above, below))
    return np.asarray(np.divide(top, bottom, out=np.full(len(weights), np.nan), where=bottom > 0))


def mean_of(several: list[F64]) -> F64:
    """Mean over draws of a guess of what each comes to on the same resamples, (R + 1,)."""
    return np.asarray(np.mean(np.stack(several), axis=0))
