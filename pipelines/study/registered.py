"""Study files from the user's side: found, checked, registered, and with the cohorts of their folds declared."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from assets.study.settings import Protocol, StudyError, StudyFile, parse_study
from assets.translation.arms import is_gan, parse_arm
from pipelines.borrowing.lender import lent_arms
from pipelines.borrowing.request import lent_to
from pipelines.borrowing.settings import ALL_TEST
from pipelines.borrowing.versions import require_version
from pipelines.cohort_files import CohortProblem, cohort_name, movable, problem_of
from resources.catalogue import CatalogueError, Entry, entries, entry_named, read_entry
from resources.generation import Generation
from resources.home import home, store_url
from resources.local_files import undone_on_error, write_local
from resources.object_store import ObjectStore
from resources.studies import study_entries, study_folders, study_named, study_of
from resources.variants import same_images

SUFFIXES = (".yaml", ".yml")
# What the study itself says of each fold cohort.
OF_THE_STUDY = {"radiographs": ("folds", "fold"), "translator": ("arms", "seeds", "only")}


class StudyProblem(ValueError):
    """No such study, or its file is wrong; the message is one line that says what to do."""


def registered(name_or_file: str, model: str = "") -> StudyFile:
    """A study by its name or file, with its fold cohorts declared; a file elsewhere is kept, so that the UI knows it.

    To be called before anything imports `resources.partitions`, which reads what is declared once.

    Args:
        name_or_file: the study.
        model: `COHORT` or `COHORT@DIGEST` whose models its folds take from now on, so that they train none.

    Raises:
        StudyProblem: unknown name, unreadable file, or something wrong in it or in the cohort that it names.
        CohortProblem: models that cannot be taken.
    """
    asked = Path(name_or_file)
    entry = _read(asked.absolute()) if asked.suffix in SUFFIXES else _known(name_or_file)
    study = _parsed(entry)
    generation = None
    if model:
        study, generation = _with_models(entry, study, model)
    derived = {
        cohort: fold_cohort(study, protocol, fold)
        for protocol in study.protocols
        for fold, cohort in enumerate(study.fold_cohorts(protocol))
    }
    for cohort, mapping in derived.items():
        _require_usable(entry, cohort, mapping)
        _require_own_models(entry, mapping)
    files = {_file_of(cohort): mapping for cohort, mapping in derived.items()}
    if entry.path.parent not in study_folders():
        _require_models_kept(entry, study)
        files = {_kept_at(study.name): study.model_dump(exclude_defaults=True), **files}
    with undone_on_error(files):
        for path, mapping in files.items():
            _keep(path, mapping)
        if generation is not None:
            require_version(model.partition("@")[0], generation)
    return study


def _with_models(entry: Entry, study: StudyFile, model: str) -> tuple[StudyFile, Generation]:
    """The study with another cohort's models in its settings, and those models."""
    if entry.path.parent in study_folders():
        raise StudyProblem(f"--model {model}: {study.name} has models of its own; write another study file for these")
    cohort = read_entry(entry_named(study.cohort).path)
    declared = cohort.mapping.get("settings") or {}
    stages = declared | study.settings
    layered = {stage: {**declared.get(stage, {}), **study.settings.get(stage, {})} for stage in stages}
    store = ObjectStore(store_url())
    asked = replace(cohort, mapping={**cohort.mapping, "settings": layered})
    noted, _, generation = lent_to(asked, model, store)
    there = lent_arms(store, model.partition("@")[0], generation)
    for arm, seed in _trainings(study):
        if (arm, seed) not in there:
            raise StudyProblem(f"{entry.path.name}: protocols: {model} has no {arm} with seed {seed}; leave it out")
    # Its folds split it; only nobody is taught anything on the rest.
    fixed = {stage: dict(values) for stage, values in noted.fixed.items()}
    fixed["radiographs"] = {name: value for name, value in fixed["radiographs"].items() if name not in ALL_TEST}
    settings = noted.model_copy(update={"fixed": fixed}).over(study.settings)
    return study.model_copy(update={"settings": settings}), generation


def _trainings(study: StudyFile) -> Iterator[tuple[str, int]]:
    for protocol in study.protocols:
        for arm in protocol.arms:
            # Arms without a GAN draw nothing: one seed stands for all.
            seeds = protocol.seeds if is_gan(parse_arm(arm).method) else protocol.seeds[:1]
            yield from ((arm, seed) for seed in seeds)


def fold_cohort(study: StudyFile, protocol: Protocol, fold: int) -> dict[str, Any]:
    """Declaration of one fold of a protocol: the study's cohort with other settings, so that no stage knows of folds.

    Settings are the cohort's, then the study's, then what makes it this fold of this protocol.
    """
    mapping = movable(entry_named(study.cohort).path)
    own: dict[str, dict[str, Any]] = {
        "radiographs": {"folds": protocol.folds, "fold": fold},
        "translator": {"arms": protocol.arms, "seeds": protocol.seeds},
    }
    settings: dict[str, dict[str, Any]] = {}
    layers: tuple[dict[str, dict[str, Any]], ...] = (mapping.get("settings") or {}, study.settings, own)
    for layer in layers:
        for stage, values in layer.items():
            settings[stage] = {**settings.get(stage, {}), **values}
    title = f"{mapping.get('title') or study.cohort}, fold {fold + 1} of {protocol.folds} of the study {study.name}"
    named = {"name": study.fold_cohorts(protocol)[fold], "title": title, "variant_of": study.cohort}
    return {**mapping, **named, "settings": settings}


def _read(path: Path) -> Entry:
    entry = read_entry(path)
    if entry.problem:
        raise StudyProblem(entry.problem.replace("cohort fields", "chapter on studies"))
    for other in study_entries():
        if other.name == entry.name and other.path not in (path, _kept_at(entry.name)):
            raise StudyProblem(f"{path.name}: a study named {entry.name!r} is there already; rename it")
    cohort = entry.mapping.get("cohort")
    if not isinstance(cohort, str) or Path(cohort).suffix not in SUFFIXES:
        return entry
    try:
        return Entry(path, entry.name, {**entry.mapping, "cohort": cohort_name(str(path.parent / cohort))})
    except CohortProblem as problem:
        raise StudyProblem(str(problem)) from None


def _known(name: str) -> Entry:
    try:
        return study_named(name)
    except CatalogueError as error:
        raise StudyProblem(str(error)) from None


def _parsed(entry: Entry) -> StudyFile:
    try:
        study = parse_study(entry.mapping)
    except StudyError as error:
        raise StudyProblem(f"{entry.path.name}: {error}") from None
    known = {each.name for each in entries() if not each.problem}
    if study.cohort not in known or study_of(study.cohort):
        usable = ", ".join(sorted(name for name in known if not study_of(name)))
        raise StudyProblem(f"{entry.path.name}: cohort: expected one of {usable}, or its file; found {study.cohort!r}")
    if study.name in known:
        raise StudyProblem(f"{entry.path.name}: name: a cohort is named {study.name!r}; give the study another name")
    for stage, names in OF_THE_STUDY.items():
        if taken := [name for name in names if name in study.settings.get(stage, {})]:
            raise StudyProblem(
                f"{entry.path.name}: settings.{stage}.{taken[0]}: comes from the protocols; remove it here"
            )
    return study


def _require_usable(entry: Entry, cohort: str, mapping: dict[str, Any]) -> None:
    path = _file_of(cohort)
    if any(other.name == cohort and other.path.absolute() != path for other in entries()):
        raise StudyProblem(f"{entry.path.name}: a cohort named {cohort!r} is declared already; rename the study")
    if problem := problem_of(Entry(entry.path, cohort, mapping)):
        raise StudyProblem(problem)


def _require_own_models(entry: Entry, mapping: dict[str, Any]) -> None:
    """Refuse folds whose models have seen, or may have seen, the patients whom they score."""
    base = mapping["variant_of"]
    family = same_images(base)
    for stage, values in mapping["settings"].items():
        lender = str(values.get("borrow_from") or "").partition("@")[0]
        if lender in family:
            why = f"{lender} has the patients of {base}"
            raise StudyProblem(f"{entry.path.name}: settings.{stage}.borrow_from: {why}; leave it empty in a study")


def _require_models_kept(entry: Entry, study: StudyFile) -> None:
    """Refuse a file that does not say by whose models its study was run: all would be trained, over what is there."""
    path = _kept_at(study.name)
    lender = _lender(read_entry(path).mapping) if path.is_file() else ""
    if lender and not _lender(study.model_dump()):
        raise StudyProblem(
            f"{entry.path.name}: {study.name} takes the models of {lender}: run `pseudopair study {study.name}` to go "
            f"on with them, or give --model again; without {path}, it trains its own"
        )


def _lender(mapping: dict[str, Any]) -> str:
    """Whose translators a study takes, empty for its own."""
    try:
        return str(parse_study(mapping).settings.get("translator", {}).get("borrow_from") or "")
    except StudyError:
        return ""


def _kept_at(study: str) -> Path:
    return home() / "studies" / f"{study}.yaml"


def _file_of(cohort: str) -> Path:
    return (home() / "cohorts" / f"{cohort}.yaml").absolute()


def _keep(path: Path, mapping: dict[str, Any]) -> None:
    data = yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True).encode()
    # An unchanged file keeps its time.
    if not path.is_file() or path.read_bytes() != data:
        write_local(path, data)
