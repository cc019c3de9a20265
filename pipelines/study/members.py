"""What the fold cohorts of a study have by now, and how long their trainings took."""

from collections.abc import Iterable
from statistics import fmean

from assets.study.settings import StudyFile
from assets.translation.arms import Gan
from assets.translation.presets import resolved
from assets.translation.settings import TranslationSettings
from pipelines.status import status_rows
from resources.catalogue import entry_named
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore

TRANSLATOR = "translator"
COLUMNS = ["arm", "seed", "status", "reason"]


def settled(store: ObjectStore, cohort: str) -> dict[str, str]:
    """Trainings of a cohort that ended and stand on what is there now, as `alignment/method/seed`.

    Returns:
        Why each of them failed; empty for those that gave a translator.
    """
    states = [row.state for row in status_rows(cohort, store, in_part=True) if row.stage == TRANSLATOR]
    table = read_manifest(store, Place(TRANSLATOR, cohort), COLUMNS) if states == ["fresh"] else None
    rows = [] if table is None else table.to_pylist()
    return {f"{row['arm']}/{row['seed']}": "" if row["status"] == "ok" else row["reason"] for row in rows}


def translation(cohort: str) -> TranslationSettings:
    """Settings of a cohort's translators as they are declared."""
    declared = entry_named(cohort).mapping.get("settings", {})
    return TranslationSettings.model_validate(declared.get(TRANSLATOR, {}))


def measured_seconds(store: ObjectStore, study: StudyFile, method: Gan) -> float | None:
    """How long a training of a method took in the study's folds; None where none has ended.

    Fewer or more steps than now are allowed for.
    """
    found = []
    for protocol in study.protocols:
        for cohort in study.fold_cohorts(protocol):
            steps = resolved(translation(cohort), method).steps
            table = read_manifest(store, Place(TRANSLATOR, cohort), ["method", "steps", "seconds", "status"])
            for row in table.to_pylist() if table is not None else []:
                if row["method"] == method and row["status"] == "ok" and row["seconds"] and row["steps"]:
                    found.append(steps * row["seconds"] / row["steps"])
    return fmean(found) if found else None


def seconds_of(store: ObjectStore, cohorts: Iterable[str], stages: Iterable[str]) -> float:
    """How long some stages took in some cohorts when they last ran; 0 for what never did."""
    names = list(stages)
    rows = [row for cohort in cohorts for row in status_rows(cohort, store) if row.stage in names]
    pointers = [read_pointer(store, Place(row.stage, row.partition)) for row in rows]
    return float(sum(pointer["seconds"] for pointer in pointers if pointer))
