import csv
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
PHANTOMS = PhantomSettings(size=96, subjects=20, seed=5)
HEADER = ("image", "label", "patient", "mask", "sex")
# In every file name and patient id; neither may appear anywhere but in the source and its declaration.
FILE_MARK, PATIENT_MARK = "doe_jane", "MRN-4711"
U8 = npt.NDArray[np.uint8]


def gray(index: int) -> U8:
    image = phantom_subject(index, PHANTOMS.seed, PHANTOMS).image
    return np.rint(image * 255).astype(np.uint8)


def mask(index: int) -> bytes:
    return encoded(phantom_subject(index, PHANTOMS.seed, PHANTOMS).lungs)


def encoded(pixels: npt.NDArray[Any], kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind)
    return buffer.getvalue()


def dicom(pixels: U8) -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.4")
    dataset.PatientName, dataset.PatientID = "DOE^JANE", f"{PATIENT_MARK}-header"
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 12, 11
    dataset.PixelRepresentation = 0
    dataset.PixelData = (pixels.astype(np.uint16) * 16).tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


@dataclass
class Source:
    """A folder of files with its table."""

    root: Path
    rows: list[tuple[str, ...]]

    def add(
        self,
        image: bytes | None,
        suffix: str = ".png",
        *,
        label: str = "healthy",
        patient: str | None = None,
        lungs: bytes | None = None,
        lungs_missing: bool = False,
        sex: str = "",
    ) -> int:
        """Add a row; None writes no file. Returns the row's number."""
        number = len(self.rows) + 1
        name, mask_name = f"{FILE_MARK}_{number}{suffix}", f"{FILE_MARK}_{number}_lungs.png"
        if image is not None:
            (self.root / name).write_bytes(image)
        if lungs is not None:
            (self.root / mask_name).write_bytes(lungs)
        has_mask = lungs is not None or lungs_missing
        patient_id = patient or f"{PATIENT_MARK}-{number}"
        self.rows.append((name, label, patient_id, mask_name if has_mask else "", sex))
        return number

    def write_table(self, header: tuple[str, ...] = HEADER) -> None:
        with (self.root / "table.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([header, *self.rows])


@pytest.fixture
def source(tmp_path: Path) -> Source:
    root = tmp_path / "source"
    root.mkdir()
    return Source(root, [])


@pytest.fixture
def declaration(source: Source) -> dict[str, Any]:
    return {
        "name": "files",
        "root": str(source.root),
        "table": "table.csv",
        "columns": {"image": "image", "label": "label", "patient": "patient", "lung_mask": "mask", "sex": "sex"},
        "normal_labels": ["healthy"],
        "abnormal_labels": ["ill"],
        "settings": {"radiographs": {"size": 64}},
    }


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "installation")


def fill(source: Source) -> tuple[list[int], dict[int, tuple[str, str]]]:
    """Good rows, and for each bad one what was found and what to do."""
    good = [
        source.add(encoded(gray(0)), lungs=mask(0)),
        source.add(encoded(gray(1), "JPEG"), ".jpg", lungs=mask(1), label="ill"),
        source.add(dicom(gray(2)), ".dcm", lungs=mask(2)),
        source.add(encoded(gray(3).astype(np.uint16) * 257), lungs=mask(3), label="ill"),
        source.add(encoded(gray(4))),
    ]
    truncated = encoded(gray(5), "JPEG")
    bad = {
        source.add(truncated[: len(truncated) // 2], ".jpg"): ("damaged or unsupported JPEG", "copy it again"),
        source.add(b""): ("empty file (0 bytes)", "copy it again"),
        source.add(encoded(np.zeros((96, 96), np.uint8))): ("without contrast", "leave it out"),
        source.add(encoded(gray(6) > 99)): ("1-bit image", "export the radiograph"),
        source.add(None): ("image file cannot be read (FileNotFoundError)", "restore it or drop the row"),
        source.add(encoded(gray(7)), lungs_missing=True): ("lung mask file cannot be read", "restore it"),
        source.add(encoded(gray(8)), lungs=encoded(np.ones((50, 60), np.uint8))): ("60", "96"),
        source.add(encoded(gray(9)), label="unheard of"): ("its label is unknown", "list it in normal_labels"),
        source.add(encoded(gray(0)), patient=f"{PATIENT_MARK}-1"): ("same pixels as row 1", "remove the copy"),
        source.add(encoded(gray(10)), patient=f"{PATIENT_MARK}-x", sex="M"): ("two sexes", "correct the patient ids"),
        source.add(encoded(gray(11)), patient=f"{PATIENT_MARK}-x", sex="F"): ("two sexes", "correct the patient ids"),
        source.add(encoded(gray(12))): ("two patients in rows 17, 18", "find out which is right"),
        source.add(encoded(gray(12))): ("two patients in rows 17, 18", "find out which is right"),
        source.add(b"\x89PNG\r\n\x1a\n, it says"): ("damaged or unsupported PNG", "export it as PNG"),
        source.add(b"GIF89a"): ("neither PNG, JPEG, TIFF nor DICOM", "export it as PNG"),
    }
    return good, bad


def leaks(installation: Installation, printed: str) -> list[str]:
    """Where below the home a file name or patient id of the source can be read, names of files included."""
    marks = [FILE_MARK.encode(), PATIENT_MARK.encode(), b"DOE^JANE"]
    held = {"the printed text": printed.encode()}
    for path in (item for item in installation.home.rglob("*") if item.is_file()):
        held[str(path)] = str(path).encode() + path.read_bytes()
    for stage in ("radiographs", "lung_masks"):
        # Parquet is compressed.
        held[stage] = repr(installation.rows(stage, "files")).encode()
    return [where for where, data in held.items() if any(mark in data for mark in marks)]


def test_every_bad_row_is_set_aside_with_a_reason_and_the_good_ones_go_on(
    installation: Installation, source: Source, declaration: dict[str, Any]
) -> None:
    good, bad = fill(source)
    source.write_table()
    installation.declare(declaration)
    printed = installation.run("files", "--until", "lung_masks")

    rows = {row["row"]: row for row in installation.rows("radiographs", "files")}
    assert sorted(rows) == sorted([*good, *bad])
    assert {number for number, row in rows.items() if row["status"] == "ok"} == set(good)
    assert [rows[number]["bits"] for number in good] == [8, 8, 12, 16, 8]
    for number, (found, remedy) in bad.items():
        row = rows[number]
        assert row["status"] in ("rejected", "failed")
        assert row["reason"].startswith(f"row {number}: "), row["reason"]
        assert found in row["reason"]
        assert remedy in row["reason"]
    masks = {row["radiograph_id"]: row for row in installation.rows("lung_masks", "files")}
    assert set(masks) == {rows[number]["radiograph_id"] for number in good}
    for number in good[:4]:
        mask = masks[rows[number]["radiograph_id"]]
        # A supplied mask whose bases differ gives way to one that passes.
        assert mask["mask_source"] == "supplied" or mask["passed_over"].startswith("supplied: the bases differ")
    assert masks[rows[good[4]]["radiograph_id"]]["passed_over"].startswith("supplied: the cohort supplies none")
    assert installation.pointer("radiographs", "files")["ok"] == len(good)

    assert leaks(installation, printed) == []
    stored = [path.name for path in (installation.home / "store").rglob("*") if path.is_file()]
    assert [name for name in stored if name.startswith(".") and name != ".lock"] == []

    # A file that was mended is taken in, and only it is computed.
    missing = next(number for number, (found, _) in bad.items() if found.startswith("image file cannot be read"))
    (source.root / source.rows[missing - 1][0]).write_bytes(encoded(gray(13)))
    installation.run("files", "--until", "radiographs")
    mended = {row["row"]: row["status"] for row in installation.rows("radiographs", "files")}
    assert mended[missing] == "ok"
    assert installation.pointer("radiographs", "files")["computed"] == 1


def column_is_missing(source: Source, declaration: dict[str, Any]) -> None:
    source.write_table(("image", "diagnosis", *HEADER[2:]))


def root_is_missing(source: Source, declaration: dict[str, Any]) -> None:
    declaration["root"] = f"{source.root}-elsewhere"


def url_is_unreachable(source: Source, declaration: dict[str, Any]) -> None:
    # Port 9 of this machine, on which nobody listens.
    declaration["root"] = "http://127.0.0.1:9/x"


def field_is_misspelled(source: Source, declaration: dict[str, Any]) -> None:
    declaration["normal_label"] = declaration.pop("normal_labels")


def setting_is_out_of_range(source: Source, declaration: dict[str, Any]) -> None:
    declaration["settings"]["radiographs"]["size"] = 65


@pytest.mark.parametrize(
    ("spoil", "expected"),
    [
        (column_is_missing, ["cohort files: columns.label", "no column 'label'", "correct columns.label"]),
        (root_is_missing, ["[files/0]", "cohort files: its root or table cannot be read", "check `root`"]),
        pytest.param(
            url_is_unreachable,
            ["cohort files: its root or table cannot be read", "check `root`"],
            # Its attempts wait for one another.
            marks=pytest.mark.slow,
        ),
        (field_is_misspelled, ["files.yaml", "`normal_label` is no known field", "did you mean `normal_labels`?"]),
        (setting_is_out_of_range, ["files.yaml", "settings.radiographs.size", "pseudopair settings radiographs"]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_a_wrong_declaration_stops_with_its_name_and_a_remedy(
    installation: Installation,
    source: Source,
    declaration: dict[str, Any],
    spoil: Callable[[Source, dict[str, Any]], None],
    expected: list[str],
) -> None:
    source.add(encoded(gray(0)), lungs=mask(0))
    source.write_table()
    spoil(source, declaration)
    installation.declare(declaration)
    status, printed = installation.call("run", "files", "--until", "lung_masks")
    assert status == 1
    stopped = printed[printed.index("stopped: ") :]
    for part in expected:
        assert part in stopped
    assert FILE_MARK not in printed
    assert PATIENT_MARK not in printed


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("nobody",), ["no cohort is named 'nobody'", "phantom"]),
        (("phantom", "--until", "nothing"), ["there is no stage 'nothing'", "lung_masks"]),
        (("phantom", "--set", "size=3"), ["expected STAGE.SETTING=VALUE"]),
    ],
    ids=["cohort", "stage", "setting"],
)
def test_a_wrong_command_stops_with_what_there_is(
    installation: Installation, arguments: tuple[str, ...], expected: list[str]
) -> None:
    status, printed = installation.call("run", *arguments)
    assert status == 1
    assert "Traceback" not in printed
    for part in expected:
        assert part in printed
