"""Phantoms of the registration benchmark: training subjects, and test subjects that no network has seen."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.peers.case import Case
from assets.prealignment.reference_lung import medoid
from assets.radiographs.phantom.cohort import phantom_label, phantom_subject
from assets.radiographs.phantom.render import Phantom
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.subject import true_displacement
from assets.radiographs.photometric import apply_window, lung_window
from assets.registration_report.truth import Truth
from assets.segmentation.settings import SegmentationSettings

U8 = npt.NDArray[np.uint8]
WINDOW = SegmentationSettings()


@dataclass(frozen=True)
class Subject:
    """A test subject: what an arm is given, and what is known besides."""

    index: int
    phantom: Phantom
    case: Case
    truth: Truth


@dataclass(frozen=True)
class Cohort:
    """Who is trained on, who is the reference (one of them), and who is tested."""

    train: list[Phantom]
    reference: int
    test: list[Subject]

    @property
    def fixed(self) -> Case:
        """The reference as the arms see it."""
        return case_of(self.train[self.reference])


def case_of(phantom: Phantom, lungs: U8 | None = None) -> Case:
    """A phantom through the window of its lungs, by its true mask or by another one."""
    mask = phantom.lungs if lungs is None else lungs
    low, high = lung_window(phantom.image, mask, WINDOW.window_low, WINDOW.window_high)
    return Case(apply_window(phantom.image, low, high), mask)


def cohort(train: int, test: int, seed: int, size: int = 256) -> Cohort:
    """The first subjects to train on, the next ones to measure; the reference is the medoid of the training normals."""
    settings = PhantomSettings(subjects=train + test, seed=seed, size=size)
    known = _rendered(range(train), settings)
    normals = [index for index in range(train) if phantom_label(index) == "normal"]
    reference = normals[medoid([known[index].lungs for index in normals])]
    indices = range(train, train + test)
    tested = [
        Subject(index, phantom, case_of(phantom), truth_of(known[reference], phantom))
        for index, phantom in zip(indices, _rendered(indices, settings), strict=True)
    ]
    return Cohort(known, reference, tested)


def truth_of(reference: Phantom, phantom: Phantom) -> Truth:
    """Landmarks, lesion where there is one, and the true map onto the reference."""
    size = phantom.image.shape[0]
    lesion = phantom.lesion > 0
    return Truth(
        phantom.landmarks,
        reference.landmarks,
        lesion if lesion.any() else None,
        true_displacement(reference.subject, phantom.subject, size),
    )


def training_arrays(subjects: Sequence[Phantom]) -> tuple[npt.NDArray[np.float32], U8]:
    """Windowed images (N, H, W) and lungs (N, H, W)."""
    cases = [case_of(phantom) for phantom in subjects]
    return np.stack([case.image for case in cases]), np.stack([case.lungs for case in cases])


def say(text: str) -> None:
    """A line of progress; what is to be read or parsed goes to standard output alone."""
    print(text, file=sys.stderr, flush=True)


def progress(name: str, steps: int) -> Callable[[int, dict[str, float]], None]:
    """A callback that says every tenth of a training where it stands."""

    def speak(step: int, losses: dict[str, float]) -> None:
        if (step + 1) % max(1, steps // 10) == 0:
            say(f"{name}: step {step + 1} of {steps}, loss {losses['loss']:.4g}")

    return speak


def _rendered(indices: range, settings: PhantomSettings) -> list[Phantom]:
    say(f"rendering {len(indices)} phantoms from {indices.start} on")
    return [phantom_subject(index, settings.seed, settings) for index in indices]
