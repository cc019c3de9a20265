import copy
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.radiographs.asset import radiographs
from resources import failures, stage_run
from resources.catalogue import Entry
from resources.failures import STORAGE_RETRIES
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import Store
from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
TRAINING = "stage_segmenter_training"
STEP = "lung_segmenter"
NEVER = 10_000_000


@contextmanager
def instance_of(installation: Installation) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(installation.home / "dagster")) as instance:
        yield instance


def training_of(instance: dg.DagsterInstance, cohort: str) -> list[Any]:
    """Events of the training of a cohort, none before its run began."""
    runs = instance.get_runs(dg.RunsFilter(job_name=TRAINING, tags={"dagster/partition": cohort}))
    return [entry for run in runs for entry in instance.all_logs(run.run_id)]


def times(events: list[Any], kind: dg.DagsterEventType) -> list[float]:
    found = [entry for entry in events if entry.dagster_event and entry.dagster_event.event_type == kind]
    return [entry.timestamp for entry in found if entry.dagster_event.step_key == STEP]


def test_a_second_training_waits_for_the_first_to_end(tmp_path: Path, tiny: dict[str, Any]) -> None:
    installation = Installation(tmp_path / "installation")
    for name, steps in (("endless", NEVER), ("short", 3)):
        declaration = copy.deepcopy(tiny) | {"name": name}
        declaration["settings"]["lung_segmenter"]["steps"] = steps
        installation.declare(declaration)
    endless = installation.start("run", "endless", "--until", STEP)
    endless.wait_until((installation.home / "dagster" / "storage").exists)
    with instance_of(installation) as instance:
        try:
            start, end = dg.DagsterEventType.STEP_START, dg.DagsterEventType.STEP_FAILURE
            endless.wait_until(lambda: bool(times(training_of(instance, "endless"), start)))
            short = installation.start("run", "short", "--until", STEP)
            short.wait_until(lambda: "pool training" in str(training_of(instance, "short")))
            assert not times(training_of(instance, "short"), start)
            assert not times(training_of(instance, "endless"), end)
        finally:
            endless.signal(signal.SIGINT)
            status, printed = endless.end()
        assert status == 1, printed
        assert f"{TRAINING} [endless] was ended from outside" in printed
        status, printed = short.end()
        assert status == 0, printed
        (ended,), (begun,) = times(training_of(instance, "endless"), end), times(training_of(instance, "short"), start)
        assert begun > ended
    # Nobody did anything wrong: an ended run is no failure of its stage.
    assert installation.store.read_or_none("stages/lung_segmenter/endless/FAILED.json") is None


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """A declaration of two phantoms under the name of the shipped cohort; it may be changed."""
    mapping: dict[str, Any] = {
        "name": "phantom",
        "kind": "phantom",
        "phantom": {"subjects": 2},
        "normal_labels": ["normal"],
        "abnormal_labels": ["abnormal"],
        "settings": {"radiographs": {"size": 64}},
    }
    monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(tmp_path, name, mapping))
    monkeypatch.setattr(failures, "STORAGE_WAIT_SECONDS", 0)
    return mapping


def materialise(store: ObjectStore) -> tuple[bool, int]:
    """Run the radiographs in process: whether they succeeded, and how often the step was tried again."""
    with dg.instance_for_test() as instance:
        result = dg.materialize(
            [radiographs],
            instance=instance,
            partition_key="phantom/0",
            resources={"store": Store(root=store.root)},
            raise_on_error=False,
        )
    again = [event for event in result.all_events if event.event_type == dg.DagsterEventType.STEP_UP_FOR_RETRY]
    return result.success, len(again)


@pytest.mark.parametrize("failures", [1, STORAGE_RETRIES, STORAGE_RETRIES + 1])
def test_a_store_that_fails_is_asked_again_some_times(
    few: dict[str, Any], local_store: ObjectStore, home: Path, failures: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    left, write = [failures], ObjectStore.replace

    def failing(self: ObjectStore, path: str, data: bytes, expected: str | None) -> None:
        if left[0]:
            left[0] -= 1
            raise OSError(5, "the storage failed")
        write(self, path, data, expected)

    monkeypatch.setattr(ObjectStore, "replace", failing)
    completes = failures <= STORAGE_RETRIES
    assert materialise(local_store) == (completes, min(failures, STORAGE_RETRIES))
    pointer = read_pointer(local_store, Place("radiographs", "phantom/0"))
    assert (pointer is not None) is completes
    if pointer:
        assert (pointer["ok"], pointer["computed"], pointer["resumed"]) == (2, 0, 2), "no row twice"
    failed = local_store.read_or_none("stages/radiographs/phantom/0/FAILED.json")
    assert (failed is None) is completes


def test_wrong_data_is_not_tried_again(few: dict[str, Any], local_store: ObjectStore, home: Path) -> None:
    few |= {"kind": "files", "root": "/nowhere", "table": "absent.csv", "columns": {"image": "a", "label": "b"}}
    few.pop("phantom")
    assert materialise(local_store) == (False, 0)
