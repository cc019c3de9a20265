"""Contradictions between rows: a patient with two sexes, pixels under two names, in one shard or in several."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from assets.radiographs.source_row import SourceRow

# A follow-up of a few years is one patient growing older; a longer span is more often two patients under one id.
AGE_SPAN_YEARS = 5
# What a published row is compared by.
COMPARED = ["row", "status", "radiograph_id", "file_digest", "patient", "label", "split"]

Row = dict[str, Any]


class Claim(NamedTuple):
    """What a decoded row says of its patient; undecoded ones say it themselves."""

    number: int
    patient: str | None
    sex: str | None
    age: float | None


def conflicting_patients(rows: Iterable[SourceRow | Claim]) -> dict[int, str]:
    """Reason for every row of a patient who is given two sexes, or ages more than five years apart.

    Rows without patient are left alone. Splits are by patient, so one id on two people cannot be trusted.
    """
    by_patient: dict[str, list[SourceRow | Claim]] = defaultdict(list)
    for row in rows:
        if row.patient is not None:
            by_patient[row.patient].append(row)
    reasons: dict[int, str] = {}
    for group in by_patient.values():
        conflict = _conflict(group)
        if conflict:
            where = _row_list([row.number for row in group])
            text = f"the patient of {where} has {conflict}; correct the patient ids or remove the rows"
            reasons.update({row.number: text for row in group})
    return reasons


def _conflict(group: Sequence[SourceRow | Claim]) -> str | None:
    if len({row.sex for row in group if row.sex}) > 1:
        return "two sexes"
    ages = [row.age for row in group if row.age is not None]
    if ages and max(ages) - min(ages) > AGE_SPAN_YEARS:
        return f"ages more than {AGE_SPAN_YEARS} years apart"
    return None


def duplicate_reasons(ids: Iterable[tuple[int, str, str, str]]) -> dict[int, str]:
    """Reason for every row whose pixels another row has too.

    Args:
        ids: (row number, radiograph_id, pseudonym, label).

    Returns:
        Row number to reason. Of equal pixels with one patient and one label the first row stays; with two patients
        or two labels none does, since nobody can say which is right.
    """
    by_pixels: dict[str, list[tuple[int, str, str]]] = defaultdict(list)
    for number, pixels, patient, label in sorted(ids):
        by_pixels[pixels].append((number, patient, label))
    reasons: dict[int, str] = {}
    for group in by_pixels.values():
        if len(group) > 1:
            reasons.update(_group_reasons(group))
    return reasons


def _group_reasons(group: Sequence[tuple[int, str, str]]) -> dict[int, str]:
    numbers = [number for number, _, _ in group]
    two_patients = len({patient for _, patient, _ in group}) > 1
    two_labels = len({label for _, _, label in group}) > 1
    if not (two_patients or two_labels):
        return {number: f"same pixels as row {numbers[0]}; remove the copy" for number in numbers[1:]}
    what = " and ".join(word for word, found in (("two patients", two_patients), ("two labels", two_labels)) if found)
    text = f"same pixels under {what} in {_row_list(numbers)}; find out which is right and remove the others"
    return dict.fromkeys(numbers, text)


def same_pixels(rows: Iterable[Row], published: pa.Table) -> list[tuple[Row, Row]]:
    """Rows whose pixels a usable published row has, each with that row.

    Args:
        rows: with different radiograph_id.
        published: columns COMPARED of another shard.
    """
    by_pixels = {row["radiograph_id"]: row for row in rows}
    usable = pc.equal(published["status"], "ok")
    wanted = pa.array(by_pixels, pa.string())
    found = published.filter(pc.and_(usable, pc.is_in(published["radiograph_id"], wanted))).to_pylist()
    return [(by_pixels[other["radiograph_id"]], other) for other in found]


def copy_reason(row: Row, other: Row, partition: str, same_cohort: bool) -> str | None:
    """Why a row may not be used beside a published one of the same pixels, None if it may.

    Within a cohort one patient is in one shard, so pixels in two are two patients' (a patient whose rows moved to
    another shard is no conflict). Another cohort may hold the same radiograph in the same split.

    Args:
        row: the one to be judged.
        other: the published one.
        partition: its shard.
        same_cohort: whether that belongs to the row's own cohort.
    """
    where = f"same pixels as row {other['row']} of {partition}"
    if not same_cohort:
        if row["split"] == other["split"]:
            return None
        return f"{where}, there in {other['split']}, here in {row['split']}; leave it out of one of the two cohorts"
    if row["patient"] == other["patient"]:
        return None
    differing = [f"two {name}s" for name in ("split", "label") if row[name] != other[name]]
    what = " and ".join(["two patients", *differing])
    return f"{where} under {what}; find out which is right and remove the other"


def lent_reason(row: Row, other: Row, partition: str) -> str | None:
    """Why a row may not be used beside one that models which its cohort borrows were fitted to; None if it may.

    Args:
        row: the one to be judged.
        other: of the lender, with the same pixels.
        partition: its shard.
    """
    if other["split"] == "test" or other["split"] == row["split"]:
        return None
    return (
        f"same pixels as row {other['row']} of {partition}, there in {other['split']}, whose models this cohort "
        "borrows; what they say of it would be no test"
    )


def _row_list(numbers: Sequence[int], shown: int = 5) -> str:
    listed = ", ".join(str(number) for number in numbers[:shown])
    more = f" and {len(numbers) - shown} more" if len(numbers) > shown else ""
    return f"row{'s' if len(numbers) > 1 else ''} {listed}{more}"
