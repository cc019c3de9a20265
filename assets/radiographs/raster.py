"""PNG, JPEG and TIFF files as raw sample arrays; sizes are checked in the header before decoding."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from assets.radiographs.decoded import UnusableFile, check_samples, damage_reported
from assets.radiographs.settings import RadiographSettings

Samples = npt.NDArray[Any]
EXIF_ORIENTATION = 0x0112
UNCOMPRESSED, MINISWHITE = 1, 0


def read_samples(data: bytes, kind: str, settings: RadiographSettings) -> Samples:
    """Samples of a PNG, JPEG or TIFF file as stored.

    Args:
        data: the file's bytes.
        kind: "PNG", "JPEG" or "TIFF", as the magic bytes say.
        settings: limits.

    Returns:
        (H, W) or (H, W, 3) without alpha: bool (1 bit), uint8, uint16 or a floating type. White is high, also
        where the file said otherwise. A palette is returned as colours.

    Raises:
        UnusableFile: damaged, too large, of several pages, rotated by a flag, or of another sample type.
    """
    samples = _read_tiff(data, settings) if kind == "TIFF" else _read_pillow(data, kind, settings)
    if samples.ndim == 3 and samples.shape[2] in (2, 4):
        samples = samples[:, :, :-1]
    if samples.ndim == 3 and samples.shape[2] == 1:
        samples = samples[:, :, 0]
    if samples.ndim not in (2, 3) or (samples.ndim == 3 and samples.shape[2] != 3):
        raise UnusableFile(
            f"found samples of shape {samples.shape}; expected one gray or three colour channels; export as gray PNG"
        )
    return samples


def _read_pillow(data: bytes, kind: str, settings: RadiographSettings) -> Samples:
    with damage_reported(kind), warnings.catch_warnings():
        # Pillow's own limit is a global; ours is checked right below, from the same header.
        warnings.simplefilter("ignore")
        try:
            image = Image.open(io.BytesIO(data), formats=[kind])
        except Image.DecompressionBombError:
            raise UnusableFile(
                f"found a {kind} file that declares more pixels than any radiograph; expected at most "
                f"{settings.max_pixels} samples; export it again"
            ) from None
        with image:
            check_samples(image.width, image.height, len(image.getbands()), settings)
            _check_single_upright(image, kind)
            if image.mode == "CMYK":
                raise UnusableFile("found a CMYK image; expected gray or RGB; export it as gray PNG")
            if kind == "PNG" and image.mode != "1" and data[24] < 8:
                raise UnusableFile(
                    f"found a PNG of {data[24]} bits a sample; expected 8 or 16; export it again with all gray values"
                )
            image.load()
            return np.asarray(image.convert("RGB") if image.mode == "P" else image)


def _check_single_upright(image: Image.Image, kind: str) -> None:
    # The main picture of a multi-picture JPEG is its first; the others are thumbnails.
    frames = 1 if kind == "JPEG" else getattr(image, "n_frames", 1)
    if frames > 1:
        raise UnusableFile(f"found {frames} frames in one file; expected one radiograph a file; split it")
    orientation = image.getexif().get(EXIF_ORIENTATION, 1)
    if orientation != 1:
        raise UnusableFile(
            f"found orientation flag {orientation}; expected upright pixels, since left and right matter; "
            "save the image rotated and without the flag"
        )


def _read_tiff(data: bytes, settings: RadiographSettings) -> Samples:
    with damage_reported("TIFF"), tifffile.TiffFile(io.BytesIO(data)) as tiff:
        if len(tiff.pages) != 1:
            raise UnusableFile(f"found {len(tiff.pages)} pages in one TIFF; expected one radiograph a file; split it")
        page = tiff.pages.first
        check_samples(page.imagewidth, page.imagelength, page.samplesperpixel, settings)
        orientation = page.tags.valueof("Orientation", 1)
        if orientation != 1:
            raise UnusableFile(
                f"found orientation flag {int(orientation)}; expected upright pixels; save the image rotated"
            )
        if page.compression != UNCOMPRESSED:
            return _read_compressed_tiff(data, page.photometric == MINISWHITE)
        samples: Samples = page.asarray()
    if samples.ndim == 3 and samples.shape[0] in (3, 4) and samples.shape[2] not in (3, 4):
        samples = np.moveaxis(samples, 0, 2)
    if page.photometric == MINISWHITE:
        samples = ~samples if samples.dtype == np.bool_ else _flipped(samples)
    return samples


def _flipped(samples: Samples) -> Samples:
    if samples.dtype.kind == "f":
        flipped: Samples = 1 - samples
        return flipped
    return np.asarray(np.iinfo(samples.dtype).max - samples, dtype=samples.dtype)


def _read_compressed_tiff(data: bytes, white_is_zero: bool) -> Samples:
    # libtiff fills a buffer of the size the header declares, so a compressed bomb stays within the limit.
    with Image.open(io.BytesIO(data), formats=["TIFF"]) as image:
        if white_is_zero and image.mode not in ("1", "L"):
            raise UnusableFile(
                "found a compressed TIFF of more than 8 bits with white as zero; expected black as zero; export as PNG"
            )
        image.load()
        return np.asarray(image.convert("RGB") if image.mode == "P" else image)
