import logging
import os
import tempfile
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import s3fs
from moto.server import ThreadedMotoServer

from resources.home import COHORTS_VARIABLE, HOME_VARIABLE, KEY_VARIABLE, STORE_VARIABLE
from resources.object_store import ObjectStore

KEY = "a key for the tests only"
BUCKET = "pseudopair"
TESTS = Path(__file__).parent
# Files that take longest, and begin first: whoever ran one last would leave the other worker idle. The second makes the
# finished installation that the others wait for.
LONGEST = (
    "study_runs/test_study_command.py",
    "pipelines/test_incremental_run.py",
    "pipelines/test_forget.py",
    "pipelines/test_killed_run.py",
    "pipelines/test_remote_store.py",
    "pipelines/test_registration_ways.py",
    "pipelines/test_two_runs.py",
    "pipelines/test_borrowed_run.py",
    "pipelines/test_borrowing.py",
    "pipelines/test_translator_faults.py",
    "pipelines/test_translator_killed.py",
    "pipelines/test_concurrency.py",
)

# Partitions are read from cohort files when `resources.partitions` is imported, before any fixture: not the home of
# whoever runs the tests decides which there are, but the shipped cohorts and those in tests/cohorts.
_session_home = tempfile.TemporaryDirectory(prefix="pseudopair-tests-")
os.environ[HOME_VARIABLE] = _session_home.name
os.environ[COHORTS_VARIABLE] = str(Path(__file__).parent / "cohorts")
# Two workers run tests side by side; threads of torch (which is not loaded yet) would only stand in each other's way.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
for _name in (STORE_VARIABLE, KEY_VARIABLE, "DAGSTER_HOME"):
    os.environ.pop(_name, None)


@pytest.fixture(scope="session", autouse=True)
def _no_migrations_of_what_lives_in_memory() -> Iterator[None]:
    """Marking a database as migrated reads every migration there is: a third of what materializing a small asset takes.

    Those that live as long as one test are never migrated.
    """
    with pytest.MonkeyPatch.context() as patch:
        for kind in ("runs", "event_log"):
            patch.setattr(f"dagster._core.storage.{kind}.in_memory.stamp_alembic_rev", lambda *_: None)
        yield


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty installation of its own, with a fixed key."""
    folder = tmp_path / "home"
    monkeypatch.setenv(HOME_VARIABLE, str(folder))
    monkeypatch.setenv("DAGSTER_HOME", str(folder / "dagster"))
    monkeypatch.setenv(KEY_VARIABLE, KEY)
    return folder


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an S3 server on a free loopback port, with an empty bucket."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    s3fs.S3FileSystem(key="x", secret="x", client_kwargs={"endpoint_url": url}).mkdir(BUCKET)
    yield url
    server.stop()


@pytest.fixture
def local_store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(str(tmp_path / "store"))


@pytest.fixture
def s3_store(s3_endpoint: str) -> ObjectStore:
    options = {"key": "x", "secret": "x", "client_kwargs": {"endpoint_url": s3_endpoint}}
    return ObjectStore(f"s3://{BUCKET}/{uuid.uuid4().hex}", options)


@pytest.fixture(params=["local", "s3"])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """An empty store, on this machine and on S3."""
    found: ObjectStore = request.getfixturevalue(f"{request.param}_store")
    return found


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that take longest, then with those that have most tests."""
    counts = Counter(item.path for item in items)
    ranks = {TESTS / name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (ranks.get(item.path, len(ranks)), -counts[item.path]))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many checks ran on real radiographs, and how many were skipped for want of them."""
    counts = {
        outcome: sum(
            # A file that is left out as a whole has no keywords.
            "real_data" in getattr(report, "keywords", ())
            for report in terminalreporter.stats.get(outcome, [])
        )
        for outcome in ("passed", "failed", "skipped")
    }
    ran = counts["passed"] + counts["failed"]
    terminalreporter.write_line(f"real-data checks: {ran} run, {counts['skipped']} skipped")
