import resource
from pathlib import Path

import pytest

from pipelines.verify import verify
from resources.object_store import ObjectStore
from tests.pipelines.killing import STAGES, fill_at_points
from tests.pipelines.processes import in_child
from tests.pipelines.small_run import manifests, run_stages

pytestmark = pytest.mark.timeout(600)
KINDS = ("artifacts", "manifests", "pictures", "CURRENT.json")


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of runs whose disk became full, and of those that followed when there was room."""
    folder = tmp_path_factory.mktemp("filled")
    assert in_child(fill_at_points, folder, KINDS) == 0
    return folder


def temporaries(store: ObjectStore) -> list[str]:
    return [name for name in store.stamps("stages") if name.rpartition("/")[2].startswith(".")]


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_ends_the_run_with_what_to_do(filled: Path, kind: str) -> None:
    text = (filled / kind / "error").read_text(encoding="utf-8")
    assert "no space is left for the store" in text
    assert "free some" in text
    assert "run again" in text


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_leaves_what_is_published_whole_and_nothing_half(filled: Path, kind: str) -> None:
    store = ObjectStore(str(filled / kind / "full"))
    assert [check for check in verify(store).checks if check.offenders] == []
    assert manifests(store).keys() == set(STAGES[:2])
    assert temporaries(store) == []


@pytest.mark.parametrize("kind", KINDS)
def test_the_run_after_a_full_disk_completes(filled: Path, kind: str) -> None:
    store = ObjectStore(str(filled / kind / "after"))
    assert manifests(store) == manifests(ObjectStore(str(filled / "warm")))
    assert verify(store).passed


def limited(root: str) -> None:
    """Run where no file may be larger than the smallest artefact: the bytes themselves are refused, not their flush."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    with pytest.raises(OSError, match=r"no space is left for the store .*raise the limit"):
        run_stages(root, names=STAGES[:1])
    assert temporaries(ObjectStore(root)) == []


def test_a_limit_on_the_size_of_files_ends_the_run_alike(tmp_path: Path) -> None:
    assert in_child(limited, str(tmp_path)) == 0
