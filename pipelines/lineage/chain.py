"""A radiograph backwards, from its registration through fields and mask to its source file."""

from dataclasses import dataclass, field
from typing import Any

from pipelines.lineage.item import ALTERED, MISSING, OK, OUTDATED, Item
from pipelines.lineage.reading import Reader, Row, cohort_of
from resources.manifests import Place, digest_of

SIDES = ("abnormal", "normal")
# Per-image stages from the last to the first: stage, what it is called, the pair's column with its key, its model.
CHAIN = (
    ("registered_radiographs", "IT-DPR registration", "key", "registration_model"),
    ("prealigned_radiographs", "IT-PR pre-alignment", "prealigned_key", "reference_lung"),
    ("lung_masks", "lung mask", "mask_key", "lung_segmenter"),
    ("radiographs", "radiograph", "radiograph_key", ""),
)
MODELS = {
    "registration_model": "registration model",
    "reference_lung": "reference lung",
    "lung_segmenter": "lung segmenter",
    "registration_peers": "registration peers",
}
TOLD = ("stage", "partition", "digest", "version", "settings", "run_id", "created_at")


@dataclass
class Teller:
    """Makes items of manifest rows, hashing each artefact once.

    Attributes:
        reader: the store's manifests.
    """

    reader: Reader
    _states: dict[str, str] = field(default_factory=dict)

    def item(self, kind: str, place: Place, row: Row, made_from: tuple[Item, ...] = (), name: str = "key") -> Item:
        """An item of a row, its artefact compared with the digest that the row holds."""
        pointer = self.reader.pointer(place) or {}
        columns = {column: value for column, value in row.items() if value not in (None, "", [])}
        state = row["status"] if row["status"] != OK or not row["artifact"] else self._state(row)
        why = row["reason"] or str(pointer.get("must_retrain", ""))
        manifest = {column: pointer[column] for column in TOLD if column in pointer}
        return Item(kind, str(row[name]), state, why, columns, manifest, made_from)

    def _state(self, row: Row) -> str:
        path = row["artifact"]
        if path not in self._states:
            data = self.reader.store.read_or_none(path)
            self._states[path] = (
                MISSING if data is None else OK if digest_of(data) == row["artifact_digest"] else ALTERED
            )
        return self._states[path]

    def model(self, stage: str, cohort: str) -> Item | None:
        """A cohort's model; a borrowed segmenter names its lender in its columns."""
        row = self.reader.model(stage, cohort)
        if row is None:
            return None
        made_from = (self.model("reference_lung", cohort),) if stage == "registration_model" else ()
        return self.item(MODELS[stage], Place(stage, cohort), row, tuple(item for item in made_from if item))

    def radiograph(self, shard: str, radiograph_id: str, recorded: dict[str, str] | None = None) -> Item:
        """A radiograph as far as it came, each step made from the one before it.

        Args:
            shard: its partition key.
            radiograph_id: its id.
            recorded: keys that a pair was made from, by stage; a step that has another key today says so.

        Raises:
            LookupError: its shard has no such radiograph and no pair recorded one.
        """
        item: Item | None = None
        for stage, kind, _, model in reversed(CHAIN):
            place = Place(stage, shard)
            found = self.reader.rows(place, "radiograph_id", [radiograph_id])
            if not found:
                break
            # Of rows with the same pixels one may have come in, the others are set aside.
            row = min(found, key=lambda row: row["status"] != OK)
            fitted = self.model(model, cohort_of(shard)) if model else None
            before = item or self.source(place, row)
            item = self.item(kind, place, row, (before, fitted) if fitted else (before,))
            item = _compared(item, (recorded or {}).get(stage))
        return self._whole(item, shard, radiograph_id, recorded)

    def _whole(self, item: Item | None, shard: str, radiograph_id: str, recorded: dict[str, str] | None) -> Item:
        """What a pair was made from and is not there any more, in the place of a shorter chain."""
        stage, kind, *_ = CHAIN[0]
        if item is not None and (recorded is None or item.kind == kind):
            return item
        if recorded is None:
            raise LookupError(f"{shard} has no radiograph {radiograph_id}")
        why = f"{stage} of {shard} has no such row any more; run the cohort again"
        return Item(kind, recorded[stage], OUTDATED, why, made_from=(item,) if item else ())

    def source(self, place: Place, row: Row) -> Item:
        """The source file of a row: its digest and where the cohort lists it, never its name."""
        columns: dict[str, Any] = {"cohort": cohort_of(place.partition), "shard": place.partition, "row": row["row"]}
        return Item("source file", row["file_digest"] or "", columns=columns)


def _compared(item: Item, recorded: str | None) -> Item:
    if recorded is None or recorded == item.name:
        return item
    why = f"the pair was made from {recorded}; run the cohort again"
    return Item(item.kind, item.name, OUTDATED, why, item.columns, item.manifest, item.made_from)


def pair_item(teller: Teller, cohort: str, pair: Row) -> Item:
    """A pair, made from both its radiographs."""
    sides: list[Item] = []
    for side in SIDES:
        recorded = {stage: pair[f"{side}_{column}"] for stage, _, column, _ in CHAIN}
        sides.append(teller.radiograph(pair[f"{side}_shard"], pair[f"{side}_id"], recorded))
    return teller.item("pair", Place("pseudo_pairs", cohort), pair, tuple(sides), "pair_id")
