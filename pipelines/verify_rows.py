"""Checks of what the rows of all manifests say of patients, labels, splits, pairs and pixels."""

from collections.abc import Callable, Iterable, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from assets.pairing import audit
from pipelines.stored import Stored
from pipelines.verification import Check
from resources.partitions import VARIANTS, cohort_of

PSEUDONYM = "^[0-9a-f]{24}$"
DIGEST = "^[0-9a-f]*$"
# Under these names the audit of labels compares other things that a row carries.
AS_LABELS = {"patient": "label", "split": "domain"}


def _rows_unique(found: Sequence[Stored]) -> Check:
    wrong = []
    for each in found:
        for columns in (("key",), ("radiograph_id", *(name for name in ("arm", "seed") if each.has(name)))):
            if each.has(*columns):
                wrong += [f"{each.place}: {each_id}" for each_id in _doubled(each.usable, columns)]
    looked_at = sum(each.table.num_rows for each in found)
    return Check(
        "rows_unique", looked_at, tuple(sorted(set(wrong))), "delete the stage's CURRENT.json and run it again"
    )


def _doubled(rows: pa.Table, columns: Sequence[str]) -> list[str]:
    counted = rows.group_by(list(columns)).aggregate([([], "count_all")])
    ids: list[str] = pc.unique(counted.filter(pc.greater(counted["count_all"], 1))[columns[0]]).to_pylist()
    return sorted(ids)


def _radiographs(found: Iterable[Stored]) -> dict[str, pa.Table]:
    """Usable radiographs of all shards, by cohort."""
    by_cohort: dict[str, list[pa.Table]] = {}
    for each in found:
        if each.place.stage == "radiographs":
            by_cohort.setdefault(cohort_of(each.place.partition), []).append(each.usable)
    return {cohort: pa.concat_tables(tables) for cohort, tables in by_cohort.items()}


def _patients(found: Sequence[Stored]) -> Check:
    by_cohort = _radiographs(found)
    # An id may be two people's in two cohorts.
    wrong = [
        f"{cohort}: {patient}"
        for cohort, rows in sorted(by_cohort.items())
        for patient in audit.patients_in_two_splits(rows)
    ]
    looked_at = sum(pc.count_distinct(rows["patient"]).as_py() for rows in by_cohort.values())
    return Check(
        "patients_in_one_split", looked_at, tuple(wrong), "run radiographs again for every shard of the cohort"
    )


def _pixels(found: Sequence[Stored]) -> Check:
    by_cohort = _radiographs(found)
    wrong = {each for rows in by_cohort.values() for each in audit.same_pixels_twice(rows)}
    # A fold of a study holds another cohort's images on purpose, under a split of its own.
    together = [rows for cohort, rows in by_cohort.items() if cohort not in VARIANTS]
    if together:
        rows = pa.concat_tables(together).select(["radiograph_id", "split"])
        wrong |= set(audit.patients_in_two_splits(rows.rename_columns(["patient", "split"])))
    looked_at = sum(rows.num_rows for rows in by_cohort.values())
    advice = "run radiographs again for every shard that has them: the same image goes into one split or is set aside"
    return Check("same_pixels_once", looked_at, tuple(sorted(wrong)), advice)


def _pairs(found: Sequence[Stored], name: str, judge: Callable[[pa.Table, pa.Table], list[str]], advice: str) -> Check:
    by_cohort = _radiographs(found)
    pairs = [each for each in found if each.has("pair_id")]
    beside = [(each, by_cohort.get(cohort_of(each.place.partition))) for each in pairs]
    wrong = [pair for each, rows in beside if rows is not None for pair in judge(each.usable, rows)]
    return Check(name, sum(each.table.num_rows for each in pairs), tuple(wrong), advice)


def _pairs_within_split(found: Sequence[Stored]) -> Check:
    return _pairs(found, "pairs_within_split", audit.pairs_across_splits, "run pseudo_pairs again")


def _pairs_of_two_patients(found: Sequence[Stored]) -> Check:
    def judge(pairs: pa.Table, _: pa.Table) -> list[str]:
        return audit.pairs_of_one_patient(pairs)

    return _pairs(found, "pairs_of_two_patients", judge, "run pseudo_pairs again")


def _labels_agree(found: Sequence[Stored]) -> Check:
    by_cohort = _radiographs(found)
    wrong, looked_at = [], 0
    for each in found:
        radiographs = by_cohort.get(cohort_of(each.place.partition))
        if radiographs is None or each.place.stage == "radiographs":
            continue
        if each.has("pair_id"):
            flipped = audit.pair_labels_flipped(each.usable, radiographs)
        elif each.has("radiograph_id", "label", "domain", "patient", "split"):
            flipped = sorted({*audit.labels_flipped(each.usable, radiographs), *_moved(each.usable, radiographs)})
        else:
            continue
        looked_at += each.usable.num_rows
        wrong += [f"{each.place}: {row}" for row in flipped]
    advice = "its label, domain, patient or split changed upstream; run the cohort again"
    return Check("labels_agree", looked_at, tuple(wrong), advice)


def _moved(rows: pa.Table, radiographs: pa.Table) -> list[str]:
    """Radiographs whose patient or split is another in a later stage."""
    names = ["radiograph_id", *AS_LABELS]
    as_labels = ["radiograph_id", *AS_LABELS.values()]
    one, other = (table.select(names).rename_columns(as_labels) for table in (rows, radiographs))
    return audit.labels_flipped(one, other)


def _no_identifiers(found: Sequence[Stored]) -> Check:
    wrong, looked_at = [], 0
    for each in found:
        for name in each.table.column_names:
            pattern = _pattern(name)
            if pattern is None:
                continue
            values = each.table[name].drop_null()
            odd = pc.sum(pc.invert(pc.match_substring_regex(values, pattern))).as_py() or 0
            looked_at += len(values)
            if odd:
                # The value itself may be what must not be shown.
                wrong.append(f"{each.place}: {name} of {odd} rows")
    advice = "a source's own id may stand there: delete that manifest and its CURRENT.json, and run its stage again"
    return Check("no_identifiers", looked_at, tuple(wrong), advice)


def _pattern(column: str) -> str | None:
    if column.endswith("patient"):
        return PSEUDONYM
    return DIGEST if column.endswith(("_id", "_digest")) else None


ROW_CHECKS = (
    _rows_unique,
    _patients,
    _pairs_within_split,
    _pairs_of_two_patients,
    _labels_agree,
    _pixels,
    _no_identifiers,
)
