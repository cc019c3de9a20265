"""A cohort of phantoms, each determined by the cohort's seed and its own index."""

from typing import Literal

import numpy as np

from assets.radiographs.phantom.lesions import LESION_KINDS, LesionKind
from assets.radiographs.phantom.render import Phantom, render
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.subject import Subject, draw_subject


def phantom_label(index: int) -> Literal["normal", "abnormal"]:
    """Label of a subject: even indices are normal, odd ones abnormal."""
    return "abnormal" if index % 2 else "normal"


def phantom_lesion(index: int) -> LesionKind | None:
    """Lesion of a subject: the seven kinds in turn for abnormal indices, None for normal ones."""
    return LESION_KINDS[index // 2 % len(LESION_KINDS)] if index % 2 else None


def phantom_map(index: int, seed: int, settings: PhantomSettings) -> Subject:
    """The map of a subject alone, as `phantom_subject` renders it; a matter of microseconds."""
    return draw_subject(_generators(index, seed, settings)[0], settings.spread)


def phantom_subject(index: int, seed: int, settings: PhantomSettings, *, lesion_free: bool = False) -> Phantom:
    """Subject `index` of the cohort with the given seed.

    The same (seed, index, settings) gives the same phantom, whatever else is rendered and in whatever order.

    Args:
        index: 0 <= index < settings.subjects.
        seed: seed of the cohort; settings.seed unless a caller has its own.
        settings: size, spread and lesion strength.
        lesion_free: render the lesion-free twin instead: the same anatomy, exposure and noise.

    Raises:
        ValueError: index outside the cohort.
    """
    for_subject, for_strength, for_image = _generators(index, seed, settings)
    subject = draw_subject(for_subject, settings.spread)
    strength = for_strength.uniform(settings.strength_low, settings.strength_high)
    lesion = None if lesion_free else phantom_lesion(index)
    return render(subject, for_image, settings.size, lesion, strength)


def _generators(index: int, seed: int, settings: PhantomSettings) -> list[np.random.Generator]:
    """Of a subject's map, its lesion's strength and its image."""
    if not 0 <= index < settings.subjects:
        raise ValueError(
            f"index: expected 0 to {settings.subjects - 1}, got {index}; raise settings.subjects for a larger cohort"
        )
    return np.random.default_rng([seed, index]).spawn(3)
