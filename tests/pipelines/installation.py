"""A pseudopair installation in a folder of its own, driven through the console command in processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipelines.stages import STAGES
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "a key for the tests only"
OWN_VARIABLES = ("PSEUDOPAIR_", "DAGSTER_", "AWS_")
PATIENCE_SECONDS = 240


class Installation:
    """Home, cohort files and environment of one installation.

    Attributes:
        folder: everything lies below it.
        environment: variables that differ from a plain local installation, e.g. of a remote store.
        store: where its artefacts are.
    """

    def __init__(
        self, folder: Path, environment: dict[str, str] | None = None, store: ObjectStore | None = None
    ) -> None:
        self.folder = folder
        self.environment = environment or {}
        self.store = store or ObjectStore(str(self.home / "store"))
        self.cohorts.mkdir(parents=True, exist_ok=True)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def cohorts(self) -> Path:
        return self.folder / "cohorts"

    def declare(self, declaration: dict[str, Any]) -> None:
        """Write or replace a cohort file."""
        text = yaml.safe_dump(declaration, sort_keys=False)
        (self.cohorts / f"{declaration['name']}.yaml").write_text(text, encoding="utf-8")

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start `pseudopair ARGUMENTS`."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN_VARIABLES)}
        own = {
            "PSEUDOPAIR_HOME": str(self.home),
            "PSEUDOPAIR_COHORTS": str(self.cohorts),
            "PSEUDOPAIR_KEY": KEY,
            "PSEUDOPAIR_DEVICE": "cpu",
            # Sums in another order give other last digits, and these tests compare digests.
            "PSEUDOPAIR_THREADS": "1",
            "OMP_NUM_THREADS": "1",
            "COLUMNS": "200",
        }
        return subprocess.Popen(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            cwd=REPOSITORY,
            env=inherited | own | self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def call(self, *arguments: str) -> tuple[int, str]:
        """Run `pseudopair ARGUMENTS`; exit status, and all that it printed."""
        process = self.start(*arguments)
        try:
            printed, _ = process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            raise AssertionError(f"still running after {PATIENCE_SECONDS} s:\n{process.communicate()[0]}") from None
        return process.returncode, printed

    def run(self, cohort: str, *arguments: str) -> str:
        """Run a cohort, which must succeed; all that was printed."""
        status, printed = self.call("run", cohort, *arguments)
        assert status == 0, printed
        return printed

    def kill_when(self, reached: Callable[[], bool], *arguments: str) -> None:
        """Run `pseudopair ARGUMENTS` and kill it (SIGKILL) as soon as something is reached."""
        process = self.start(*arguments)
        try:
            deadline = time.monotonic() + PATIENCE_SECONDS
            while not reached():
                assert process.poll() is None, process.communicate()[0]
                assert time.monotonic() < deadline, "not reached in time"
                time.sleep(0.01)
        finally:
            process.kill()
            process.communicate()

    def pointer(self, stage: str, cohort: str = "tiny") -> dict[str, Any]:
        """The stage's pointer record of a cohort with one shard."""
        pointer = read_pointer(self.store, self.place(stage, cohort))
        assert pointer is not None, f"{stage} has not run"
        return pointer

    def rows(self, stage: str, cohort: str = "tiny") -> list[dict[str, Any]]:
        """The stage's manifest."""
        table = read_manifest(self.store, self.place(stage, cohort))
        assert table is not None, f"{stage} has not run"
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def place(self, stage: str, cohort: str = "tiny") -> Place:
        """Where the stage of a cohort with one shard is."""
        level = next(item.level for item in STAGES if item.name == stage)
        return Place(stage, f"{cohort}/0" if level == "shard" else cohort)

    def computed(self, until: str = "registration_report") -> dict[str, int]:
        """Rows that each stage computed in its last run."""
        return {name: self.pointer(name)["computed"] for name in stages(until)}

    def digests(self, until: str = "registration_report") -> dict[str, str]:
        """Digest of each stage's manifest."""
        return {name: self.pointer(name)["digest"] for name in stages(until)}


def stages(until: str) -> list[str]:
    """Names of the stages up to one of them."""
    names = [stage.name for stage in STAGES]
    return names[: names.index(until) + 1]
