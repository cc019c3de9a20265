import sys
import uuid
from collections.abc import Callable
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from pipelines.verify import verify
from resources.manifests import fingerprint
from resources.object_store import ObjectStore, StoreConflict
from resources.stage_run import StageRun
from tests.pipelines.killing import STAGES, forked
from tests.pipelines.processes import PROCESSES, in_child, started
from tests.pipelines.small_run import DECLARATION, SUBJECTS, manifests, pointers, rows, run_stages

pytestmark = pytest.mark.timeout(600)
CONFLICT = 3
MORE = {**DECLARATION, "phantom": {**DECLARATION["phantom"], "subjects": SUBJECTS + 1}}


def run_beside(root: str, declaration: dict[str, Any], together: Barrier) -> None:
    """Run when the other one does; a conflict that is named ends it with a status of its own."""
    together.wait(120)
    try:
        run_stages(root, STAGES, declaration)
    except StoreConflict:
        sys.exit(CONFLICT)


def both(root: str, declarations: list[dict[str, Any]], environment: dict[str, str]) -> list[int | None]:
    """Run two at once on one store; their exit statuses."""
    together = PROCESSES.Barrier(len(declarations))
    processes = [started(run_beside, root, each, together, environment=environment) for each in declarations]
    for process in processes:
        process.join()
    return [process.exitcode for process in processes]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Manifests of a run that had the store for itself."""
    folder = tmp_path_factory.mktemp("whole")
    assert in_child(run_stages, str(folder), STAGES) == 0
    return manifests(ObjectStore(str(folder)))


@pytest.fixture
def environment(s3_endpoint: str) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_ENDPOINT_URL": s3_endpoint}


def test_two_runs_of_the_same_at_once_both_end_well(
    store: ObjectStore, environment: dict[str, str], whole: dict[str, bytes]
) -> None:
    assert both(store.root, [DECLARATION, DECLARATION], environment) == [0, 0]
    assert manifests(store) == whole
    assert [check for check in verify(store).checks if check.offenders] == []
    assert in_child(run_stages, store.root, STAGES, environment=environment) == 0
    assert {pointer["computed"] for pointer in pointers(store).values()} == {0}
    assert manifests(store) == whole


def test_of_two_runs_of_different_inputs_at_once_none_loses_or_doubles_a_row(
    local_store: ObjectStore, whole: dict[str, bytes]
) -> None:
    ended = both(local_store.root, [DECLARATION, MORE], {})
    assert set(ended) <= {0, CONFLICT}
    assert verify(local_store).passed
    assert len(rows(local_store, "radiographs")) in (SUBJECTS, SUBJECTS + 1)
    assert in_child(run_stages, local_store.root, STAGES) == 0
    assert manifests(local_store) == whole
    assert [check for check in verify(local_store).checks if check.offenders] == []


def overtaken(root: str) -> None:
    """Run a stage, and let another run of it, with other inputs, publish while this one has computed its rows."""
    finish: Callable[..., Any] = StageRun.finish

    def finish_second(self: StageRun, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 (as StageRun.finish)
        setattr(StageRun, "finish", finish)  # noqa: B010 (mypy refuses to assign to a method)
        assert forked(run_stages, root, STAGES[:1], MORE) == 0
        return finish(self, *arguments, **named)

    setattr(StageRun, "finish", finish_second)  # noqa: B010
    with pytest.raises(StoreConflict, match=r"CURRENT\.json: another run published it meanwhile; run again"):
        run_stages(root, STAGES[:1])


def test_a_run_that_was_overtaken_does_not_put_older_rows_over_newer(
    local_store: ObjectStore, whole: dict[str, bytes]
) -> None:
    assert in_child(overtaken, local_store.root) == 0
    assert len(rows(local_store, "radiographs")) == SUBJECTS + 1
    assert verify(local_store).passed
    assert in_child(run_stages, local_store.root, STAGES) == 0
    assert pointers(local_store)["radiographs"]["computed"] == 0
    assert manifests(local_store) == whole


def count(root: str, times: int, together: Barrier, told: Path) -> None:
    """Add one to a number in the store so many times, beside others who do; leave how often it went."""
    store, done = ObjectStore(root), 0
    together.wait(120)
    for _ in range(times):
        seen = store.version("number")
        number = int(store.read_or_none("number") or b"0")
        try:
            store.replace("number", str(number + 1).encode(), seen)
        except StoreConflict:
            continue
        done += 1
    told.write_text(str(done), encoding="utf-8")


def test_no_replacement_is_lost_between_processes(local_store: ObjectStore, tmp_path: Path) -> None:
    together = PROCESSES.Barrier(3)
    told = [tmp_path / f"done{index}" for index in range(3)]
    processes = [started(count, local_store.root, 60, together, each) for each in told]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    successes = sum(int(each.read_text(encoding="utf-8")) for each in told)
    assert int(local_store.read("number")) == successes > 0


def create(root: str, together: Barrier, told: Path) -> None:
    """Create objects beside others who do, each with bytes of its own; leave what it went on with."""
    store, own = ObjectStore(root), uuid.uuid4().hex.encode()
    together.wait(120)
    there = [store.create(f"rows/{index}", own + str(index).encode()) for index in range(40)]
    told.write_text(fingerprint([data.decode() for data in there]), encoding="utf-8")


def test_all_who_create_an_object_at_once_go_on_with_the_same_bytes(
    store: ObjectStore, environment: dict[str, str], tmp_path: Path
) -> None:
    together = PROCESSES.Barrier(2)
    told = [tmp_path / f"told{index}" for index in range(2)]
    processes = [started(create, store.root, together, each, environment=environment) for each in told]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    stored = [store.read(f"rows/{index}").decode() for index in range(40)]
    assert {each.read_text(encoding="utf-8") for each in told} == {fingerprint(stored)}
