"""The whole answer: what was asked for, backwards to its sources, and forwards to scores."""

from pipelines.lineage.chain import Teller, pair_item
from pipelines.lineage.find import COLUMNS, Found, find, find_patient
from pipelines.lineage.item import OK, Item, Lineage
from pipelines.lineage.origin import Origin
from pipelines.lineage.reached import reached
from pipelines.lineage.reading import RADIOGRAPHS, Reader
from resources.manifests import Place
from resources.object_store import ObjectStore


def lineage(store: ObjectStore, text: str) -> Lineage:
    """Lineage of a pair, a radiograph or a source file.

    Args:
        store: the artefact store.
        text: id, beginning of an id, or path of a source file.

    Raises:
        LineageError: nothing in the store has that id, or more than one thing.
    """
    reader = Reader(store)
    found = find(reader, text)
    return _of_pair(reader, found) if found.kind == "pair" else _of_radiographs(reader, found)


def patient_lineage(store: ObjectStore, pseudonyms: list[str]) -> Lineage:
    """Lineage of all radiographs of a patient.

    Args:
        store: the artefact store.
        pseudonyms: what the id that was given may stand for, the likeliest first.

    Raises:
        LineageError: no radiograph is of that patient.
    """
    reader = Reader(store)
    return _of_radiographs(reader, find_patient(reader, pseudonyms))


def _of_pair(reader: Reader, found: Found) -> Lineage:
    teller, cohort = Teller(reader), found.places[0]
    pair = reader.rows(Place("pseudo_pairs", cohort), "pair_id", [found.name])[0]
    sides: dict[str, frozenset[str]] = {}
    for side in ("abnormal", "normal"):
        shard = pair[f"{side}_shard"]
        sides[shard] = sides.get(shard, frozenset()) | {pair[f"{side}_id"]}
    item = pair_item(teller, cohort, pair)
    return _answer(reader, found, (item,), reached(teller, Origin(sides, found.name)))


def _of_radiographs(reader: Reader, found: Found) -> Lineage:
    teller = Teller(reader)
    column = "patient" if found.kind == "patient" else COLUMNS[found.kind]
    places = [Place(RADIOGRAPHS, shard) for shard in found.places]
    read = reader.together(places, lambda place: reader.rows(place, column, [found.name]))
    items: list[Item] = []
    by_shard: dict[str, frozenset[str]] = {}
    for place, rows in zip(places, read, strict=True):
        by_shard[place.partition] = frozenset(row["radiograph_id"] for row in rows if row["radiograph_id"])
        # A file whose pixels came in under another row already has no chain of its own.
        items += [
            teller.radiograph(place.partition, row["radiograph_id"])
            if row["status"] == OK
            else teller.item("radiograph", place, row, (teller.source(place, row),))
            for row in rows
        ]
    return _answer(reader, found, tuple(items), reached(teller, Origin(by_shard)))


def _answer(reader: Reader, found: Found, items: tuple[Item, ...], after: tuple[Item, ...]) -> Lineage:
    return Lineage(f"{found.kind} {found.name}", items, after, reader.store.root)
