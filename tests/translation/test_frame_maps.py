from typing import Any, get_args

import numpy as np
import numpy.typing as npt
import pytest

from assets.alignments import Alignment
from assets.images import from_uint16, to_uint16
from assets.pairing.frames import FrameRows, Row, frame
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import dequantize, quantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.photometric import apply_window, lung_window
from assets.registration.inference import registered_displacement
from assets.registration.roughness import UNKNOWN, no_rougher
from assets.registration.settings import RegistrationSettings
from assets.translation.frame_maps import Registration, carried_difference, frame_displacement
from assets.translation.planted import lesion_free

PHANTOMS = PhantomSettings(size=64, subjects=4, seed=1)
Arrays = dict[str, npt.NDArray[Any]]


class Stored:
    """One abnormal phantom as the stages store it in every frame, with another one's lungs as the reference."""

    def __init__(self, registration: Registration) -> None:
        phantom = phantom_subject(1, PHANTOMS.seed, PHANTOMS)
        self.reference = phantom_subject(2, PHANTOMS.seed, PHANTOMS).lungs
        self.stored = to_uint16(phantom.image)
        self.window = lung_window(phantom.image, phantom.lungs, 1, 99)
        image = apply_window(from_uint16(self.stored), *self.window)
        settings = PrealignmentSettings()
        prealigned = quantize(prealign(reference_frame(self.reference, settings), phantom.lungs, settings))
        velocity = np.random.default_rng(0).normal(0, 0.5, (2, 32, 32)).astype(np.float16)
        start = dequantize(prealigned)
        if registration.settings.reading != "R1":
            start = no_rougher(start, self.reference > 0, registration.roughness)
        registered = registered_displacement(velocity, start, registration.settings)
        self.arrays: dict[str, Arrays] = {
            "r": {"image": self.stored, "lesion": phantom.lesion},
            "m": {"lungs": phantom.lungs},
            "p": {
                "displacement": prealigned,
                "image": to_uint16(warp_image(image, dequantize(prealigned))),
                "lungs": warp_lungs(phantom.lungs, dequantize(prealigned)),
            },
            "d": {
                "velocity": velocity,
                "image": to_uint16(warp_image(image, registered)),
                "lungs": warp_lungs(phantom.lungs, registered),
            },
        }
        low, high = self.window
        self.rows = FrameRows(
            {"key": "r"},
            {"key": "m", "window_low": low, "window_high": high},
            {"key": "p"},
            {"key": "d"},
            # A peer's row is stored as a pre-aligned one is.
            peers={"affine": {"key": "p"}, "voxelmorph": {"key": "p"}, "synthmorph": {"key": "p"}},
        )

    def read(self, row: Row) -> Arrays:
        return self.arrays[row["key"]]


def registration(reading: str = "R3", roughness: tuple[float, float] = UNKNOWN) -> Registration:
    return Registration(RegistrationSettings.model_validate({"reading": reading}), roughness)


@pytest.mark.parametrize("alignment", get_args(Alignment))
@pytest.mark.parametrize("known", [registration(), registration("R1"), registration("R3", (0.0, 0.0))])
def test_the_map_brings_a_radiograph_where_its_frame_shows_it(alignment: Alignment, known: Registration) -> None:
    stored = Stored(known)
    shown = frame(alignment, stored.rows, stored.reference, stored.read)
    displacement = frame_displacement(alignment, stored.rows, stored.reference, stored.read, known)
    image = apply_window(from_uint16(stored.stored), *stored.window)
    carried = image if displacement is None else warp_image(image, displacement)
    # Frames after registration are stored in 16 bits.
    assert np.abs(carried - shown.image).max() < 1e-5


@pytest.mark.parametrize("alignment", get_args(Alignment))
def test_a_twin_in_a_frame_differs_by_the_lesion_alone(alignment: Alignment) -> None:
    known = registration()
    stored = Stored(known)
    twin = lesion_free(1, PHANTOMS, stored.stored)
    assert twin is not None
    displacement = frame_displacement(alignment, stored.rows, stored.reference, stored.read, known)
    difference = carried_difference(twin, from_uint16(stored.stored), stored.window, displacement)
    lesion = stored.arrays["r"]["lesion"].astype(np.float32)
    there = lesion if displacement is None else warp_image(lesion, displacement)
    assert difference[there > 0.9].mean() < -0.02
    # A lesion's soft border reaches beyond its extent, by little.
    assert np.abs(difference[there == 0]).mean() < 0.01


def test_an_image_less_itself_is_nothing() -> None:
    image = from_uint16(Stored(registration()).stored)
    assert not carried_difference(image, image, (0.2, 0.8), None).any()
