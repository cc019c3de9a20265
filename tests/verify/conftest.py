"""A sound store."""

import shutil

import pytest

from resources.object_store import ObjectStore
from tests.verify.audited import fill


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ObjectStore:
    store = ObjectStore(str(tmp_path_factory.mktemp("filled") / "store"))
    fill(store)
    return store


@pytest.fixture
def sound(filled: ObjectStore, local_store: ObjectStore) -> ObjectStore:
    """A copy of the store, to be damaged."""
    shutil.copytree(filled.root, local_store.root)
    return local_store
