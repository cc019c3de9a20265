"""Cohort files from the user's side: which are declared, which are wrong and why, and registering one by its path."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from assets.alignments import PeerAlignment, peers_among
from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.sources import source_rows
from assets.translation.arms import unmade_frames
from pipelines.settings import STAGE_SETTINGS
from resources.catalogue import CatalogueError, Entry, entries, entry_named, folders, read_entry, rooted, shard_names
from resources.home import home
from resources.local_files import write_local
from resources.object_store import ObjectStore
from resources.studies import study_of
from resources.yaml_text import from_yaml

PEER_FRAMES = "peer_registered"


class CohortProblem(ValueError):
    """No such cohort, or its declaration is wrong; the message says what to do."""


@dataclass(frozen=True)
class Declared:
    """One cohort file as a user sees it."""

    name: str
    title: str
    shards: int
    problem: str
    variant_of: str = ""
    is_fold: bool = False


def declared() -> list[Declared]:
    """All cohort files, wrong ones with their problem."""
    listed = []
    for entry in entries():
        problem = entry.problem or problem_of(entry)
        title = str(entry.mapping.get("title", ""))
        variant_of = "" if problem else str(entry.mapping.get("variant_of") or "")
        shards = 0 if problem else len(shard_names(entry.mapping))
        is_fold = study_of(entry.name) is not None
        listed.append(Declared(entry.name, title, shards, problem, variant_of, is_fold))
    return listed


def problem_of(entry: Entry) -> str:
    """What is wrong with a declaration, empty if nothing; settings of the stages are checked too."""
    try:
        declaration = parse_declaration(entry.mapping)
    except DeclarationError as error:
        return f"{entry.path.name}: {error}"
    for stage, values in declaration.settings.items():
        if stage not in STAGE_SETTINGS:
            return f"{entry.path.name}: settings name a stage {stage!r}; the stages are: {', '.join(STAGE_SETTINGS)}"
        try:
            STAGE_SETTINGS[stage](**values)
        except ValidationError as error:
            return f"{entry.path.name}: settings.{stage}.{_first(error)}; see `pseudopair settings {stage}`"
    unmade = _unmade(declaration.settings)
    return f"{entry.path.name}: settings.translator.arms: {unmade}" if unmade else ""


def _unmade(declared: Mapping[str, Any], launched: Mapping[str, Any] | None = None) -> str:
    """Why arms are in frames that their own cohort does not make, empty where they are not; settings are valid."""
    translator, frames = (
        {**(declared.get(stage) or {}), **((launched or {}).get(stage) or {})} for stage in ("translator", PEER_FRAMES)
    )
    # Borrowed translators are of the arms that their lender has.
    if translator.get("borrow_from") or "arms" not in translator:
        return ""
    return unmade_frames(translator["arms"], frames.get("peers") or [])


def cohort_name(name_or_file: str) -> str:
    """Name of a declared cohort; a YAML file elsewhere is registered first, so that the UI knows it too.

    Raises:
        CohortProblem: unknown name, unreadable file, wrong declaration, or a name that another file has.
    """
    entry = declared_in(name_or_file)
    register(entry)
    return entry.name


def declared_in(name_or_file: str) -> Entry:
    """A declared cohort, or what a YAML file declares; nothing is registered.

    Raises:
        CohortProblem: unknown name, unreadable file, wrong declaration, or a name that another file has.
    """
    path = Path(name_or_file).absolute()
    try:
        entry = read_entry(path) if path.suffix in (".yaml", ".yml") else entry_named(name_or_file)
    except CatalogueError as error:
        raise CohortProblem(str(error)) from None
    problem = entry.problem or problem_of(entry)
    if problem:
        raise CohortProblem(problem)
    mine = (entry.path.absolute(), _registered(entry).absolute())
    for other in entries():
        if other.name == entry.name and other.path.absolute() not in mine:
            raise CohortProblem(
                f"{path.name}: a cohort named {entry.name!r} is declared already ({other.path.name}); rename it"
            )
    return entry


def register(entry: Entry) -> None:
    """Copy a cohort file that lies elsewhere to where cohorts are looked for."""
    path = entry.path.absolute()
    if path.parent not in [folder.absolute() for folder in folders()]:
        text = yaml.safe_dump(movable(path), sort_keys=False, allow_unicode=True)
        write_local(_registered(entry), text.encode())


def _registered(entry: Entry) -> Path:
    return home() / "cohorts" / f"{entry.name}.yaml"


def movable(path: Path) -> dict[str, Any]:
    """The mapping of a readable cohort file as it may stand in another folder.

    Its root is resolved now; other variables stay, they may hold secrets.
    """
    mapping: dict[str, Any] = from_yaml(path.read_text(encoding="utf-8"))
    root = str(mapping.get("root") or "").replace("${COHORT_FOLDER}", str(path.parent))
    if root:
        mapping["root"] = root if root.startswith("$") else rooted(root, path.parent)
    return mapping


def checked_settings(cohort: str, overrides: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Settings of one launch, checked before anything runs and brought to their types.

    Raises:
        CohortProblem: an unknown stage or setting, or a value that the setting does not take.
    """
    declared = entry_named(cohort).mapping.get("settings", {})
    checked: dict[str, dict[str, Any]] = {}
    for stage, values in overrides.items():
        if stage not in STAGE_SETTINGS:
            raise CohortProblem(f"--set {stage}: there is no such stage; the stages are: {', '.join(STAGE_SETTINGS)}")
        listed = {name: _listed(STAGE_SETTINGS[stage], name, value) for name, value in values.items()}
        try:
            settings = STAGE_SETTINGS[stage](**{**declared.get(stage, {}), **listed})
        except ValidationError as error:
            raise CohortProblem(f"--set {stage}.{_first(error)}; see `pseudopair settings {stage}`") from None
        checked[stage] = {name: getattr(settings, name) for name in values}
    if unmade := _unmade(declared, checked):
        raise CohortProblem(f"--set translator.arms: {unmade}")
    return checked


def peers_of(cohort: str, overrides: Mapping[str, Mapping[str, Any]]) -> list[PeerAlignment]:
    """The peers whose frames a launch makes; those that are no peers are refused with the other settings."""
    declared = entry_named(cohort).mapping.get("settings", {})
    named = {**declared.get(PEER_FRAMES, {}), **overrides.get(PEER_FRAMES, {})}.get("peers") or []
    return peers_among(_listed(STAGE_SETTINGS[PEER_FRAMES], "peers", named))


def _listed(kind: type[BaseModel], name: str, value: Any) -> Any:  # noqa: ANN401 (YAML values)
    """A value as a list where the setting is one, so that a shell needs no brackets: `sources=trained,pbtseg`."""
    field = kind.model_fields.get(name)
    if field is None or get_origin(field.annotation) is not list or isinstance(value, list):
        return value
    return [item for item in value.split(",") if item] if isinstance(value, str) else [value]


def _first(error: ValidationError) -> str:
    first = error.errors()[0]
    return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg'].removeprefix('Value error, ')}"


def source_file(cohort: str, row: int) -> str:
    """Path or URL of a cohort's source row.

    Raises:
        CohortProblem: no such cohort, a cohort without files, a source that cannot be read, or no such row.
    """
    try:
        declaration = parse_declaration(entry_named(cohort).mapping)
        if declaration.kind == "phantom":
            raise CohortProblem(f"{cohort} is made of phantoms; they have no files")
        source = ObjectStore(declaration.root, dict(declaration.storage_options))
        rows = source_rows(declaration, source.read, lambda: sorted(source.find("")))
    except (CatalogueError, DeclarationError) as error:
        raise CohortProblem(str(error)) from None
    for found in rows:
        if found.number == row:
            return source.uri(found.image)
    raise CohortProblem(f"{cohort} has no row {row}; its rows are numbered 1 to {rows[-1].number}")
