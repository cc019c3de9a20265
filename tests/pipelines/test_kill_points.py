import json
from pathlib import Path
from typing import Any

import pytest

from pipelines.verify import verify
from resources.object_store import ObjectStore
from tests.pipelines.killing import NAMED, kill_at_points
from tests.pipelines.processes import in_child
from tests.pipelines.small_run import SUBJECTS, manifests, place, pointers

pytestmark = [pytest.mark.timeout(600), pytest.mark.slow]
SEED = 5
POINTS = 20
PER_IMAGE = ("radiographs", "lung_masks")


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stores of runs that were killed at drawn points, and of those that followed them."""
    folder = tmp_path_factory.mktemp("killed")
    assert in_child(kill_at_points, folder, SEED, POINTS) == 0
    print(f"killed at {POINTS} points drawn from seed {SEED}:")
    for position, point in told(folder).items():
        print(f"  {position}: {point['name']}: {point['label']}")
    return folder


def told(folder: Path) -> dict[str, dict[str, Any]]:
    points: dict[str, dict[str, Any]] = json.loads((folder / "points.json").read_text(encoding="utf-8"))
    return points


def store_of(folder: Path, *names: str) -> ObjectStore:
    return ObjectStore(str(folder.joinpath(*names)))


def test_runs_were_killed_at_every_named_point_and_at_others(killed: Path) -> None:
    points = told(killed)
    assert len(points) == POINTS
    assert {point["signal"] for point in points.values()} == {9}
    names = [point["name"] for point in points.values()]
    assert set(NAMED) < set(names)
    assert len({point["label"] for point in points.values() if point["name"] == "drawn"}) > 1


def test_after_a_kill_what_is_published_is_whole(killed: Path) -> None:
    whole = manifests(store_of(killed, "whole"))
    published = set()
    for position, point in told(killed).items():
        store = store_of(killed, position, "killed")
        assert [check for check in verify(store).checks if check.offenders] == [], point
        assert manifests(store).items() <= whole.items(), point
        published.add(len(manifests(store)))
    # Else no kill lay between the stages.
    assert len(published) > 2


def test_the_next_run_completes_and_no_row_is_lost_or_doubled(killed: Path) -> None:
    whole = manifests(store_of(killed, "whole"))
    for position, point in told(killed).items():
        store = store_of(killed, position, "after")
        assert point["next"] == 0, point
        assert manifests(store) == whole, point
        assert verify(store).passed, point
        assert [path for path in store.find("stages") if path.endswith("FAILED.json")] == [], point


def test_the_next_run_computes_only_what_the_killed_one_had_not(killed: Path) -> None:
    spared = 0
    for position, point in told(killed).items():
        before, after = store_of(killed, position, "killed"), pointers(store_of(killed, position, "after"))
        for stage in PER_IMAGE:
            there = len(before.find(f"{place(stage).folder}/artifacts"))
            assert after[stage]["computed"] == SUBJECTS - there, point
            spared += 0 < there < SUBJECTS
    assert spared > 0
