"""Cohorts of files."""

from pathlib import Path

import pytest

from assets.radiographs import source_files
from resources import stage_run
from resources.catalogue import Entry
from resources.object_store import ObjectStore
from tests.radiographs.files_bench import Bench


@pytest.fixture
def bench(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(tmp_path, name, bench.declaration(name)))
    # Files of a test are as young as its runs.
    monkeypatch.setattr(source_files, "CLOCK_TICK_NS", 0)
    return bench


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the source files that are read, tables left out."""
    names: list[str] = []
    whole = ObjectStore.read

    def counted(self: ObjectStore, path: str) -> bytes:
        if "/" not in path and not path.endswith(".csv"):
            names.append(path)
        return whole(self, path)

    monkeypatch.setattr(ObjectStore, "read", counted)
    return names
