"""Forwards: which pairs, models, translators, scores and reports some radiographs went into."""

from dataclasses import replace

import pyarrow.compute as pc

from pipelines.lineage.chain import SIDES, Teller
from pipelines.lineage.item import Item
from pipelines.lineage.origin import Origin, because
from pipelines.lineage.reading import Row, cohort_of, set_of
from pipelines.lineage.trained import models, normals, translators
from resources.manifests import Place


def reached(teller: Teller, origin: Origin) -> tuple[Item, ...]:
    """Everything downstream of an origin that the current manifests hold, by kind in the order of the stages."""
    found: list[Item] = []
    for cohort in origin.cohorts:
        fitted = [] if origin.pair else models(teller, origin, cohort)
        pairs = [] if origin.pair else _pairs(teller, cohort, origin.ids(cohort))
        trained = translators(teller, origin, cohort)
        usual = [] if origin.pair else normals(teller, origin, cohort)
        scores = _per_image(teller, origin, cohort, "anomaly_maps", "anomaly map")
        measured = [] if origin.pair else _per_image(teller, origin, cohort, "registration_report", "measurement")
        evaluated = _evaluation(teller, cohort) if trained or scores else []
        found += [*fitted, *pairs, *trained, *usual, *scores, *evaluated, *measured]
    return tuple(found)


def _pairs(teller: Teller, cohort: str, ids: list[str]) -> list[Item]:
    place = Place("pseudo_pairs", cohort)
    table = teller.reader.table(place, ["pair_id", *(f"{side}_id" for side in SIDES)])
    if table is None:
        return []
    names = table["pair_id"].filter(pc.or_(*(pc.is_in(table[f"{side}_id"], set_of(ids)) for side in SIDES))).to_pylist()
    rows = teller.reader.rows(place, "pair_id", names) if names else []
    return [replace(teller.item("pair", place, row, name="pair_id"), why=f"of part {row['split']}") for row in rows]


def _per_image(teller: Teller, origin: Origin, cohort: str, stage: str, kind: str) -> list[Item]:
    shards = [shard for shard in origin.radiographs if cohort_of(shard) == cohort]
    wanted = {Place(stage, shard): origin.radiographs[shard] for shard in shards}
    if stage == "registration_report":
        wanted = {Place(stage, cohort): frozenset(origin.ids(cohort))}
    read = teller.reader.together(list(wanted), lambda place: teller.reader.rows(place, "radiograph_id", wanted[place]))
    return [
        because(teller.item(kind, place, row), _arm(row))
        for place, rows in zip(wanted, read, strict=True)
        for row in rows
    ]


def _evaluation(teller: Teller, cohort: str) -> list[Item]:
    place = Place("evaluation", cohort)
    table = teller.reader.table(place)
    rows = [] if table is None else [row for row in table.to_pylist() if row["headline"]]
    return [because(teller.item("evaluation", place, row), f"{_arm(row)}, part {row['split']}") for row in rows]


def _arm(row: Row) -> str:
    """Its arm, and its figure where it has one."""
    figures = {name: row.get(name) for name in ("auc", "score_mean", "dice")}
    told = (f"{name} {value:.3f}" for name, value in figures.items() if value is not None)
    return ", ".join([str(row["arm"]), *told])
