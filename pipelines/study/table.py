"""The table of a study as it stands in the store, and whether it is up to date."""

import json

from assets.study.asset import MARKDOWN, REPORT, VERSION
from assets.study.asset_members import READ
from assets.study.settings import StudyError, StudyFile, parse_study
from resources.catalogue import CatalogueError
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.studies import study_named

TABLE = "study_table"
# The table is made without them; the learned peers are trained before the translators, where those need them.
LEFT_OUT = ("image_scores", "registration_peers", "registration_report")


def why_not_fresh(store: ObjectStore, name: str) -> str:
    """Why a study's table must be made anew, empty where it need not be."""
    place = Place(TABLE, name)
    failure = store.read_or_none(f"{place.folder}/FAILED.json")
    if failure is not None:
        return str(json.loads(failure)["error"])
    pointer = read_pointer(store, place)
    if pointer is None:
        return "never completed"
    if pointer.get("must_retrain"):
        return str(pointer["must_retrain"])
    try:
        study = parse_study(study_named(name).mapping)
    except (CatalogueError, StudyError) as error:
        return f"its file is wrong: {error}"
    if (pointer["version"], pointer["settings"]) != (VERSION, study.model_dump(mode="json")):
        return "its file or its algorithm's version changed"
    known = {str(each): read_pointer(store, each) for each in members(study)}
    for parent, current in known.items():
        if (current or {}).get("digest") != pointer["parents"].get(parent):
            return f"{parent} changed"
    return ""


def members(study: StudyFile) -> list[Place]:
    """Whatever of a study's fold cohorts its table is made from."""
    cohorts = [cohort for protocol in study.protocols for cohort in study.fold_cohorts(protocol)]
    return [Place(stage, cohort) for cohort in cohorts for stage in READ]


def table_texts(store: ObjectStore, name: str) -> list[str]:
    """What a call of a study ends with: the table as Markdown, and where the report lies; nothing without a table."""
    folder = Place(TABLE, name).folder
    text = store.read_or_none(f"{folder}/{MARKDOWN}")
    return [] if text is None else [text.decode(), f"report: {store.uri(folder)}/{REPORT}"]
