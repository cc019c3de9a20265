"""Which models, translators and normal maps some radiographs are in, told by the keys that these keep and by pairs."""

from collections.abc import Iterable, Iterator

import pyarrow.compute as pc

from assets.alignments import Alignment
from pipelines.lineage.chain import CHAIN, MODELS, SIDES, Teller
from pipelines.lineage.fitted_on import FITTED_STAGES, fitted_keys, keys_as_fitted
from pipelines.lineage.item import OK, Item
from pipelines.lineage.origin import Origin, because
from pipelines.lineage.reading import Reader, Row, cohort_of, set_of
from resources.manifests import Place, fingerprint


def models(teller: Teller, origin: Origin, cohort: str) -> list[Item]:
    """Models of a cohort that were fitted on any of the radiographs, and those that other cohorts borrow."""
    found: list[Item] = []
    for stage, kind in MODELS.items():
        row = teller.reader.model(stage, cohort)
        if row is None or row.get("borrowed_from"):
            continue
        count = len(_keys_as_fitted(teller.reader, origin, cohort, stage) & fitted_keys(teller.reader.store, row))
        itself = stage == "reference_lung" and row["radiograph_id"] in origin.ids(cohort)
        if count or itself:
            item = teller.item(kind, Place(stage, cohort), row)
            why = "is one of these radiographs itself" if itself else f"fitted on {count} of these radiographs"
            found.append(because(item, why))
            found += _borrowers(teller, stage, cohort)
    return found


def normals(teller: Teller, origin: Origin, cohort: str) -> list[Item]:
    """Arms' maps of what is usual that any of the radiographs is in, and those that other cohorts take over."""
    place = Place("normal_maps", cohort)
    table = teller.reader.table(place)
    rows = [] if table is None else [row for row in table.to_pylist() if row["artifact"] and not _lender(row)]
    found: list[Item] = []
    for row in rows:
        mine = frozenset(_names_as_normals(teller.reader, origin, cohort, row["alignment"]))
        count = len(mine & fitted_keys(teller.reader.store, row))
        if count:
            item = teller.item("normal maps", place, row)
            found.append(because(item, f"{row['arm']} seed {row['seed']}, {count} of these radiographs are in it"))
            found += _with_those_maps(teller, cohort, row)
    return found


def _names_as_normals(reader: Reader, origin: Origin, cohort: str, alignment: Alignment) -> Iterator[str]:
    """Names by which normal maps know radiographs: of what makes them in the arm's frame."""
    # A second that only those wait for who have such maps.
    from assets.pairing.frames import frame_key, join, with_peers

    reference = reader.model("reference_lung", cohort) or {"key": ""}
    for shard, ids in origin.radiographs.items():
        if cohort_of(shard) != cohort:
            continue
        stages = [stage for stage, *_ in reversed(CHAIN)]
        rows = join(*([row for row in _of(reader, stage, shard, ids) if row["status"] == OK] for stage in stages))
        for row in with_peers(rows.values(), _of(reader, "peer_registered", shard, ids)):
            if row.has(alignment):
                yield fingerprint(frame_key(alignment, row, reference["key"]))


def _of(reader: Reader, stage: str, shard: str, ids: Iterable[str]) -> list[Row]:
    return reader.rows(Place(stage, shard), "radiograph_id", ids)


def _with_those_maps(teller: Teller, lender: str, lent: Row) -> list[Item]:
    found: list[Item] = []
    for cohort in _others(teller, lender):
        place = Place("normal_maps", cohort)
        rows = teller.reader.rows(place, "artifact", [lent["artifact"]])
        found += [because(teller.item("normal maps", place, row), f"{cohort} borrows it") for row in rows]
    return found


def _keys_as_fitted(reader: Reader, origin: Origin, cohort: str, model: str) -> set[str]:
    shards = [shard for shard in origin.radiographs if cohort_of(shard) == cohort]
    places = [Place(FITTED_STAGES[model], shard) for shard in shards]
    rows = [row for place in places for row in reader.rows(place, "radiograph_id", origin.radiographs[place.partition])]
    return {key for row in rows for key in keys_as_fitted(model, row)}


def _borrowers(teller: Teller, stage: str, lender: str) -> list[Item]:
    rows = {cohort: teller.reader.model(stage, cohort) for cohort in _others(teller, lender)}
    return [
        because(teller.item(MODELS[stage], Place(stage, cohort), row), f"{cohort} borrows it")
        for cohort, row in rows.items()
        if row is not None and _lender(row) == lender
    ]


def _others(teller: Teller, cohort: str) -> list[str]:
    return sorted({cohort_of(shard) for shard in teller.reader.shards()} - {cohort})


def _lender(row: Row) -> str:
    return str(row.get("borrowed_from") or "").partition("@")[0]


def translators(teller: Teller, origin: Origin, cohort: str) -> list[Item]:
    """Translators whose training pairs, those of the manifest that they were trained from, are among the asked ones."""
    place = Place("translator", cohort)
    table, pointer = teller.reader.table(place), teller.reader.pointer(place)
    if table is None or pointer is None:
        return []
    digest = pointer["parents"].get(f"pseudo_pairs@{cohort}", "")
    columns = ["pair_id", "split", *(f"{side}_id" for side in SIDES)]
    pairs = teller.reader.table(Place("pseudo_pairs", cohort), columns, digest) if digest else None
    rows = [row for row in table.to_pylist() if row["status"] == "ok" and not _lender(row)]
    if pairs is None:
        why = "the pairs that it was trained on are no longer in the store, so nobody can tell whether it saw these"
        return [because(teller.item("translator", place, row), why) for row in rows]
    pairs = pairs.filter(pc.is_in(pairs["split"], set_of(["train"])))
    if origin.pair:
        mine = pairs.filter(pc.is_in(pairs["pair_id"], set_of([origin.pair])))
        seen = {side: mine.num_rows for side in SIDES}
    else:
        known = set_of(origin.ids(cohort))
        seen = {
            side: len(pc.unique(pairs[f"{side}_id"].filter(pc.is_in(pairs[f"{side}_id"], known)))) for side in SIDES
        }
    return [
        because(teller.item("translator", place, row), f"trained on {_what(seen, row, origin)}")
        for row in rows
        if _count(seen, row)
    ]


def _count(seen: dict[str, int], row: Row) -> int:
    """A translator without a GAN learns from one domain only."""
    return sum(seen[side] for side in SIDES if row[f"trained_{side}"])


def _what(seen: dict[str, int], row: Row, origin: Origin) -> str:
    return "this pair" if origin.pair else f"{_count(seen, row)} of these radiographs"
