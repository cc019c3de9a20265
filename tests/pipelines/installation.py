"""A pseudopair installation in a folder of its own, driven through the console command in processes of their own."""

import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from pipelines.stages import STAGES
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore
from tests.pipelines.processes import PATIENCE_SECONDS, Running

REPOSITORY = Path(__file__).resolve().parents[2]
KEY = "a key for the tests only"
OWN_VARIABLES = ("PSEUDOPAIR_", "DAGSTER_", "AWS_")


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

    def variables(self) -> dict[str, str]:
        """All variables of the installation's processes."""
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
        return inherited | own | self.environment

    def python(self, *line: str, **variables: str) -> Running:
        """Start `python LINE` with the installation's variables and others."""
        return Running(line, self.variables() | variables, self.folder / "printed" / uuid.uuid4().hex)

    def start(self, *arguments: str) -> Running:
        """Start `pseudopair ARGUMENTS`."""
        return self.python("-m", "pipelines.cli", *arguments)

    def call(self, *arguments: str) -> tuple[int, str]:
        """Run `pseudopair ARGUMENTS`; exit status, and all that it printed."""
        return self.start(*arguments).end()

    def call_cold(self, *arguments: str) -> tuple[int, str]:
        """The same in a Python that has loaded nothing yet, as a user's has; it begins seconds later."""
        done = subprocess.run(
            [sys.executable, "-m", "pipelines.cli", *arguments],
            cwd=REPOSITORY,
            env=self.variables(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=PATIENCE_SECONDS,
            check=False,
        )
        return done.returncode, done.stdout

    def run(self, cohort: str, *arguments: str) -> str:
        """Run a cohort, which must succeed; all that was printed."""
        status, printed = self.call("run", cohort, *arguments)
        assert status == 0, printed
        return printed

    def kill_when(self, reached: Callable[[], bool], *arguments: str) -> None:
        """Run `pseudopair ARGUMENTS` and kill it (SIGKILL) as soon as something is reached."""
        running = self.start(*arguments)
        try:
            running.wait_until(reached, 0.01)
        finally:
            running.signal(signal.SIGKILL)
            running.end()

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
