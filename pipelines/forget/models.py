"""Models that were fitted with a patient: kept until the next run, marked, and rid of the patient's row keys."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import pyarrow.compute as pc

from pipelines.forget.layout import Layout
from pipelines.forget.rewriting import Rewriting
from pipelines.forget.theirs import Theirs
from pipelines.lineage.fitted_on import FITTED_ON, FITTED_STAGES
from pipelines.lineage.reading import Reader, cohort_of, set_of
from resources.arrays import CorruptArtifact, decode, decode_columns, encode
from resources.manifests import Place, digest_of
from resources.object_store import ObjectStore

SPOKEN = {
    "lung_segmenter": "segmenter",
    "reference_lung": "reference lung",
    "registration_model": "registration network",
    "registration_peers": "registration peers",
}
MADE = {"reference_lung": "chosen", **dict.fromkeys(SPOKEN.keys() - {"reference_lung"}, "trained")}
WITHDREW = "a patient withdrew who was in {what}; run the cohort again"
# Stages whose tables are of the patient among others, and what is stale without a row of theirs.
MEASURED = {
    "pseudo_pairs": "its pairs",
    "normal_maps": "its normals",
    "shortcut_audit": "its shortcuts",
    "evaluation": "its scores",
    "localisation_summary": "its boxes or normal radiographs",
    "leak_control": "its comparison of masks",
    "registration_report": "its measurements",
}


def mark_models(store: ObjectStore, places: Layout, found: Theirs, work: Rewriting) -> list[str]:
    """Mark what was fitted to, or measured with, the patient, in every cohort; returns the places marked.

    A model's manifest is replaced before its artefact: cut off in between, a second removal ends with the same bytes.
    """
    marked: list[str] = []
    for place in places.objects:
        if cohort_of(place.partition) in found.cohorts and place.stage in FITTED_STAGES:
            marked += _fitted(store, places, place, found, work)
    reader = Reader(store)
    for cohort in found.cohorts:
        place = Place("translator", cohort)
        if place in places.objects and _trained_on(reader, place, found):
            work.mark(place, WITHDREW.format(what="its training pairs"))
            # A training that failed names the radiographs that it failed on.
            work.unnamed(place, found)
            marked += [str(place), *_taking(places, place, work)]
        marked += _measured(places, cohort, found, work)
    return marked


def _fitted(store: ObjectStore, places: Layout, place: Place, found: Theirs, work: Rewriting) -> list[str]:
    row = Reader(store).model(place.stage, place.partition)
    data = store.read_or_none(row["artifact"]) if row and row["artifact"] and not row.get("borrowed_from") else None
    if row is None or data is None:
        return []
    if row.get("radiograph_id") in found.radiographs:
        # Its pixels are the patient's, so there is nothing to be kept until the next run.
        return _dropped(places, place, row, work)
    try:
        blank = without_keys(data, found.keys)
    except CorruptArtifact:
        # Whom it was fitted on cannot be told any more.
        return _dropped(places, place, row, work)
    if blank is None and not work.is_marked(place):
        return []
    changed = {**row, "artifact_digest": digest_of(blank or data)}
    if blank is not None:
        work.publish_row(place, changed, WITHDREW.format(what="its training rows"))
    marked = [str(place), *_borrowed(places, place, changed, work)]
    if blank is not None:
        store.write(row["artifact"], blank)
    return marked


def without_keys(data: bytes, keys: frozenset[str]) -> bytes | None:
    """A model's artefact with zeros for some of the row keys that it was fitted on; None where it knows none of them.

    No row has a key of zeros, so the next run fits the model anew.
    """
    arrays = decode(data)
    fitted_on = arrays.get(FITTED_ON)
    if fitted_on is None:
        return None
    hit = np.array([bytes(key).hex() in keys for key in fitted_on], dtype=bool)
    if not hit.any():
        return None
    arrays[FITTED_ON] = np.where(hit[:, None], np.uint8(0), fitted_on)
    return encode(arrays, decode_columns(data))


def _dropped(places: Layout, place: Place, row: dict[str, Any], work: Rewriting) -> list[str]:
    """Take a model away, from those who borrow it as well."""
    dropped = [place, *_borrowers(places, place, row, work)]
    for each in dropped:
        work.drop(each)
    return [str(each) for each in dropped]


def _borrowed(places: Layout, lender: Place, row: dict[str, Any], work: Rewriting) -> list[str]:
    borrowers = _borrowers(places, lender, row, work)
    why = f"the {SPOKEN[lender.stage]} that it borrows from {lender.partition} is to be {MADE[lender.stage]} again"
    for place, borrower in borrowers.items():
        work.publish_row(place, {**borrower, "artifact_digest": row["artifact_digest"]}, why)
    return [str(place) for place in borrowers]


def _borrowers(places: Layout, lender: Place, row: dict[str, Any], work: Rewriting) -> dict[Place, dict[str, Any]]:
    """Places that hold another cohort's model as their own, each with its row."""
    found: dict[Place, dict[str, Any]] = {}
    for place in places.objects:
        model = work.reader.model(place.stage, place.partition) if place.stage == lender.stage else None
        if model and _lender(model) == lender.partition and model["artifact"] == row["artifact"]:
            found[place] = model
    return found


def _lender(row: dict[str, Any]) -> str:
    return str(row.get("borrowed_from") or "").partition("@")[0]


def _taking(places: Layout, lender: Place, work: Rewriting) -> list[str]:
    """Mark a stage of those who take it over from a cohort, whichever of its manifests."""
    marked: list[str] = []
    for place in places.objects:
        settings = (work.reader.pointer(place) or {}).get("settings", {}) if place.stage == lender.stage else {}
        if str(settings.get("borrow_from") or "").partition("@")[0] == lender.partition:
            what = lender.stage.replace("_", " ")
            work.mark(place, f"the {what} that it borrows from {lender.partition} is to be made again")
            marked.append(str(place))
    return marked


def mark_bereaved(places: Layout, partitions: Collection[str], doomed: Collection[str], work: Rewriting) -> list[str]:
    """Mark what borrows an artefact that is about to be deleted; returns the places.

    Args:
        places: layout of the store.
        partitions: those of the patient, whose objects are deleted.
        doomed: paths that are.
        work: the changes.
    """
    marked: list[str] = []
    lost = set_of(doomed)
    for place in places.objects:
        pointer = work.reader.pointer(place) if place.partition not in partitions else None
        table = (
            work.reader.table(place, ["artifact"]) if (pointer or {}).get("settings", {}).get("borrow_from") else None
        )
        if table is not None and pc.any(pc.is_in(table["artifact"], lost)).as_py():
            work.mark(place, "models that it borrows are gone since a patient withdrew; borrow others")
            marked.append(str(place))
    return marked


def _trained_on(reader: Reader, place: Place, found: Theirs) -> bool:
    """Whether a translator's training may have seen the patient, by the pairs that it was trained from."""
    pointer = reader.pointer(place) or {"parents": {}}
    if pointer.get("must_retrain"):
        return True
    # Then validation images chose weights, and the pairs do not say which those were.
    if _chosen_by_validation(pointer.get("settings", {})):
        return True
    pairs = Place("pseudo_pairs", place.partition)
    digest = pointer["parents"].get(str(pairs), "")
    table = reader.table(pairs, ["split", "abnormal_id", "normal_id"], digest) if digest else None
    if table is None:
        return False
    train = table.filter(pc.is_in(table["split"], set_of(["train"])))
    return bool(pc.any(found.rows(train)).as_py())


def _chosen_by_validation(settings: Mapping[str, Any]) -> bool:
    # One number was no list until there was a choice.
    numbers = settings.get("pca_components")
    several = isinstance(numbers, list) and len(set(numbers)) > 1
    of_pca = any(arm.endswith("/pca") for arm in settings.get("arms", []))
    return bool(settings.get("patience") or (several and of_pca and settings.get("checked_images")))


def _measured(places: Layout, cohort: str, found: Theirs, work: Rewriting) -> list[str]:
    rows = dict(found.counts)
    touched = {
        "pseudo_pairs": rows.get("pseudo_pairs"),
        "normal_maps": rows.get("registered_radiographs"),
        "shortcut_audit": rows.get("registered_radiographs"),
        "evaluation": rows.get("anomaly_maps"),
        "localisation_summary": rows.get("localisation"),
        "leak_control": rows.get("registered_radiographs"),
        "registration_report": rows.get("registration_report"),
    }
    marked: list[str] = []
    for stage, what in MEASURED.items():
        place = Place(stage, cohort)
        if touched[stage] and place in places.objects:
            work.mark(place, WITHDREW.format(what=what))
            marked += [str(place), *_taking(places, place, work)]
    return marked
