"""DICOM radiographs: gray values as the standard displays them, and the few header fields the method uses.

DICOM PS3.3 C.7.6.3.
"""

import io
import logging
import re
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt
import pydicom
from openjpeg.utils import get_parameters
from pydicom.dataset import Dataset
from pydicom.encaps import get_frame
from pydicom.pixels.utils import pixel_array
from pydicom.uid import (
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000TransferSyntaxes,
    JPEGLSTransferSyntaxes,
    JPEGTransferSyntaxes,
)

from assets.radiographs.decoded import Decoded, UnusableFile, check_samples, damage_reported, luminance
from assets.radiographs.dicom_values import modality_values, voi_values
from assets.radiographs.settings import RadiographSettings

# Everything else in the header stays unread, names and dates included.
READ_TAGS = [
    "SamplesPerPixel", "PhotometricInterpretation", "PlanarConfiguration", "Rows", "Columns", "BitsAllocated",
    "BitsStored", "HighBit", "PixelRepresentation", "NumberOfFrames", "PixelData", "ModalityLUTSequence",
    "RescaleSlope", "RescaleIntercept", "VOILUTSequence", "WindowCenter", "WindowWidth", "VOILUTFunction",
    "PixelSpacing", "ImagerPixelSpacing", "ViewPosition", "PatientSex", "PatientAge", "PatientID",
    "BurnedInAnnotation", "ExtendedOffsetTable", "ExtendedOffsetTableLengths",
]  # fmt: skip
DEFLATED = b"1.2.840.10008.1.2.1.99"
COLOUR = {"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"}
OLDEST = 90
# A file without preamble starts with an element of group 0002 or 0008.
BARE_DICOM = (b"\x02\x00\x00\x00", b"\x08\x00")
STREAM_SYNTAXES = {*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes, *JPEG2000TransferSyntaxes}
# Huffman tables, a reserved marker and arithmetic conditioning share the range of JPEG frame headers.
NOT_FRAMES, JPEG_LS_FRAME = (0xC4, 0xC8, 0xCC), 0xF7


def decode_dicom(data: bytes, settings: RadiographSettings) -> Decoded:
    """Decode one single-frame DICOM radiograph.

    Modality LUT or rescale, then VOI LUT or the first window (the LUT where both are given), then MONOCHROME1
    inverted; without either the full range of the bits stored becomes [0, 1].

    Args:
        data: the whole file, with or without preamble.
        settings: limits.

    Raises:
        UnusableFile: no pixel data, several frames, text burned into the pixels, too large, damaged, or pixels
            that are not gray or RGB.
    """
    with damage_reported("DICOM"), _silent():
        dataset = _read(data, READ_TAGS)
        _check_header(dataset, settings)
        pixels = _displayed(dataset)
        return Decoded(
            pixels=pixels,
            bits=int(dataset.BitsStored),
            view=_code(dataset, "ViewPosition"),
            sex=_sex(dataset),
            age=_age(dataset),
            spacing_mm=_spacing(dataset),
            patient_source_id=str(dataset.get("PatientID") or "").strip() or None,
        )


def _read(data: bytes, tags: list[str]) -> Dataset:
    # Inflating happens before any size is known, so a bomb of this kind cannot be measured.
    if DEFLATED in data[:4096]:
        raise UnusableFile("found a deflated DICOM file; expected plain or image-compressed; convert it first")
    before_pixels = "PixelData" not in tags
    return pydicom.dcmread(
        io.BytesIO(data), force=data.startswith(BARE_DICOM), stop_before_pixels=before_pixels, specific_tags=tags
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep pydicom's warnings, which quote header values, out of logs."""
    logger = logging.getLogger("pydicom")
    propagate, disabled = logger.propagate, logger.disabled
    # The first holds back the loggers below it, the second its own handlers.
    logger.propagate, logger.disabled = False, True
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.propagate, logger.disabled = propagate, disabled


def _check_header(dataset: Dataset, settings: RadiographSettings) -> None:
    if not dataset.get("PixelData"):
        raise UnusableFile("found a DICOM file without pixel data; expected an image; leave reports out of the cohort")
    frames = int(dataset.get("NumberOfFrames") or 1)
    if frames > 1:
        raise UnusableFile(f"found {frames} frames; expected one radiograph a file; split the series")
    if str(dataset.get("BurnedInAnnotation", "")).upper() == "YES":
        raise UnusableFile("found text burned into the pixels; expected none; export without annotation")
    if not 2 <= int(dataset.BitsStored) <= 16:
        raise UnusableFile(f"found {int(dataset.BitsStored)} bits stored; expected 2 to 16; export it again")
    meaning, samples = str(dataset.PhotometricInterpretation), int(dataset.SamplesPerPixel)
    gray = meaning in ("MONOCHROME1", "MONOCHROME2") and samples == 1
    colour = meaning in COLOUR and samples == 3 and int(dataset.BitsStored) == 8
    if not (gray or colour):
        raise UnusableFile(
            "found pixels that are neither MONOCHROME1, MONOCHROME2 nor 8-bit RGB; expected gray; export as MONOCHROME2"
        )
    check_samples(int(dataset.Columns), int(dataset.Rows), samples, settings)
    _check_stream(dataset, settings)


def _check_stream(dataset: Dataset, settings: RadiographSettings) -> None:
    """Hold the compressed stream to the limit too: its own header, not DICOM's, sizes the decoder's buffers."""
    meta = getattr(dataset, "file_meta", None)
    if meta is None or "TransferSyntaxUID" not in meta:
        implicit = dataset.original_encoding[0]
        dataset.file_meta = meta or pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else ExplicitVRLittleEndian
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in STREAM_SYNTAXES:
        stream = get_frame(dataset.PixelData, 0, number_of_frames=1)
        columns, rows, channels = _jpeg2000_size(stream) if syntax in JPEG2000TransferSyntaxes else _jpeg_size(stream)
        check_samples(columns, rows, channels, settings)


def _jpeg2000_size(stream: bytes) -> tuple[int, int, int]:
    found = get_parameters(stream)
    return int(found["columns"]), int(found["rows"]), int(found["samples_per_pixel"])


def _jpeg_size(stream: bytes) -> tuple[int, int, int]:
    """Columns, rows and components of a JPEG or JPEG-LS frame header (ITU-T T.81 B.2.2)."""
    at = 2
    while stream[at] == 0xFF:
        marker, length = stream[at + 1], int.from_bytes(stream[at + 2 : at + 4], "big")
        if (0xC0 <= marker <= 0xCF and marker not in NOT_FRAMES) or marker == JPEG_LS_FRAME:
            rows, columns, components = struct.unpack_from(">HHB", stream, at + 5)
            return columns, rows, components
        # Any marker may be preceded by fill bytes.
        at += 1 if marker == 0xFF else 2 + length
    raise UnusableFile("found a compressed stream without frame header; expected an image; export it again")


def _displayed(dataset: Dataset) -> npt.NDArray[np.float32]:
    stored = pixel_array(dataset)
    if stored.ndim == 3:
        return luminance(stored.astype(np.float32) / np.float32(255))
    values, low, high = modality_values(stored, dataset)
    shown = voi_values(values, low, high, dataset)
    if dataset.PhotometricInterpretation == "MONOCHROME1":
        shown = 1 - shown
    return np.clip(shown, 0, 1).astype(np.float32)


def _code(dataset: Dataset, name: str) -> str | None:
    text = str(dataset.get(name) or "").strip().upper()
    return text if re.fullmatch(r"[A-Z0-9_]{1,16}", text) else None


def _sex(dataset: Dataset) -> str | None:
    code = _code(dataset, "PatientSex")
    return code if code in ("M", "F") else None


def _age(dataset: Dataset) -> int | None:
    match = re.fullmatch(r"(\d{1,3})([DWMY])", str(dataset.get("PatientAge") or "").strip().upper())
    # Zero years is what anonymisers write; an infant's age is given in days, weeks or months.
    if match is None or match[0] == "000Y":
        return None
    days = {"D": 1, "W": 7, "M": 30.4375, "Y": 365.25}[match[2]] * int(match[1])
    return min(int(days / 365.25), OLDEST)


def _spacing(dataset: Dataset) -> tuple[float, float] | None:
    # Rows come first in DICOM: the distance between rows is the pixel's height.
    value = dataset.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    if not value or len(value) != 2:
        return None
    height, width = float(value[0]), float(value[1])
    return (width, height) if height > 0 and width > 0 else None


def source_patient(data: bytes) -> str | None:
    """The patient as a DICOM header calls them, None where it names none; pixels are not decoded.

    Identifying: hash it at once with `identity.pseudonym` and never store, log or show it.

    Raises:
        UnusableFile: not a readable DICOM header.
    """
    with damage_reported("DICOM"), _silent():
        dataset = _read(data, ["PatientID"])
        return str(dataset.get("PatientID") or "").strip() or None
