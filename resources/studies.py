"""Study files: found and read; what they mean is the business of `assets.study` and `pipelines.study`."""

import re
from pathlib import Path

from resources.catalogue import CatalogueError, Entry, read_entry
from resources.home import home

NAME = re.compile(r"[a-z0-9_]{1,28}")
FOLD = re.compile(r"(?P<study>[a-z0-9_]{1,28})-\d+-\d+")


def study_folders() -> list[Path]:
    """Where study files are looked for: shipped, and registered by `pseudopair study FILE`."""
    return [Path(__file__).resolve().parents[1] / "pipelines" / "studies", home() / "studies"]


def study_entries() -> list[Entry]:
    """All study files that can be read and named, by folder and name; of two with one name, the first."""
    found: dict[str, Entry] = {}
    for folder in study_folders():
        for path in sorted(folder.glob("*.yaml")) if folder.is_dir() else []:
            entry = read_entry(path)
            # One unusable name among the partition keys would keep every study from loading.
            if not entry.problem and NAME.fullmatch(entry.name):
                found.setdefault(entry.name, entry)
    return list(found.values())


def study_named(name: str) -> Entry:
    """The file of a study.

    Raises:
        CatalogueError: there is none; the message lists those there are.
    """
    known = {entry.name: entry for entry in study_entries()}
    if name not in known:
        raise CatalogueError(f"no study is named {name!r}; there are: {', '.join(sorted(known))}")
    return known[name]


def study_of(cohort: str) -> str | None:
    """The study that a cohort is a fold of, None for any other cohort."""
    match = FOLD.fullmatch(cohort)
    return match["study"] if match and match["study"] in {entry.name for entry in study_entries()} else None
