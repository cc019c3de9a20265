"""Which rows of which manifests are a patient's."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.forget.layout import Layout
from pipelines.lineage.fitted_on import FITTED_STAGES, keys_as_fitted
from pipelines.lineage.reading import Reader, cohort_of, set_of
from resources.manifests import Place
from resources.object_store import ObjectStore

PEOPLE = ("patient", "abnormal_patient", "normal_patient")
RADIOGRAPHS = ("radiograph_id", "abnormal_id", "normal_id")
FILES = ("file_digest", "abnormal_file_digest", "normal_file_digest")
COLUMNS = (*PEOPLE, *RADIOGRAPHS, *FILES, "key", "split", "domain")


class ForgetError(RuntimeError):
    """The patient cannot be removed: nobody has that id, a run is under way, or a manifest cannot be read."""


@dataclass(frozen=True)
class Theirs:
    """What belongs to a patient in a store.

    Attributes:
        patient: pseudonym.
        radiographs: ids of the patient's pixels.
        files: digests of the patient's source files.
        keys: row keys in any manifest, and the keys by which models know rows.
        partitions: shards whose manifests name the patient, and their cohorts.
        counts: rows by stage in current manifests.
    """

    patient: str
    radiographs: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()
    keys: frozenset[str] = frozenset()
    partitions: tuple[str, ...] = ()
    counts: tuple[tuple[str, int], ...] = ()

    @property
    def cohorts(self) -> tuple[str, ...]:
        """Cohorts of the partitions."""
        return tuple(sorted({cohort_of(partition) for partition in self.partitions}))

    def rows(self, table: pa.Table) -> pa.ChunkedArray:
        """Which rows of a manifest, or of some of its columns, are the patient's: booleans."""
        known = ((PEOPLE, frozenset({self.patient})), (RADIOGRAPHS, self.radiographs), (FILES, self.files))
        found = pa.chunked_array([pa.repeat(False, table.num_rows)])
        for columns, values in known:
            wanted = set_of(values)
            for column in columns:
                if column in table.column_names:
                    found = pc.or_(found, pc.is_in(table[column], wanted))
        return found


def theirs(store: ObjectStore, places: Layout, patient: str, known: Theirs, cohort: str | None = None) -> Theirs:
    """Go through every manifest of a store, earlier ones too: a killed run or a removal may have left some.

    The same pixels or the same file under another pseudonym are the patient's as well.

    Args:
        store: the artefact store.
        places: its layout.
        patient: pseudonym.
        known: what an earlier removal of the patient, perhaps cut off, knew.
        cohort: nothing else is looked at; by default every cohort.

    Raises:
        ForgetError: a manifest cannot be read.
    """
    reader = Reader(store)
    mine = [place for place in places.objects if cohort in (None, cohort_of(place.partition))]
    radiographs, files = set(known.radiographs), set(known.files)
    for _, _, table in _tables(reader, places, mine, ("patient", "radiograph_id", "file_digest")):
        if "patient" in table.column_names:
            own = table.filter(pc.is_in(table["patient"], set_of([patient])))
            radiographs |= _values(own, "radiograph_id")
            files |= _values(own, "file_digest")
    found = replace(known, radiographs=frozenset(radiographs), files=frozenset(files))
    return _everywhere(reader, places, mine, found)


def _everywhere(reader: Reader, places: Layout, mine: list[Place], found: Theirs) -> Theirs:
    keys, partitions, counts = set(found.keys), set(found.partitions), Counter[str]()
    for place, current, table in _tables(reader, places, mine, COLUMNS):
        own = table.filter(found.rows(table))
        if own.num_rows == 0:
            continue
        # The reference's key stands in everybody's rows and tells nothing of whose lung it was.
        keys |= set() if place.stage in FITTED_STAGES else _values(own, "key")
        if place.stage == "radiographs":
            keys |= {key for row in own.to_pylist() if row["key"] for key in keys_as_fitted("lung_segmenter", row)}
        partitions |= {place.partition, cohort_of(place.partition)}
        counts[place.stage] += own.num_rows if current else 0
    told = tuple((stage, count) for stage, count in counts.items() if count)
    return replace(found, keys=frozenset(keys), partitions=tuple(sorted(partitions)), counts=told)


def _tables(
    reader: Reader, places: Layout, mine: list[Place], columns: tuple[str, ...]
) -> Iterator[tuple[Place, bool, pa.Table]]:
    """Columns of every manifest of some places, and whether it is the current one."""
    for place in mine:
        pointer = reader.pointer(place)
        for digest in places.manifests(place):
            try:
                table = reader.table(place, columns, digest)
            except pa.ArrowException:
                raise ForgetError(
                    f"{place.manifest(digest)} cannot be read, so nobody knows whom it names; delete it, run the "
                    "cohort again if it was the current one, and ask again: nothing was removed"
                ) from None
            if table is not None:
                yield place, pointer is not None and pointer["digest"] == digest, table


def _values(table: pa.Table, column: str) -> set[str]:
    return {str(value) for value in table[column].to_pylist() if value} if column in table.column_names else set()
