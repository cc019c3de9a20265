import io
import struct
import time
import tracemalloc
import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tifffile
from PIL import Image

from assets.radiographs.decode import UnusableFile, decode, decode_mask, file_kind
from assets.radiographs.identity import radiograph_id
from assets.radiographs.settings import RadiographSettings

SETTINGS = RadiographSettings()
RAMP8 = np.arange(24 * 32, dtype=np.uint16).reshape(24, 32).astype(np.uint8)
RAMP16 = (np.arange(24 * 32, dtype=np.uint32).reshape(24, 32) * 85).astype(np.uint16)


def saved(array: npt.NDArray[np.generic], kind: str = "PNG", mode: str | None = None, **options: Any) -> bytes:  # noqa: ANN401
    image = Image.fromarray(array)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(array: npt.NDArray[np.generic], **options: Any) -> bytes:  # noqa: ANN401
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    start = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header)
    return start + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")


def test_convention_8_and_16_bits_span_their_full_range() -> None:
    assert np.array_equal(decode(saved(RAMP8), "", SETTINGS).pixels, RAMP8 / np.float32(255))
    deep = decode(saved(RAMP16), "", SETTINGS)
    assert np.array_equal(deep.pixels, RAMP16 / np.float32(65535))
    assert (deep.bits, deep.pixels.shape) == (16, (24, 32))
    assert deep.pixels.dtype == np.float32


def test_the_same_gray_values_are_one_radiograph_in_every_lossless_format() -> None:
    deep = RAMP8.astype(np.uint16) * 257
    files = [saved(RAMP8), saved(deep), tiff(RAMP8), tiff(deep), saved(RAMP8, mode="RGB"), saved(RAMP8, mode="LA")]
    assert len({radiograph_id(decode(data, "", SETTINGS).pixels) for data in files}) == 1


def test_jpeg_is_read_close_to_its_pixels() -> None:
    smooth = np.tile(np.linspace(20, 230, 32).astype(np.uint8), (24, 1))
    found = decode(saved(smooth, "JPEG", quality=95), "", SETTINGS)
    assert np.abs(found.pixels - smooth / 255).max() < 0.02
    assert found.bits == 8


def test_the_format_is_told_by_the_bytes_not_by_the_name() -> None:
    assert np.array_equal(
        decode(saved(RAMP8), "image.jpg", SETTINGS).pixels, decode(saved(RAMP8), "a.png", SETTINGS).pixels
    )
    assert file_kind(saved(RAMP8, "JPEG"), "scan.dcm") == "JPEG"
    assert file_kind(b"plain words", "scan.png") is None


def test_colour_becomes_luminance() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[...] = (255, 0, 51)
    # BT.601: 0.299 * 1 + 0.114 * 0.2 = 0.3218
    assert decode(saved(colour), "", SETTINGS).pixels == pytest.approx(0.3218, abs=1e-6)


def test_alpha_is_dropped() -> None:
    layers = np.dstack([RAMP8, RAMP8, RAMP8, 255 - RAMP8])
    assert np.allclose(decode(saved(layers), "", SETTINGS).pixels, RAMP8 / 255, atol=1e-6)


def test_a_palette_is_read_as_its_colours() -> None:
    image = Image.fromarray((RAMP8 % 2).astype(np.uint8), mode=None).convert("P")
    image.putpalette([0, 0, 0, 255, 255, 255] + [9] * 762)
    buffer = io.BytesIO()
    image.save(buffer, "PNG", bits=8)
    assert np.allclose(decode(buffer.getvalue(), "", SETTINGS).pixels, RAMP8 % 2)


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}, {"compression": "zlib", "predictor": 2}])
def test_tiff_of_16_bits(options: dict[str, Any]) -> None:
    assert np.array_equal(decode(tiff(RAMP16, **options), "", SETTINGS).pixels, RAMP16 / np.float32(65535))


def test_tiff_compressed_by_pillow() -> None:
    found = decode(saved(RAMP16, "TIFF", compression="tiff_lzw"), "", SETTINGS)
    assert np.array_equal(found.pixels, RAMP16 / np.float32(65535))


@pytest.mark.parametrize("array", [RAMP8, RAMP16])
def test_tiff_with_white_as_zero_is_inverted(array: npt.NDArray[np.integer]) -> None:
    inverted = decode(tiff(array, photometric="miniswhite"), "", SETTINGS).pixels
    assert np.allclose(inverted, 1 - decode(tiff(array), "", SETTINGS).pixels, atol=1e-6)


def test_planar_colour_tiff() -> None:
    planes = np.stack([RAMP8, RAMP8, RAMP8])
    data = tiff(planes, photometric="rgb", planarconfig="separate")
    assert np.allclose(decode(data, "", SETTINGS).pixels, RAMP8 / 255, atol=1e-6)


def test_float_tiff_is_taken_as_it_is() -> None:
    values = np.linspace(0, 1, 24 * 32, dtype=np.float32).reshape(24, 32)
    found = decode(tiff(values), "", SETTINGS)
    assert np.array_equal(found.pixels, values)
    assert found.bits == 32


@pytest.mark.parametrize("value", [1.5, -0.1, np.nan, np.inf])
def test_float_tiff_outside_the_unit_range_is_refused(value: float) -> None:
    with pytest.raises(UnusableFile, match="rescale"):
        decode(tiff(np.full((8, 8), value, np.float32)), "", SETTINGS)


@pytest.mark.parametrize("kind", [np.int16, np.uint32])
def test_other_sample_types_are_refused(kind: type[np.integer]) -> None:
    with pytest.raises(UnusableFile, match="expected 8 or 16 bits"):
        decode(tiff(np.zeros((8, 8), kind)), "", SETTINGS)


def test_an_all_black_image_decodes_and_is_left_to_the_contrast_check() -> None:
    assert not decode(saved(np.zeros((16, 16), np.uint8)), "", SETTINGS).pixels.any()


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_truncated_files_are_refused(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (64, 64), dtype=np.uint8)
    data = saved(noise, kind)
    for share in (0.3, 0.6, 0.9):
        with pytest.raises(UnusableFile, match=f"damaged or unsupported {kind}"):
            decode(data[: int(len(data) * share)], "", SETTINGS)


def test_truncated_tiff_is_refused() -> None:
    with pytest.raises(UnusableFile):
        decode(tiff(RAMP16)[:-200], "", SETTINGS)


@pytest.mark.parametrize("side", [9000, 12_000, 60_000])
def test_a_png_bomb_is_refused_from_its_header(side: int) -> None:
    started = time.perf_counter()
    tracemalloc.start()
    with pytest.raises(UnusableFile, match="expected at most 64000000 samples"):
        decode(png_header(side, side), "", SETTINGS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert time.perf_counter() - started < 1
    assert peak < 5_000_000


def test_the_pixel_limit_counts_channels() -> None:
    limited = RadiographSettings(max_pixels=24 * 32 * 2)
    assert decode(saved(RAMP8), "", limited).pixels.shape == (24, 32)
    with pytest.raises(UnusableFile, match=r"32 x 24 pixels with 3 channel"):
        decode(saved(RAMP8, mode="RGB"), "", limited)
    with pytest.raises(UnusableFile, match=r"32 x 24 pixels with 3 channel"):
        decode(tiff(np.dstack([RAMP8] * 3), photometric="rgb"), "", limited)


def test_the_byte_limit() -> None:
    with pytest.raises(UnusableFile, match="raise max_bytes"):
        decode(saved(RAMP8) + bytes(2000), "", RadiographSettings(max_bytes=1024))


def test_a_file_without_bytes_is_refused() -> None:
    with pytest.raises(UnusableFile, match="empty file"):
        decode(b"", "", SETTINGS)


def test_one_bit_is_refused() -> None:
    for data in (saved(RAMP8 > 9), tiff(RAMP8 > 9), saved(RAMP8 > 9, "TIFF", compression="group4")):
        with pytest.raises(UnusableFile, match="1-bit"):
            decode(data, "", SETTINGS)


def test_four_bits_are_refused() -> None:
    with pytest.raises(UnusableFile, match="4 bits a sample"):
        decode(saved(RAMP8 // 16, bits=4), "", SETTINGS)


def test_text_renamed_to_png_is_refused() -> None:
    with pytest.raises(UnusableFile, match="neither PNG, JPEG, TIFF nor DICOM"):
        decode(b"patient,label\n1,normal\n", "jane_doe.png", SETTINGS)


def test_several_pages_are_refused() -> None:
    with pytest.raises(UnusableFile, match="2 pages"):
        decode(tiff(np.stack([RAMP8, RAMP8]), photometric="minisblack"), "", SETTINGS)


def test_an_animated_png_is_refused() -> None:
    frames = [Image.fromarray(RAMP8), Image.fromarray(255 - RAMP8)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(UnusableFile, match="2 frames"):
        decode(buffer.getvalue(), "", SETTINGS)


def test_an_orientation_flag_is_refused() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    with pytest.raises(UnusableFile, match="orientation flag 6"):
        decode(saved(RAMP8, "JPEG", exif=exif), "", SETTINGS)
    turned = tiff(RAMP8, extratags=[(274, 3, 1, 6, True)])
    with pytest.raises(UnusableFile, match="orientation flag 6"):
        decode(turned, "", SETTINGS)


def test_cmyk_is_refused() -> None:
    with pytest.raises(UnusableFile, match="CMYK"):
        decode(saved(RAMP8, "JPEG", mode="CMYK"), "", SETTINGS)


def test_messages_hold_neither_name_nor_path() -> None:
    for data in (b"", b"words", saved(RAMP8)[:60], png_header(60_000, 60_000)):
        with pytest.raises(UnusableFile) as caught:
            decode(data, "ward7/jane_doe.png", SETTINGS)
        assert "jane" not in str(caught.value)
        assert "ward7" not in str(caught.value)
        assert str(caught.value).startswith("found ")


def test_mask_with_sides_keeps_its_labels() -> None:
    labels = (RAMP8 % 3).astype(np.uint8)
    found = decode_mask(saved(labels), "", SETTINGS)
    assert found.sides
    assert np.array_equal(found.labels, labels)
    assert found.labels.dtype == np.uint8


@pytest.mark.parametrize("high", [1, 255])
def test_mask_without_sides(high: int) -> None:
    lungs = (RAMP8 > 100).astype(np.uint8)
    found = decode_mask(saved(lungs * np.uint8(high)), "", SETTINGS)
    assert not found.sides
    assert np.array_equal(found.labels, lungs)


def test_mask_of_one_bit_sixteen_bits_or_equal_channels() -> None:
    lungs = RAMP8 > 100
    white = lungs.astype(np.uint8) * np.uint8(255)
    for data in (saved(lungs), saved(lungs.astype(np.uint16) * np.uint16(65535)), saved(white, mode="RGB")):
        assert np.array_equal(decode_mask(data, "", SETTINGS).labels, lungs)


def test_bilevel_tiff_masks_follow_their_photometric_tag() -> None:
    lungs = RAMP8 > 100
    assert np.array_equal(decode_mask(tiff(lungs, photometric="minisblack"), "", SETTINGS).labels, lungs)
    assert np.array_equal(decode_mask(tiff(lungs, photometric="miniswhite"), "", SETTINGS).labels, ~lungs)


def test_empty_and_full_masks_are_masks() -> None:
    assert not decode_mask(saved(np.zeros((8, 8), np.uint8)), "", SETTINGS).labels.any()
    assert decode_mask(saved(np.full((8, 8), 255, np.uint8)), "", SETTINGS).labels.all()


def test_other_mask_values_are_refused() -> None:
    with pytest.raises(UnusableFile, match="found mask values 0, 128; expected"):
        decode_mask(saved(((RAMP8 > 9) * 128).astype(np.uint8)), "", SETTINGS)
    with pytest.raises(UnusableFile, match="not JPEG"):
        decode_mask(saved(((RAMP8 % 7 > 3) * 255).astype(np.uint8), "JPEG"), "", SETTINGS)


def test_a_coloured_mask_is_refused() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[2:4, :, 0] = 255
    with pytest.raises(UnusableFile, match="in colour"):
        decode_mask(saved(colour), "", SETTINGS)


def test_a_dicom_mask_is_refused() -> None:
    with pytest.raises(UnusableFile, match="DICOM"):
        decode_mask(bytes(128) + b"DICM" + bytes(64), "", SETTINGS)
