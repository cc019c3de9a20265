"""Rendering a subject as a radiograph with its lungs, lesion and landmarks."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.acquisition import Exposure, draw_exposure, expose
from assets.radiographs.phantom.drawing import Canvas, Image
from assets.radiographs.phantom.landmarks import landmarks
from assets.radiographs.phantom.lesions import Lesion, LesionKind, draw_lesion
from assets.radiographs.phantom.subject import Subject
from assets.radiographs.phantom.thorax import draw_thorax


@dataclass(frozen=True, eq=False)
class Phantom:
    """A rendered subject.

    Attributes:
        image: (H, W) float32 in [0, 1].
        lungs: (H, W) uint8: 0 background, 1 patient-right lung (image left), 2 patient-left lung.
        lesion: (H, W) uint8: 1 inside the lesion, all 0 without one; a subset of the lungs.
        landmarks: (40, 2) float32, columns (x, y), pixel-center coordinates.
        subject: the map that was rendered.
    """

    image: Image
    lungs: npt.NDArray[np.uint8]
    lesion: npt.NDArray[np.uint8]
    landmarks: npt.NDArray[np.float32]
    subject: Subject


def render(
    subject: Subject,
    rng: np.random.Generator,
    size: int = 256,
    lesion: LesionKind | None = None,
    strength: float = 1.0,
    effects: bool = True,
) -> Phantom:
    """Render a subject.

    Anatomy, lesion and acquisition draw from three generators spawned from rng, so two renderings from generators
    made alike (same seed, fresh) differ in nothing but the lesion: one with lesion=None is the lesion-free twin.

    Args:
        subject: the subject's map.
        rng: spawned from, not drawn from; a second rendering from the same object differs.
        size: side of the square image, pixels.
        lesion: kind of lesion or None.
        strength: factor on the lesion's attenuation, >= 0.
        effects: False gives a clean exposure without noise, marker or collimation.

    Raises:
        ValueError: size below 32 or a negative strength.
    """
    if size < 32:
        raise ValueError(f"size: expected at least 32 pixels, got {size}; structures vanish below that")
    if strength < 0:
        raise ValueError(f"strength: expected 0 or more, got {strength}; use lesion=None for a healthy subject")
    for_anatomy, for_lesion, for_acquisition = rng.spawn(3)
    canvas = Canvas(subject, size)
    thorax = draw_thorax(canvas, for_anatomy)
    found: Lesion | None = None
    if lesion is not None:
        found = draw_lesion(lesion, canvas, thorax.lungs, for_lesion, strength)
    exposure = draw_exposure(for_acquisition) if effects else Exposure()
    added = found.attenuation if found is not None else None
    image = expose(thorax.attenuation, added, exposure, for_acquisition)
    extent = found.extent if found is not None else np.zeros((size, size), np.uint8)
    return Phantom(image, thorax.lungs, extent, landmarks(subject, size), subject)
