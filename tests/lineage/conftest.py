import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import dagster as dg
import pytest

from resources.object_store import ObjectStore
from tests.lineage.made_up import MadeUp


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> MadeUp:
    """A cohort of twenty patients with one radiograph each in two shards, and one that borrows its segmenter."""
    store = ObjectStore(str(tmp_path_factory.mktemp("made") / "store"))
    made = MadeUp(store, shards=2).publish()
    MadeUp(store, cohort="other", lender="made").publish()
    return made


@pytest.fixture
def made(published: MadeUp, tmp_path: Path) -> MadeUp:
    """A copy of the published store, to be changed."""
    shutil.copytree(published.store.root, tmp_path / "made")
    return replace(published, store=ObjectStore(str(tmp_path / "made")))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found
