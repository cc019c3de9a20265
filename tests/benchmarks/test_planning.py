import json
import subprocess
import sys
from typing import Any

import pytest

from tests.benchmarks import planning
from tests.benchmarks.planning_cohort import SHARD_ROWS, radiographs, shards_of
from tests.benchmarks.planning_stages import ORDER

pytestmark = pytest.mark.timeout(900)
ROWS = 250


def measured_apart(rows: int) -> dict[str, Any]:
    # The system counts what a process held before it became another program: a child of this process, which has run
    # other tests and holds their memory, would seem to need as much.
    code = f"import json; from tests.benchmarks.planning import elsewhere; print(json.dumps(elsewhere({rows})))"
    printed = subprocess.run([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
    return figures


@pytest.mark.slow
def test_the_last_line_tells_what_planning_took(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = measured_apart(ROWS)
    monkeypatch.setattr("sys.argv", ["planning", "--sizes", str(ROWS)])
    monkeypatch.setattr(planning, "elsewhere", {ROWS: figures}.__getitem__)
    planning.main()
    printed = capsys.readouterr().out
    line = json.loads(printed.splitlines()[-1])
    assert line == {str(ROWS): {name: figures[name] for name in planning.KEYS}}
    assert line[str(ROWS)]["seconds"] > 0
    # Whatever else the machine does meanwhile.
    assert all(0 < phase["processor"] < 60 for phase in figures["phases"])
    assert 100 < line[str(ROWS)]["peak_mib"] < 1024
    assert all(f"\n{stage} " in printed for stage in ORDER)
    assert [each["computed"] for each in figures["sources"]] == [0, 3]
    same, touched = figures["phases"]
    # Three changed radiographs, three stages of each, and the pairs that they are in.
    assert (touched["changed"], same["computed"]) == (3, 0)
    assert 12 < touched["computed"] < 12 + 3 * 4


def test_only_a_changed_radiograph_has_another_key() -> None:
    before, after = radiographs(range(5, 9)), radiographs(range(5, 9), {7})
    assert [a != b for a, b in zip(before["key"].to_pylist(), after["key"].to_pylist(), strict=True)] == [
        False,
        False,
        True,
        False,
    ]
    assert before.drop_columns(["key", "artifact"]).equals(after.drop_columns(["key", "artifact"]))
    assert len(set(before["key"].to_pylist())) == 4


@pytest.mark.parametrize(("rows", "shards"), [(1, 1), (SHARD_ROWS, 1), (SHARD_ROWS + 1, 2), (112_120, 64)])
def test_a_cohort_is_split_into_shards_of_one_size(rows: int, shards: int) -> None:
    assert shards_of(rows) == shards
