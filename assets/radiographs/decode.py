"""Bytes of a source file to gray values; the format is told by the bytes, never by the name."""

import numpy as np
import numpy.typing as npt

from assets.radiographs.decoded import Decoded, DecodedMask, UnusableFile, damage_reported, luminance
from assets.radiographs.dicom import BARE_DICOM, decode_dicom
from assets.radiographs.raster import Samples, read_samples
from assets.radiographs.settings import RadiographSettings

__all__ = ["Decoded", "DecodedMask", "UnusableFile", "decode", "decode_mask", "file_kind"]

MAGIC = {
    b"\x89PNG\r\n\x1a\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"II*\x00": "TIFF",
    b"MM\x00*": "TIFF",
    b"II+\x00": "TIFF",
    b"MM\x00+": "TIFF",
}


def decode(data: bytes, name_hint: str, settings: RadiographSettings) -> Decoded:
    """Decode one PNG, JPEG, TIFF or DICOM file.

    Args:
        data: the whole file.
        name_hint: file name, looked at only to accept DICOM files that lack their preamble (`.dcm`).
        settings: limits on bytes and pixels.

    Returns:
        Gray values over the full bit range (8 bit: v / 255, 16 bit: v / 65535, float as it is, DICOM by its bits
        stored and window); colour becomes luminance, alpha is dropped.

    Raises:
        UnusableFile: empty, too large, damaged, or without gray values.
    """
    kind = _checked_kind(data, name_hint, settings)
    if kind == "DICOM":
        return decode_dicom(data, settings)
    samples = read_samples(data, kind, settings)
    with damage_reported(kind):
        gray, bits = _unit_range(samples)
        return Decoded(luminance(gray) if gray.ndim == 3 else gray, bits)


def decode_mask(data: bytes, name_hint: str, settings: RadiographSettings) -> DecodedMask:
    """Decode a lung or lesion mask from PNG or TIFF (1, 8 or 16 bit).

    Values {0, 1, 2} tell the lungs apart; {0, 1}, {0, 255} and {0, 65535} do not.

    Args:
        data: the whole file.
        name_hint: file name; see `decode`.
        settings: limits on bytes and pixels.

    Raises:
        UnusableFile: as for `decode`, or other values, such as the smeared edges of a JPEG mask.
    """
    kind = _checked_kind(data, name_hint, settings)
    if kind == "DICOM":
        raise UnusableFile("found a DICOM file; expected a mask as PNG or TIFF; export the mask as PNG")
    samples = read_samples(data, kind, settings)
    if samples.ndim == 3:
        if not (samples == samples[:, :, :1]).all():
            raise UnusableFile("found a mask in colour; expected one channel; save the labels 0, 1, 2 as gray PNG")
        samples = samples[:, :, 0]
    values = np.unique(samples)
    if set(values.tolist()) <= {0, 1, 2}:
        return DecodedMask(samples.astype(np.uint8), sides=bool(values[-1] == 2))
    if values.size <= 2 and values[-1] in (255, 65535) and values[0] in (0, values[-1]):
        return DecodedMask((samples > 0).astype(np.uint8), sides=False)
    shown = ", ".join(f"{value:g}" for value in values[:6]) + (", ..." if values.size > 6 else "")
    raise UnusableFile(
        f"found mask values {shown}; expected 0 and 1, 0 and 255, or 0, 1 (patient-right lung) and 2 "
        "(patient-left lung); save the labels as PNG, not JPEG"
    )


def file_kind(data: bytes, name_hint: str = "") -> str | None:
    """PNG, JPEG, TIFF, DICOM, or None for anything else."""
    # First, since the preamble of a DICOM file may hold a TIFF header that points into the pixels.
    if data[128:132] == b"DICM":
        return "DICOM"
    for magic, kind in MAGIC.items():
        if data.startswith(magic):
            return kind
    bare = name_hint.lower().endswith((".dcm", ".dicom")) and data.startswith(BARE_DICOM)
    return "DICOM" if bare else None


def _checked_kind(data: bytes, name_hint: str, settings: RadiographSettings) -> str:
    if not data:
        raise UnusableFile("found an empty file (0 bytes); expected an image; copy it again from its source")
    if len(data) > settings.max_bytes:
        raise UnusableFile(
            f"found a file of {len(data)} bytes; expected at most {settings.max_bytes}; "
            "export it smaller or raise max_bytes"
        )
    kind = file_kind(data, name_hint)
    if kind is None:
        raise UnusableFile(
            "found a file that is neither PNG, JPEG, TIFF nor DICOM by its first bytes, whatever its name says; "
            "expected one of these; export it as PNG"
        )
    return kind


def _unit_range(samples: Samples) -> tuple[npt.NDArray[np.float32], int]:
    """Samples over [0, 1] of their type's full range, and the bits of that type."""
    if samples.dtype == np.bool_:
        raise UnusableFile(
            "found a 1-bit image; expected gray values of 8 or 16 bits; export the radiograph, not its mask"
        )
    if samples.dtype in (np.uint8, np.uint16):
        return samples.astype(np.float32) / np.float32(np.iinfo(samples.dtype).max), samples.dtype.itemsize * 8
    if samples.dtype.kind == "f":
        low, high = float(samples.min()), float(samples.max())
        # A NaN fails this comparison too.
        if not (low >= 0 and high <= 1):
            raise UnusableFile(
                f"found floating point values from {low:g} to {high:g}; expected 0 to 1; rescale them or store 16 bits"
            )
        return samples.astype(np.float32), 32
    raise UnusableFile(f"found samples of type {samples.dtype}; expected 8 or 16 bits unsigned, or float in 0 to 1")
