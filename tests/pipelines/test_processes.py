import os
import signal
from pathlib import Path

import pytest

from tests.conftest import LONGEST, TESTS
from tests.pipelines.installation import Installation
from tests.pipelines.processes import in_child


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_process_finds_libraries_loaded_and_nothing_that_has_read_variables(installation: Installation) -> None:
    code = "import sys; print(sorted({name.partition('.')[0] for name in sys.modules}))"
    _, printed = installation.python("-c", code).end()
    for name in ("assets", "dagster", "monai", "sklearn", "sqlalchemy", "torch"):
        assert f"'{name}'" in printed
    for name in ("pipelines", "resources"):
        assert f"'{name}'" not in printed


def test_a_process_has_the_variables_arguments_and_outputs_that_it_was_given(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_STORE", "that of whoever runs the tests")
    code = (
        "import os, sys; print(os.environ['PSEUDOPAIR_HOME'], os.environ['MORE'], 'PSEUDOPAIR_STORE' in os.environ);"
        "print(*sys.argv[1:], file=sys.stderr, flush=True); os.system('echo \"$MORE again\"')"
    )
    status, printed = installation.python("-c", code, "one", "two", MORE="é").end()
    assert status == 0
    assert sorted(printed.splitlines()) == sorted([f"{installation.home} é False", "one two", "é again"])
    assert "MORE" not in os.environ


@pytest.mark.parametrize(
    ("code", "status", "said"),
    [
        ("raise SystemExit(3)", 3, ""),
        ("raise SystemExit('no')", 1, "no\n"),
        ("1 / 0", 1, "ZeroDivisionError: division by zero"),
        ("import os; os.kill(os.getpid(), 9)", -9, ""),
        ("import threading; threading.Timer(0.2, print, ['late']).start()", 0, "late\n"),
    ],
)
def test_a_process_ends_as_one_of_the_systems_does(
    installation: Installation, code: str, status: int, said: str
) -> None:
    ended, printed = installation.python("-c", code).end()
    assert ended == status
    assert said in printed


def test_a_process_can_be_waited_for_and_interrupted(installation: Installation) -> None:
    reached = installation.folder / "reached"
    code = f"import pathlib, time\npathlib.Path({str(reached)!r}).touch()\nprint('begun', flush=True)\ntime.sleep(60)"
    running = installation.python("-c", code)
    running.wait_until(reached.exists)
    running.signal(signal.SIGINT)
    status, printed = running.end()
    assert status == 1
    assert "KeyboardInterrupt" in printed
    running.signal(signal.SIGINT)
    with pytest.raises(AssertionError, match="begun"):
        running.wait_until(lambda: False)


def test_a_process_that_does_not_end_in_time_is_ended(installation: Installation) -> None:
    running = installation.python("-c", "import time; print('begun', flush=True); time.sleep(60)")
    with pytest.raises(AssertionError, match="still running after"):
        running.end(1)
    assert running.process.exitcode == -signal.SIGKILL


def change_a_variable(told: Path) -> None:
    told.write_text(os.environ["CHANGED"], encoding="utf-8")


def test_a_call_in_a_child_has_changed_variables(tmp_path: Path) -> None:
    assert in_child(change_a_variable, tmp_path / "told", environment={"CHANGED": "yes"}) == 0
    assert (tmp_path / "told").read_text(encoding="utf-8") == "yes"
    assert in_child(change_a_variable, tmp_path / "nowhere" / "told", environment={"CHANGED": "yes"}) == 1


def test_files_that_are_run_first_are_there() -> None:
    assert [name for name in LONGEST if not (TESTS / name).is_file()] == []
