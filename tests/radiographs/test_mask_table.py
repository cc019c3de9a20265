import csv
import io
from collections.abc import Sequence
from typing import Any

import pytest

from assets.radiographs import mask_table
from assets.radiographs.declaration import DeclarationError
from assets.radiographs.declared_masks import CheXmask
from assets.radiographs.lung_masks import EncodedLungs
from assets.radiographs.mask_table import with_published_masks
from assets.radiographs.source_row import SourceRow

HEADER = (
    "image_id", "Dice RCA (Mean)", "Dice RCA (Max)", "Landmarks", "Left Lung", "Right Lung", "Heart", "Height", "Width"
)  # fmt: skip
DECLARED = CheXmask(table="masks.csv", id="image_id")


def record(identifier: str, **changed: str) -> list[str]:
    # NumPy's text of the landmarks, line breaks and all, is what the published tables hold.
    cells = dict(zip(HEADER, (identifier, "0.9", "0.95", "[[655 1130]\n [640 1121]]", "4 2", "1 2", "9 1", "10", "12"),
                     strict=True))  # fmt: skip
    return list((cells | {name.replace("_", " "): value for name, value in changed.items()}).values())


def table(*records: Sequence[str], header: Sequence[str] = HEADER) -> io.BytesIO:
    text = io.StringIO()
    csv.writer(text).writerows([header, *records])
    return io.BytesIO(text.getvalue().encode())


def row(number: int, image: str, problem: str | None = None) -> SourceRow:
    return SourceRow(number, image, None, None, f"p{number}", "normal", "normal", (), None, None, None, None, problem)


def joined(images: Sequence[str], stream: io.BytesIO, declared: CheXmask = DECLARED) -> list[SourceRow]:
    rows = [row(number, image) for number, image in enumerate(images, start=1)]
    return with_published_masks(rows, {each.number for each in rows}, declared, stream)


MASK = EncodedLungs("1 2", "4 2", 10, 12)


def test_a_row_gets_the_masks_of_its_id_and_the_rest_of_it_stays() -> None:
    (found,) = joined(["a.png"], table(record("a")))
    assert (found.encoded_lungs, found.mask_problem, found.problem) == (MASK, None, None)
    assert (found.number, found.image, found.patient) == (1, "a.png", "p1")


@pytest.mark.parametrize(
    ("image", "identifier"),
    [
        ("images/00000001_000.png", "00000001_000.png"),
        ("00000001_000.dcm", "00000001_000.png"),
        ("files/p10/s5/02aa-bde0.jpg", "02aa-bde0"),
        ("dicom/1.2.840.10008.5.dcm", "1.2.840.10008.5"),
        ("train/patient00001/study1/view1_frontal.jpg", "CheXpert-v1.0/train/patient00001/study1/view1_frontal.jpg"),
        ("study1/view1_frontal.PNG", "patient00001/study1/view1_frontal.jpg"),
    ],
)
def test_ids_fit_file_names_with_or_without_folders_and_suffixes(image: str, identifier: str) -> None:
    (found,) = joined([image], table(record(identifier)))
    assert found.encoded_lungs == MASK


def test_folders_that_differ_do_not_fit() -> None:
    one, other = joined(
        ["patient1/study1/view.jpg", "patient2/study1/view.jpg"],
        table(record("x/patient1/study1/view.jpg"), record("x/patient3/study1/view.jpg")),
    )
    assert one.encoded_lungs == MASK
    assert other.encoded_lungs is None
    assert "no row for this image" in str(other.mask_problem)


@pytest.mark.parametrize(
    ("records", "found"),
    [
        ([record("a"), record("a.png")], "several rows for this image"),
        ([record("a", **{"Dice RCA (Mean)": "0.69"})], "Dice RCA (Mean) below 0.7"),
        ([record("a", **{"Dice RCA (Mean)": "nan"})], "Dice RCA (Mean) below 0.7"),
        ([record("a", **{"Dice RCA (Mean)": ""})], "no number as Dice RCA (Mean)"),
        ([record("a", Left_Lung="")], "mask of the right lung alone"),
        ([record("a", Left_Lung="", Right_Lung="")], "empty masks in the mask table"),
        ([record("a", Height="tall")], "no height and width"),
        ([record("a")[:-1]], "no row for this image"),
    ],
    ids=["repeated", "poor", "nan", "ungraded", "half", "empty", "unsized", "short"],
)
def test_a_bad_row_is_a_problem_of_its_image_alone(records: list[list[str]], found: str) -> None:
    bad, good = joined(["a.png", "b.png"], table(*records, record("b")))
    assert bad.encoded_lungs is None
    assert found in str(bad.mask_problem)
    assert bad.problem is None
    assert (good.encoded_lungs, good.mask_problem) == (MASK, None)


def test_an_id_that_fits_two_images_serves_neither() -> None:
    rows = joined(["p1/view.jpg", "p2/view.jpg", "b.png"], table(record("view"), record("view"), record("b")))
    assert [each.encoded_lungs for each in rows] == [None, None, MASK]
    assert all("fits several images" in str(each.mask_problem) for each in rows[:2])


def test_the_least_quality_is_declared() -> None:
    lenient = CheXmask(table="masks.csv", id="image_id", smallest_dice_rca=0.5)
    (found,) = joined(["a.png"], table(record("a", **{"Dice RCA (Mean)": "0.5"})), lenient)
    assert found.encoded_lungs == MASK


def test_rows_that_are_not_wanted_stay_as_they_are_but_still_count_as_images() -> None:
    rows = [row(1, "p1/view.jpg"), row(2, "p2/view.jpg"), row(3, "c.png"), row(4, "d.png", "no label")]
    found = with_published_masks(rows, {1, 4}, DECLARED, table(record("view"), record("c"), record("d")))
    assert "fits several images" in str(found[0].mask_problem)
    assert found[1:3] == rows[1:3]
    assert found[3].encoded_lungs is None


@pytest.mark.parametrize("column", ["image_id", "Left Lung", "Right Lung", "Height", "Width", "Dice RCA (Mean)"])
def test_a_missing_or_repeated_column_is_named(column: str) -> None:
    kept = [name if name != column else "other" for name in HEADER]
    with pytest.raises(DeclarationError, match="not at all") as caught:
        joined(["a.png"], table(record("a"), header=kept))
    assert repr(column) in str(caught.value)
    with pytest.raises(DeclarationError, match="twice"):
        joined(["a.png"], table([*record("a"), ""], header=[*HEADER, column]))


def test_a_table_of_other_images_is_refused_without_naming_any() -> None:
    with pytest.raises(DeclarationError, match=r"no id of the mask table fits .* correct chexmask.id") as caught:
        joined(["doe_jane.png"], table(record("MRN-1")))
    assert "doe" not in str(caught.value)
    assert "MRN" not in str(caught.value)


@pytest.mark.parametrize("data", [b"\x1f\x8b\x08\x00packed", b"\xff\xfe\x00"])
def test_what_is_no_csv_is_refused(data: bytes) -> None:
    with pytest.raises(DeclarationError, match="no CSV in UTF-8; unpack it"):
        joined(["a.png"], io.BytesIO(data))


def test_a_byte_order_mark_is_no_name() -> None:
    (found,) = joined(["a.png"], io.BytesIO(b"\xef\xbb\xbf" + table(record("a")).getvalue()))
    assert found.encoded_lungs == MASK


class Counting(io.BytesIO):
    """Remembers the most bytes that were asked for at once."""

    largest = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        assert size > 0, "the whole table was asked for"
        self.largest = max(self.largest, size)
        return super().read(size)


def test_a_table_of_many_blocks_is_read_in_passing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_table, "BLOCK_BYTES", 4096)
    whole = table(*(record(f"x{number}") for number in range(1000)), record("a")).getvalue()
    stream = Counting(whole)
    found = joined(["x3.png", "a.png"], stream)
    assert [each.encoded_lungs for each in found] == [MASK, MASK]
    assert stream.largest < len(whole) / 4


def test_a_row_longer_than_a_block_is_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mask_table, "BLOCK_BYTES", 64)
    with pytest.raises(DeclarationError, match="rows below"):
        joined(["a.png"], table(record("a", Landmarks="9" * 500)))


def test_reasons_hold_no_run_and_no_name() -> None:
    secret: dict[str, Any] = {"Left_Lung": "123 45", "Right_Lung": "", "Height": "MRN-1"}
    (found,) = joined(["doe_jane.png"], table(record("doe_jane", **secret)))
    for word in ("doe", "MRN", "123"):
        assert word not in str(found.mask_problem)
        assert word not in repr(found)
