import io
import logging
import struct
import traceback
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.processing import apply_voi, apply_windowing
from pydicom.uid import (
    UID,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    RLELossless,
)

from assets.radiographs.decode import Decoded, UnusableFile, decode
from assets.radiographs.dicom import source_patient
from assets.radiographs.dicom_values import window
from assets.radiographs.settings import RadiographSettings

SETTINGS = RadiographSettings()
NAME, PATIENT = "DOE^JANE", "MRN-4711"
TWELVE_BIT = (np.arange(72 * 64, dtype=np.uint32).reshape(72, 64) * 3 % 4096).astype(np.uint16)


def radiograph(
    stored: npt.NDArray[np.integer] = TWELVE_BIT,
    bits: int = 12,
    meaning: str = "MONOCHROME2",
    **fields: Any,  # noqa: ANN401
) -> Dataset:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = UID("1.2.3.4")
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID = NAME, PATIENT
    dataset.PhotometricInterpretation = meaning
    dataset.SamplesPerPixel = stored.shape[2] if stored.ndim == 3 else 1
    if stored.ndim == 3:
        dataset.PlanarConfiguration = 0
    dataset.Rows, dataset.Columns = stored.shape[:2]
    dataset.BitsAllocated = stored.dtype.itemsize * 8
    dataset.BitsStored, dataset.HighBit = bits, bits - 1
    dataset.PixelRepresentation = int(stored.dtype.kind == "i")
    dataset.PixelData = stored.tobytes()
    for name, value in fields.items():
        setattr(dataset, name, value)
    return dataset


def written(dataset: Dataset) -> bytes:
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def read(dataset: Dataset) -> Decoded:
    return decode(written(dataset), "", SETTINGS)


def lookup_item(values: npt.NDArray[np.uint16], first: int, bits: int) -> Dataset:
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [values.size, first, bits])
    item.add_new("LUTData", "OW", values.tobytes())
    return item


def lossless_jpeg(stored: npt.NDArray[np.integer], bits: int) -> bytes:
    """Lossless JPEG, selection value 1 (ITU-T T.81 annex H), with one Huffman code of five bits a category."""
    values = stored.astype(int)
    predicted = np.empty_like(values)
    predicted[0, 0] = 1 << (bits - 1)
    predicted[1:, 0] = values[:-1, 0]
    predicted[:, 1:] = values[:, :-1]
    text = ""
    for difference in (values - predicted).ravel().tolist():
        category = abs(difference).bit_length()
        magnitude = difference if difference > 0 else difference + (1 << category) - 1
        text += f"{category:05b}" + (f"{magnitude:0{category}b}" if category else "")
    text += "1" * (-len(text) % 8)
    body = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\x00")
    frame = struct.pack(">HBHHBBBB", 11, bits, *stored.shape, 1, 1, 0x11, 0)
    codes = struct.pack(">HB", 36, 0) + bytes([0, 0, 0, 0, 17] + [0] * 11) + bytes(range(17))
    scan = struct.pack(">HBBBBBB", 8, 1, 1, 0, 1, 0, 0)
    return b"\xff\xd8\xff\xc3" + frame + b"\xff\xc4" + codes + b"\xff\xda" + scan + body + b"\xff\xd9"


def test_convention_bits_stored_span_the_unit_range() -> None:
    found = read(radiograph())
    assert np.array_equal(found.pixels, (TWELVE_BIT / 4095).astype(np.float32))
    assert found.bits == 12
    eight = (TWELVE_BIT >> 4).astype(np.uint8)
    assert np.allclose(read(radiograph(eight, 8)).pixels, eight / 255)


def test_signed_values_span_their_own_range() -> None:
    signed = (TWELVE_BIT.astype(np.int32) - 2048).astype(np.int16)
    assert np.allclose(read(radiograph(signed)).pixels, TWELVE_BIT / 4095, atol=1e-6)


def test_monochrome1_is_the_negative_of_monochrome2() -> None:
    negative = radiograph(4095 - TWELVE_BIT, meaning="MONOCHROME1")
    assert np.allclose(read(negative).pixels, read(radiograph()).pixels, atol=1e-6)


def test_monochrome1_is_inverted_after_its_window() -> None:
    fields: dict[str, Any] = {"WindowCenter": 3000.5, "WindowWidth": 1001}
    plain = read(radiograph(**fields)).pixels
    assert np.allclose(read(radiograph(meaning="MONOCHROME1", **fields)).pixels, 1 - plain, atol=1e-6)


@pytest.mark.parametrize(("slope", "intercept"), [(2.0, -1000.0), (0.5, 12.0)])
def test_rescale_alone_does_not_change_the_picture(slope: float, intercept: float) -> None:
    found = read(radiograph(RescaleSlope=slope, RescaleIntercept=intercept))
    assert np.allclose(found.pixels, TWELVE_BIT / 4095, atol=1e-6)


def test_a_negative_slope_turns_the_picture_over() -> None:
    found = read(radiograph(RescaleSlope=-1, RescaleIntercept=4095))
    assert np.allclose(found.pixels, 1 - TWELVE_BIT / 4095, atol=1e-6)


def test_the_window_acts_on_rescaled_values() -> None:
    direct = read(radiograph(WindowCenter=1000, WindowWidth=500)).pixels
    scaled = read(radiograph(WindowCenter=2100, WindowWidth=999, RescaleSlope=2, RescaleIntercept=100)).pixels
    # width 999 on doubled values spans 998 = 2 * 499; both centers less one half: 2099.5 = 2 * 999.75 + 100
    shifted = read(radiograph(WindowCenter=1000.25, WindowWidth=500)).pixels
    assert np.allclose(scaled, shifted, atol=1e-6)
    assert np.abs(direct - shifted).max() < 1e-3


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("rescale", [{}, {"RescaleSlope": 3, "RescaleIntercept": -50}])
def test_windows_agree_with_pydicom(function: str, rescale: dict[str, Any]) -> None:
    dataset = radiograph(WindowCenter=1800, WindowWidth=900, VOILUTFunction=function, **rescale)
    slope, intercept = rescale.get("RescaleSlope", 1), rescale.get("RescaleIntercept", 0)
    low, high = intercept, 4095 * slope + intercept
    rescaled = TWELVE_BIT.astype(np.float64) * slope + intercept
    expected = (apply_windowing(rescaled, dataset) - low) / (high - low)
    assert np.allclose(read(dataset).pixels, expected, atol=1e-6)


def test_the_first_of_several_windows_is_used() -> None:
    both = radiograph(WindowCenter=[1000, 3000], WindowWidth=[500, 100])
    assert np.array_equal(read(both).pixels, read(radiograph(WindowCenter=1000, WindowWidth=500)).pixels)


def test_window_golden_values() -> None:
    # PS3.3 C.11.2.1.2.1: (x - (c - 0.5)) / (w - 1) + 0.5 with c = 10, w = 11 gives 0.5 at 9.5 and 1 at 14.5
    assert window(np.array([4.5, 9.5, 14.5]), 10, 11, "LINEAR") == pytest.approx([0, 0.5, 1])
    assert window(np.array([5.0, 10.0, 15.0]), 10, 10, "LINEAR_EXACT") == pytest.approx([0, 0.5, 1])
    # C.11.2.1.3.1: 1 / (1 + exp(-4 (x - c) / w)); at x = c + w / 4 that is 1 / (1 + 1 / e)
    assert window(np.array([10.0, 12.5]), 10, 10, "SIGMOID") == pytest.approx([0.5, 0.7310586])
    assert window(np.array([9.0, 10.0]), 10, 1, "LINEAR").tolist() == [0, 1]


@pytest.mark.parametrize(("width", "function"), [(0, "LINEAR"), (0.5, "LINEAR"), (-1, "SIGMOID"), (9, "CUBIC")])
def test_windows_that_mean_nothing_are_refused(width: float, function: str) -> None:
    with pytest.raises(UnusableFile, match="window"):
        read(radiograph(WindowCenter=10, WindowWidth=width, VOILUTFunction=function))


def test_voi_lookup_table_agrees_with_pydicom_and_goes_before_the_window() -> None:
    curve = np.rint(4095 * np.linspace(0, 1, 4000) ** 2).astype(np.uint16)
    dataset = radiograph(VOILUTSequence=[lookup_item(curve, 50, 12)], WindowCenter=100, WindowWidth=10)
    assert np.allclose(read(dataset).pixels, apply_voi(TWELVE_BIT, dataset) / 4095, atol=1e-6)


def test_an_8_bit_lookup_table_of_12_bit_values_does_not_wrap_round() -> None:
    curve = (np.arange(4096) // 16).astype(np.uint16)
    found = read(radiograph(VOILUTSequence=[lookup_item(curve, 0, 8)]))
    assert np.allclose(found.pixels, (TWELVE_BIT // 16) / 255, atol=1e-6)


def test_a_modality_lookup_table_goes_before_the_window() -> None:
    doubled = (np.arange(4096) * 2).astype(np.uint16)
    item = lookup_item(doubled, 0, 13)
    item.ModalityLUTType = "US"
    found = read(radiograph(ModalityLUTSequence=[item], WindowCenter=4000, WindowWidth=1000))
    expected = np.clip(window(TWELVE_BIT.astype(np.float64) * 2, 4000, 1000, "LINEAR"), 0, 1)
    assert np.allclose(found.pixels, expected, atol=1e-6)
    assert np.allclose(read(radiograph(ModalityLUTSequence=[item])).pixels, TWELVE_BIT * 2 / 8191, atol=1e-6)


@pytest.mark.parametrize("syntax", [RLELossless, JPEG2000Lossless])
def test_compressed_files_give_the_same_pixels(syntax: str) -> None:
    dataset = radiograph()
    dataset.compress(syntax, generate_instance_uid=False)
    assert np.array_equal(read(dataset).pixels, read(radiograph()).pixels)


def test_jpeg_lossless_gives_the_same_pixels() -> None:
    dataset = radiograph()
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([lossless_jpeg(TWELVE_BIT, 12)])
    dataset["PixelData"].is_undefined_length = True
    assert np.array_equal(read(dataset).pixels, read(radiograph()).pixels)


def test_big_endian_and_bare_files_are_read() -> None:
    swapped = radiograph(TWELVE_BIT.astype(">u2"))
    swapped.file_meta.TransferSyntaxUID = ExplicitVRBigEndian
    swapped["PixelData"].VR = "OW"
    assert np.array_equal(read(swapped).pixels, read(radiograph()).pixels)
    bare = written(radiograph())[132:]
    assert np.array_equal(decode(bare, "scan.dcm", SETTINGS).pixels, read(radiograph()).pixels)
    with pytest.raises(UnusableFile, match="neither PNG"):
        decode(bare, "scan.png", SETTINGS)


def test_a_file_that_is_dicom_and_tiff_at_once_is_read_as_dicom() -> None:
    data = written(radiograph())
    assert np.array_equal(decode(b"II*\x00" + data[4:], "", SETTINGS).pixels, read(radiograph()).pixels)


def test_rgb_becomes_luminance() -> None:
    colour = np.zeros((8, 8, 3), np.uint8)
    colour[...] = (255, 0, 51)
    # 0.299 + 0.114 * 0.2, as for PNG
    assert read(radiograph(colour, 8, "RGB")).pixels == pytest.approx(0.3218, abs=1e-6)


def test_header_fields() -> None:
    fields: dict[str, Any] = {
        "ViewPosition": "PA",
        "PatientSex": "F",
        "PatientAge": "045Y",
        "ImagerPixelSpacing": [0.2, 0.1],
    }
    found = read(radiograph(**fields))
    assert (found.view, found.sex, found.age, found.patient_source_id) == ("PA", "F", 45, PATIENT)
    # DICOM names the distance of rows first; here x, the width of a pixel, does.
    assert found.spacing_mm == (0.1, 0.2)
    assert read(radiograph(PixelSpacing=[0.4, 0.3], **fields)).spacing_mm == (0.3, 0.4)


@pytest.mark.parametrize(
    ("text", "years"), [("018M", 1), ("003W", 0), ("097Y", 90), ("000Y", None), ("", None), ("45", None)]
)
def test_ages_are_coarse(text: str, years: int | None) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = radiograph(PatientAge=text)
    assert read(dataset).age == years


def test_absent_or_odd_header_fields_are_none() -> None:
    found = read(radiograph(PatientSex="O", PixelSpacing=[0.0, 0.1], PatientID=""))
    assert (found.view, found.sex, found.age, found.spacing_mm, found.patient_source_id) == (None,) * 5


def test_the_representation_does_not_show_the_patient() -> None:
    assert PATIENT not in repr(read(radiograph()))


def test_no_pixels_are_refused() -> None:
    dataset = radiograph()
    del dataset.PixelData
    with pytest.raises(UnusableFile, match="without pixel data"):
        read(dataset)


def test_several_frames_are_refused() -> None:
    dataset = radiograph(NumberOfFrames=2)
    dataset.PixelData *= 2
    with pytest.raises(UnusableFile, match="2 frames"):
        read(dataset)


def test_burned_in_text_is_refused() -> None:
    assert read(radiograph(BurnedInAnnotation="NO")).bits == 12
    with pytest.raises(UnusableFile, match="burned into"):
        read(radiograph(BurnedInAnnotation="YES"))


def test_one_bit_and_palettes_are_refused() -> None:
    with pytest.raises(UnusableFile, match="1 bits stored"):
        read(radiograph((TWELVE_BIT % 2).astype(np.uint8), 1))
    with pytest.raises(UnusableFile, match="MONOCHROME2"):
        read(radiograph((TWELVE_BIT % 200).astype(np.uint8), 8, "PALETTE COLOR"))


def test_truncated_pixels_are_refused() -> None:
    with pytest.raises(UnusableFile, match="damaged or unsupported DICOM"):
        decode(written(radiograph())[:-500], "", SETTINGS)


def test_the_pixel_limit_is_checked_before_decoding() -> None:
    dataset = radiograph(Rows=60_000, Columns=60_000)
    with pytest.raises(UnusableFile, match="60000 x 60000 pixels"):
        read(dataset)


def test_a_compressed_stream_larger_than_its_header_says_is_refused() -> None:
    stream = bytearray(lossless_jpeg(TWELVE_BIT, 12))
    stream[2:2] = b"\xff"
    start = stream.index(b"\xff\xc3") + 5
    stream[start : start + 4] = struct.pack(">HH", 60_000, 60_000)
    dataset = radiograph()
    dataset.file_meta.TransferSyntaxUID = JPEGLosslessSV1
    dataset.PixelData = encapsulate([bytes(stream)])
    dataset["PixelData"].is_undefined_length = True
    with pytest.raises(UnusableFile, match="60000 x 60000 pixels"):
        read(dataset)


def test_deflated_files_are_refused_unread() -> None:
    data = Path(pydicom.__file__).parent / "data" / "test_files" / "image_dfl.dcm"
    with pytest.raises(UnusableFile, match="deflated"):
        decode(data.read_bytes(), "", SETTINGS)


def test_neither_message_nor_traceback_nor_log_names_the_patient(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    good = written(radiograph(WindowCenter=1, WindowWidth="5."))
    # A number that is none makes pydicom quote the value; here the value is the patient's name.
    odd = good.replace(b"DS\x02\x005.", b"DS\x02\x00J^")
    assert odd != good
    broken = [good[:-700], odd, written(radiograph(NumberOfFrames=3)), written(radiograph(BurnedInAnnotation="YES"))]
    for data in broken:
        with pytest.raises(UnusableFile) as caught:
            decode(data, f"{PATIENT}.dcm", SETTINGS)
        shown = "".join(traceback.format_exception(caught.value)) + caplog.text
        assert not any(part in shown for part in (NAME, PATIENT, "DOE", "J^"))


def test_the_patient_is_read_without_the_pixels() -> None:
    assert source_patient(written(radiograph())[:-500]) == PATIENT
    assert source_patient(written(radiograph())[132:]) == PATIENT
    assert source_patient(written(radiograph(PatientID=""))) is None
    with pytest.raises(UnusableFile, match="DICOM"):
        source_patient(b"no header at all")


def test_pydicom_may_speak_again_afterwards() -> None:
    read(radiograph())
    logger = logging.getLogger("pydicom")
    assert logger.propagate
    assert not logger.disabled


@pytest.mark.parametrize("name", ["RLE", "jp2klossless", "jpeg_ls_lossless", "implicit", "bigendian"])
def test_one_image_in_many_encodings_is_one_radiograph(name: str) -> None:
    folder = Path(pydicom.__file__).parent / "data" / "test_files"
    plain, other = ((folder / file).read_bytes() for file in ("MR_small.dcm", f"MR_small_{name}.dcm"))
    assert np.array_equal(decode(other, "", SETTINGS).pixels, decode(plain, "", SETTINGS).pixels)
