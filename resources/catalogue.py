"""Cohort declarations as files: found, read and their variables expanded; what they mean is the stages' business."""

import os
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml

from resources.home import COHORTS_VARIABLE, DATA_VARIABLE, data_root, home
from resources.taken_models import TakenError, taken
from resources.yaml_text import from_yaml

# Checked here too: one unusable name among the partition keys would keep every cohort from loading.
NAME = re.compile(r"[a-z0-9_-]{1,40}")


class CatalogueError(ValueError):
    """A cohort file cannot be read, or no cohort has the name."""


@dataclass(frozen=True)
class Entry:
    """One cohort file: its mapping, or the problem that keeps it out.

    Attributes:
        path: the YAML file.
        name: the cohort's name.
        mapping: the declaration with variables expanded.
        problem: empty, or why the file is left out.
    """

    path: Path
    name: str
    mapping: dict[str, Any]
    problem: str = ""


def folders() -> list[Path]:
    """Where cohort files are looked for: shipped, registered by `pseudopair run FILE`, and PSEUDOPAIR_COHORTS."""
    shipped = Path(__file__).resolve().parents[1] / "pipelines" / "cohorts"
    named = [Path(item) for item in os.environ.get(COHORTS_VARIABLE, "").split(os.pathsep) if item]
    return [shipped, home() / "cohorts", *named]


def read_entry(path: Path) -> Entry:
    """One cohort file; an unreadable one becomes an entry with its problem."""
    try:
        mapping = from_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        return Entry(path, path.stem, {}, f"{path.name}: not readable as YAML ({type(error).__name__}); mend it")
    if not isinstance(mapping, dict) or not isinstance(mapping.get("name"), str):
        return Entry(
            path,
            path.stem,
            {},
            f"{path.name}: expected a mapping with a `name`; see the README's cohort fields",
        )
    if not NAME.fullmatch(mapping["name"]):
        problem = f"{path.name}: `name` {mapping['name'][:40]!r} cannot stand in partition keys; use a-z, 0-9, - and _"
        return Entry(path, path.stem, {}, problem)
    expanded = {key: _expand(value, path.parent) for key, value in mapping.items()}
    if expanded.get("root") and isinstance(expanded["root"], str):
        expanded["root"] = rooted(expanded["root"], path.parent)
    return Entry(path, mapping["name"], expanded)


def rooted(root: str, folder: Path) -> str:
    """A local root as an absolute path, taken relative to the folder of its cohort file; a URL as it is."""
    return root if "://" in root else str((folder.absolute() / Path(root).expanduser()).resolve())


def entries() -> list[Entry]:
    """All cohort files, by folder and name, with the models that they take by `--model`.

    A second file with the same name is left out with its problem.
    """
    found: dict[str, Entry] = {}
    refused: list[Entry] = []
    for folder in folders():
        for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))) if folder.is_dir() else []:
            entry = read_entry(path)
            if entry.problem:
                refused.append(entry)
            elif entry.name in found:
                other = found[entry.name].path.name
                problem = f"{path.name}: a cohort named {entry.name!r} is declared already in {other}; rename one"
                refused.append(Entry(path, entry.name, {}, problem))
            else:
                found[entry.name] = entry
    return [*map(_with_taken, found.values()), *refused]


def _with_taken(entry: Entry) -> Entry:
    try:
        noted = taken(entry.name)
    except TakenError as error:
        return Entry(entry.path, entry.name, {}, str(error))
    declared = entry.mapping.get("settings") or {}
    # What is declared may be of any form, and is refused elsewhere.
    usable = isinstance(declared, dict) and all(isinstance(values, dict) for values in declared.values())
    if noted is None or not usable:
        return entry
    return replace(entry, mapping={**entry.mapping, "settings": noted.over(declared)})


def entry_named(name: str) -> Entry:
    """The entry of a cohort.

    Raises:
        CatalogueError: there is none; the message lists those there are.
    """
    found = entries()
    known = {entry.name: entry for entry in found if not entry.problem}
    if name not in known:
        if problems := [entry.problem for entry in found if entry.name == name]:
            raise CatalogueError(problems[0])
        raise CatalogueError(f"no cohort is named {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]


def shard_names(mapping: dict[str, Any]) -> list[str]:
    """Partition keys of a cohort's shards, e.g. `nih/00` ... `nih/63`; `name/0` alone for a small cohort."""
    count = mapping.get("shards", 1)
    count = count if isinstance(count, int) and 1 <= count <= 99 else 1
    width = len(str(count - 1))
    return [f"{mapping['name']}/{index:0{width}d}" for index in range(count)]


def _expand(value: Any, folder: Path) -> Any:  # noqa: ANN401 (YAML values)
    if isinstance(value, dict):
        return {key: _expand(item, folder) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, folder) for item in value]
    if not isinstance(value, str):
        return value
    known = {DATA_VARIABLE: data_root(), "COHORT_FOLDER": str(folder.absolute())}
    return re.sub(r"\$\{(\w+)\}", lambda match: known.get(match[1], os.environ.get(match[1], match[0])), value)
