"""What is known of a registration's right answer: landmarks, lesions, and the phantoms' true maps."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.radiographs.phantom.cohort import phantom_map
from assets.radiographs.phantom.landmarks import landmarks
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.phantom.subject import true_displacement

F32 = npt.NDArray[np.float32]
# landmarks are rendered in float64 and stored in float32
_SAME_PLACE_PX = 1e-3


@dataclass(frozen=True)
class Truth:
    """What is known of a radiograph and of where its anatomy lies in the reference.

    Attributes:
        landmarks: (K, 2) columns (x, y) in the radiograph.
        reference_landmarks: (K, 2), the same places in the reference.
        lesion: (H, W) bool.
        displacement: (2, H, W), the true map, backward, reference grid -> radiograph.
    """

    landmarks: npt.NDArray[np.floating] | None = None
    reference_landmarks: npt.NDArray[np.floating] | None = None
    lesion: npt.NDArray[np.bool_] | None = None
    displacement: F32 | None = None


@dataclass(frozen=True)
class Drawn:
    """A phantom that was drawn before: its index in the cohort, and the landmarks (40, 2) that were stored with it."""

    index: int
    landmarks: npt.NDArray[np.floating]


def phantom_displacement(reference: Drawn, moving: Drawn, settings: PhantomSettings) -> F32:
    """True map (2, H, W) of two phantoms of a cohort, drawn anew: backward, reference grid -> moving, pixels.

    Raises:
        ValueError: the settings don't give the stored landmarks, so they are not those that the phantoms have.
    """
    fixed, other = (phantom_map(each.index, settings.seed, settings) for each in (reference, moving))
    for each, subject in ((reference, fixed), (moving, other)):
        if not np.allclose(landmarks(subject, settings.size), each.landmarks, rtol=0, atol=_SAME_PLACE_PX):
            raise ValueError(
                f"phantom {each.index} has other landmarks than these settings draw; its cohort was declared anew "
                "after it was rendered: materialise radiographs first"
            )
    return true_displacement(fixed, other, settings.size)
