"""What decoding a source file gives, or why it gives nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from assets.radiographs.settings import RadiographSettings

# ITU-R BT.601, the luma of JPEG files.
LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)


class UnusableFile(ValueError):
    """A source file cannot become a radiograph.

    The message says what was found, what was expected and what to do. It never holds a path, a file name or
    anything a header says about the patient, so it may be stored and shown.
    """


@dataclass(frozen=True)
class Decoded:
    """One radiograph as its file holds it.

    Attributes:
        pixels: float32 (H, W) in [0, 1] of the file's full bit range (not stretched), bright = opaque.
        bits: bits stored a sample (8 to 16; 32 for floating point).
        view: DICOM view position such as PA or AP, if the file names one.
        sex: M or F, if the file says so.
        age: whole years, 90 standing for 90 and above, if the file says so.
        spacing_mm: width and height of a pixel in millimetres (x, y), if the file says so.
        patient_source_id: the patient as the source calls them, DICOM only. Identifying: hash it at once with
            `identity.pseudonym` and never store, log or show it.
    """

    pixels: npt.NDArray[np.float32]
    bits: int
    view: str | None = None
    sex: str | None = None
    age: int | None = None
    spacing_mm: tuple[float, float] | None = None
    patient_source_id: str | None = None

    def __repr__(self) -> str:
        height, width = self.pixels.shape
        return f"Decoded({width} x {height} pixels, {self.bits} bits)"


@dataclass(frozen=True)
class DecodedMask:
    """One mask as its file holds it.

    Attributes:
        labels: uint8 (H, W); with sides 0 background, 1 patient-right (image-left), 2 patient-left; without, 0 and 1.
        sides: whether the two lungs are told apart.
    """

    labels: npt.NDArray[np.uint8]
    sides: bool


@contextmanager
def damage_reported(what: str) -> Iterator[None]:
    """Turn any error of a decoding library into `UnusableFile`.

    Decoders raise a dozen unrelated errors for damaged bytes, and their messages may quote a header; so neither
    text nor cause is kept. Memory running out is the machine's trouble, not the file's, and passes through.
    """
    try:
        yield
    except (UnusableFile, MemoryError):
        raise
    except Exception as error:
        raise UnusableFile(
            f"found a damaged or unsupported {what} file ({type(error).__name__}); expected one that decodes "
            "completely; copy it again from its source or export it as PNG"
        ) from None


def check_samples(width: int, height: int, channels: int, settings: RadiographSettings) -> None:
    """Refuse what a header declares before anything of that size is allocated.

    Raises:
        UnusableFile: no pixels, or more samples than `settings.max_pixels`.
    """
    if width < 1 or height < 1 or channels < 1:
        raise UnusableFile(f"found an image of {width} x {height} pixels; expected at least one; export it again")
    if width * height * channels > settings.max_pixels:
        raise UnusableFile(
            f"found {width} x {height} pixels with {channels} channel(s); expected at most {settings.max_pixels} "
            "samples; shrink the image or raise max_pixels"
        )


def luminance(colour: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Gray values (H, W) of a colour image (H, W, 3), both in [0, 1] (ITU-R BT.601)."""
    gray: npt.NDArray[np.float32] = np.clip(colour @ LUMA, 0, 1).astype(np.float32)
    return gray
