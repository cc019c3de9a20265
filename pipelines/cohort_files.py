"""Cohort files from the user's side: which are declared, which are wrong and why, and registering one by its path."""

from dataclasses import dataclass
from pathlib import Path

import yaml
from pydantic import ValidationError

from assets.radiographs.declaration import DeclarationError, parse_declaration
from assets.radiographs.sources import source_rows
from pipelines.settings import STAGE_SETTINGS
from resources.catalogue import CatalogueError, Entry, entries, entry_named, folders, read_entry, shard_names
from resources.home import home
from resources.object_store import ObjectStore


class CohortProblem(ValueError):
    """No such cohort, or its declaration is wrong; the message says what to do."""


@dataclass(frozen=True)
class Declared:
    """One cohort file as a user sees it."""

    name: str
    title: str
    shards: int
    problem: str


def declared() -> list[Declared]:
    """All cohort files, wrong ones with their problem."""
    listed = []
    for entry in entries():
        problem = entry.problem or problem_of(entry)
        title = str(entry.mapping.get("title", ""))
        listed.append(Declared(entry.name, title, 0 if problem else len(shard_names(entry.mapping)), problem))
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
            first = error.errors()[0]
            field = ".".join(str(part) for part in first["loc"])
            return f"{entry.path.name}: settings.{stage}.{field}: {first['msg']}; see `pseudopair settings {stage}`"
    return ""


def cohort_name(name_or_file: str) -> str:
    """Name of a declared cohort; a YAML file elsewhere is registered first, so that the UI knows it too.

    Raises:
        CohortProblem: unknown name, unreadable file, wrong declaration, or a name that another file has.
    """
    path = Path(name_or_file)
    if path.suffix in (".yaml", ".yml"):
        entry = _register(path.absolute())
    else:
        try:
            entry = entry_named(name_or_file)
        except CatalogueError as error:
            raise CohortProblem(str(error)) from None
    problem = problem_of(entry)
    if problem:
        raise CohortProblem(problem)
    return entry.name


def _register(path: Path) -> Entry:
    entry = read_entry(path)
    if entry.problem:
        raise CohortProblem(entry.problem)
    problem = problem_of(entry)
    if problem:
        raise CohortProblem(problem)
    if path.parent in [folder.absolute() for folder in folders()]:
        return entry
    registered = home() / "cohorts" / f"{entry.name}.yaml"
    for other in entries():
        if other.name == entry.name and other.path.absolute() != registered.absolute():
            raise CohortProblem(
                f"{path.name}: a cohort named {entry.name!r} is declared already ({other.path.name}); rename it"
            )
    registered.parent.mkdir(parents=True, exist_ok=True)
    # Variables and relative places are resolved now: the copy lies elsewhere.
    mapping = dict(entry.mapping)
    root = str(mapping.get("root", ""))
    if root and "://" not in root and not Path(root).is_absolute():
        mapping["root"] = str((path.parent / root).resolve())
    registered.write_text(yaml.safe_dump(mapping, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return read_entry(registered)


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
