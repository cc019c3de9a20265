"""What an id means: a pair, a radiograph, a source file or a patient of the store."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.lineage.reading import RADIOGRAPHS, Reader, cohort_of, set_of
from resources.manifests import Place, digest_of

Kind = Literal["pair", "radiograph", "file", "patient"]
SHORTEST = 8
# Length of a pair's or a radiograph's id.
WHOLE = 32
# Characters of a wrong id that an error repeats.
LONGEST_SHOWN = 200
# Column and manifest that each kind of id stands in.
COLUMNS: dict[Kind, str] = {"pair": "pair_id", "radiograph": "radiograph_id", "file": "file_digest"}
IDS = (
    "expected a pair id or a radiograph id (32 hexadecimal characters), the SHA-256 of a source file (64), each also "
    f"by its first {SHORTEST} characters or more, or the path of a source file"
)


class LineageError(LookupError):
    """An id that nothing in the store has, or that more than one thing has."""


@dataclass(frozen=True)
class Found:
    """What was asked for.

    Attributes:
        kind: what the id is of.
        name: the whole id.
        places: partitions that have it: the pair's cohort, or shards.
    """

    kind: Kind
    name: str
    places: tuple[str, ...]


def find(reader: Reader, text: str) -> Found:
    """What a path, an id or the beginning of an id means.

    Raises:
        LineageError: nothing has it, or more than one thing does.
    """
    path = _file(text)
    if path is not None:
        found = _by_id(reader, digest_of(path.read_bytes()), ("file",))
        missing = "no radiograph of the store was made from this file; its bytes are compared, not its name"
        return _single(found, missing)
    if not re.fullmatch(rf"[0-9a-fA-F]{{{SHORTEST},64}}", text):
        raise LineageError(f"{text[:LONGEST_SHOWN]!r} is no id and no file that is there; {IDS}")
    return _single(_by_id(reader, text.lower(), ("pair", "radiograph", "file")), f"nothing has the id {text}; {IDS}")


def _file(text: str) -> Path | None:
    try:
        path = Path(text).expanduser()
        return path if path.is_file() else None
    except (OSError, RuntimeError):
        # Too long for a path, in a folder that may not be looked into, or `~` of nobody.
        return None


def find_patient(reader: Reader, pseudonyms: list[str]) -> Found:
    """A patient by one of the pseudonyms that the given id may stand for.

    Raises:
        LineageError: no radiograph is of that patient.
    """
    columns = reader.together(
        [Place(RADIOGRAPHS, shard) for shard in reader.shards()], lambda place: _column(reader, place)
    )
    for pseudonym in pseudonyms:
        shards = [place.partition for place, known in columns if pc.any(pc.is_in(known, set_of([pseudonym]))).as_py()]
        if shards:
            return Found("patient", pseudonym, tuple(shards))
    raise LineageError(
        "no radiograph of the store is of that patient; give the source's id as its cohort's table or header has it, "
        "or the pseudonym (24 hexadecimal characters), with the same PSEUDOPAIR_KEY as at the ingestion"
    )


def _column(reader: Reader, place: Place) -> tuple[Place, pa.ChunkedArray]:
    table = reader.table(place, ["patient"])
    return place, pa.chunked_array([], pa.string()) if table is None else table["patient"]


def _by_id(reader: Reader, start: str, kinds: tuple[Kind, ...]) -> set[tuple[Kind, str, str]]:
    """Kind, id and partition of everything whose id begins so."""
    shards = reader.shards()
    pairs = [Place("pseudo_pairs", cohort) for cohort in sorted({cohort_of(shard) for shard in shards})]
    found = _among(reader, pairs if "pair" in kinds and len(start) <= WHOLE else [], start, ("pair",))
    # A whole id is of one thing only; the radiographs of a large cohort take longer to go through than its pairs.
    if found and len(start) == WHOLE:
        return found
    rest: tuple[Kind, ...] = ("file",) if len(start) > WHOLE or "pair" not in kinds else ("radiograph", "file")
    return found | _among(reader, [Place(RADIOGRAPHS, shard) for shard in shards], start, rest)


def _among(reader: Reader, places: list[Place], start: str, kinds: tuple[Kind, ...]) -> set[tuple[Kind, str, str]]:
    found = reader.together(places, lambda place: _beginning(reader, place, start, kinds))
    return {each for some in found for each in some}


def _beginning(reader: Reader, place: Place, start: str, kinds: tuple[Kind, ...]) -> set[tuple[Kind, str, str]]:
    columns = {COLUMNS[kind]: kind for kind in kinds}
    table = reader.table(place, list(columns))
    return {
        (kind, str(name), place.partition)
        for column, kind in columns.items()
        if table is not None and column in table.column_names
        for name in table[column].filter(pc.starts_with(table[column], start)).unique().to_pylist()
    }


def _single(found: set[tuple[Kind, str, str]], missing: str) -> Found:
    named = sorted({(kind, name) for kind, name, _ in found})
    if not named:
        raise LineageError(missing)
    if len(named) > 1:
        some = ", ".join(f"{kind} {name}" for kind, name in named[:5])
        raise LineageError(
            f"{len(named)} things begin so ({some}{', …' if len(named) > 5 else ''}); give more of the id"
        )
    kind, name = named[0]
    return Found(kind, name, tuple(sorted(place for *_, place in found)))
