"""Every arm of the registration benchmark on the same pairs: accuracy, lesions, time and memory."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context

import numpy as np
import numpy.typing as npt
import torch

from assets.peers import optional
from assets.peers.case import Align, Case
from assets.registration_report.arms import ELSEWHERE, Methods, arms, chosen, inverses
from assets.registration_report.measured import measure, one_thread, timed
from assets.registration_report.measures import landmark_errors
from assets.registration_report.settings import ArmName
from assets.registration_report.summary import arm_line
from assets.segmenter.inference import predict
from assets.segmenter.network import build_network
from assets.segmenter.settings import SegmenterSettings
from resources.memory import with_peak
from tests.benchmarks.registration_data import Subject, say
from tests.benchmarks.registration_models import Bundle, methods_of

WARM_UP = 1
# Processor time beside the wall time: on a busy machine the two part.
CPU_MS = "cpu_ms"
# Loads its libraries, hundreds of MiB, when it is first used: no part of what an image needs.
LAZY = {"syn": optional.syn}
COARSE = 4


@dataclass(frozen=True)
class Figures:
    """One arm on all test subjects.

    Attributes:
        line: means and medians, by the report's names; `ms` is the median of wall times after a warm-up.
        peak_mib: rise of the resident set for one image in a process of its own, over what imports and models take.
    """

    line: dict[str, float | None]
    peak_mib: float | None

    def __getitem__(self, name: str) -> float | None:
        return self.peak_mib if name == "peak_mib" else self.line[name]


def evaluate(
    bundle: Bundle, subjects: Sequence[Subject], names: Sequence[ArmName] = (), *, memory: bool = True
) -> dict[ArmName, Figures]:
    """All arms that can be run here (or those named), in one run, one thread, on the same pairs.

    Args:
        bundle: what the arms are made of.
        subjects: what they register.
        names: some of the arms; all where none is named.
        memory: measure it, too, which starts a process an arm.
    """
    methods = methods_of(bundle)
    found: dict[ArmName, Figures] = {}
    with one_thread():
        for arm, way in chosen(arms(methods), names).items():
            say(f"{arm}: {len(subjects)} pairs")
            line = _line(methods, arm, way, subjects)
            seen = memory and arm not in ELSEWHERE
            found[arm] = Figures(line, peak_mib(bundle, arm, subjects[0].case) if seen else None)
    return found


def peak_mib(bundle: Bundle, arm: ArmName, moving: Case) -> float | None:
    """Memory of one registration in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(_peak, bundle, arm, moving).result()


def segmentation_ms(subjects: Sequence[Subject]) -> float:
    """Median wall time of a lung mask by the U-Net at its default size, one thread; its weights don't matter."""
    settings = SegmenterSettings()
    network = build_network(settings, torch.Generator().manual_seed(0)).eval()
    with one_thread():
        spent = [_spent(partial(predict, network, subject.case.image, settings)) for subject in subjects]
    return float(np.median(spent[WARM_UP:]))


def _line(methods: Methods, arm: ArmName, way: Align, subjects: Sequence[Subject]) -> dict[str, float | None]:
    back = inverses(methods).get(arm)
    for subject in subjects[:WARM_UP]:
        timed(way, subject.case)
    # all pairs in a row, as a user's would be
    done, cpu_ms = [], []
    for subject in subjects:
        started = time.process_time()
        done.append(timed(way, subject.case))
        cpu_ms.append(1000 * (time.process_time() - started))
    rows: list[dict[str, float | None]] = []
    errors = []
    for subject, (displacement, ms) in zip(subjects, done, strict=True):
        inverse = None if back is None else back(subject.case)
        rows.append({**measure(methods.reference, subject.case, displacement, subject.truth, inverse), "ms": ms})
        errors.append(errors_of(subject, displacement))
    # over all landmarks of all subjects, not the mean of each subject's
    p90 = float(np.percentile(np.concatenate(errors), 90))
    cpu = None if arm in ELSEWHERE else float(np.median(cpu_ms))
    return arm_line(rows) | {"landmark_px_p90": p90, CPU_MS: cpu}


def errors_of(subject: Subject, displacement: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Landmark errors (40,) of a test subject, px."""
    if subject.truth.reference_landmarks is None or subject.truth.landmarks is None:
        raise ValueError(f"subject {subject.index} has no landmarks; use phantoms")
    return landmark_errors(subject.truth.reference_landmarks, subject.truth.landmarks, displacement)


def _spent(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def _peak(bundle: Bundle, arm: ArmName, moving: Case) -> float | None:
    if arm in LAZY:
        fixed, small = (np.ascontiguousarray(case.image[::COARSE, ::COARSE]) for case in (bundle.reference, moving))
        LAZY[arm](fixed, small)
    with one_thread():
        way = arms(methods_of(bundle))[arm]
        return with_peak(lambda: timed(way, moving))[1]
