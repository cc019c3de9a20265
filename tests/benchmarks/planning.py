"""How long it takes to find out what is to be done: ``python -m tests.benchmarks.planning``.

Plans cohorts of 1,000, 10,000 and 112,120 radiographs from their table to their registrations and pairs, with tiny
artefacts and no pixels: unchanged, and with every hundredth radiograph changed (so that every shard is touched).
The radiographs are planned from a table in memory with given sizes and stamps of files, so that no storage is asked
for these; they lie in a store of their own, and the other stages start from manifests made for them.
What a changed row costs is one tiny artefact a stage; Dagster's own time to launch a run is not in the figures. Each
is planned in a process of its own, whose peak memory counts all that it holds, imported libraries too. Ends with one
line of JSON: rows -> figures. Progress goes to standard error.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from resources.home import COHORTS_VARIABLE, HOME_VARIABLE

SIZES = (1_000, 10_000, 112_120)
EVERY = 100
PHASES = ("ready", "unchanged", "changed")


def main() -> None:
    """Plan each size in processes of its own, and print."""
    given = _arguments()
    if given.phase is not None:
        print(json.dumps(_here(given.folder, given.sizes[0], given.phase)))
        return
    found = {rows: elsewhere(rows) for rows in given.sizes}
    for rows, figures in found.items():
        _print(rows, figures)
    keys = ("seconds", "seconds_1pct", "peak_mib")
    print(json.dumps({str(rows): {key: figures[key] for key in keys} for rows, figures in found.items()}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="radiographs of each cohort")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--phase", choices=PHASES, help=argparse.SUPPRESS)
    return parser.parse_args()


def elsewhere(rows: int) -> dict[str, Any]:
    """Figures of one size; what is measured is measured in processes of their own."""
    from tests.benchmarks.planning_cohort import declare

    with tempfile.TemporaryDirectory(prefix="pseudopair-planning-") as folder:
        declare(Path(folder) / "cohorts", rows)
        _, same, touched = (_phase(Path(folder), rows, phase) for phase in PHASES)
    return {
        "seconds": round(sum(same["seconds"].values()), 2),
        "seconds_1pct": round(sum(touched["seconds"].values()), 2),
        "peak_mib": max(same["peak_mib"], touched["peak_mib"]),
        "phases": [same, touched],
    }


def _phase(folder: Path, rows: int, phase: str) -> dict[str, Any]:
    variables = {HOME_VARIABLE: str(folder / "home"), COHORTS_VARIABLE: str(folder / "cohorts")}
    command = [sys.executable, "-m", "tests.benchmarks.planning", "--sizes", str(rows)]
    command += ["--folder", str(folder), "--phase", phase]
    printed = subprocess.run(command, env=os.environ | variables, stdout=subprocess.PIPE, text=True, check=True).stdout
    figures: dict[str, Any] = json.loads(printed.splitlines()[-1])
    print(f"{rows} rows: {phase} after {sum(figures['seconds'].values()):.0f} s", file=sys.stderr, flush=True)
    return figures


def _here(folder: Path, rows: int, phase: str) -> dict[str, Any]:
    """One phase of one size, in this process."""
    import resource

    from resources.object_store import ObjectStore
    from tests.benchmarks.planning_cohort import unflushed
    from tests.benchmarks.planning_sources import ingested
    from tests.benchmarks.planning_stages import joined, plan, write_radiographs

    store, changed = ObjectStore(str(folder / "store")), 0
    if phase != "unchanged":
        with unflushed():
            changed = write_radiographs(store, rows, EVERY if phase == "changed" else None)
    # Else the first measured write would wait for all that was made ready.
    os.sync()
    sources, every = ObjectStore(str(folder / "sources")), EVERY if phase == "changed" else None
    if phase == "ready":
        with unflushed():
            ingested(sources, rows)
            done = plan(store, rows, first=True)
        os.sync()
    else:
        done = joined(ingested(sources, rows, every), plan(store, rows))
    return {
        **asdict(done),
        "changed": changed,
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }


def _print(rows: int, figures: dict[str, Any]) -> None:
    same, touched = figures["phases"]
    peaks = f"peak {same['peak_mib']} and {touched['peak_mib']} MiB"
    print(f"\n{rows:,} radiographs, none and {touched['changed']:,} of them changed; {peaks}")
    print(f"{'stage':24}{'unchanged, s':>14}{'1 % changed, s':>16}")
    for stage, seconds in same["seconds"].items():
        print(f"{stage:24}{seconds:14.2f}{touched['seconds'][stage]:16.2f}")
    print(f"{'all':24}{figures['seconds']:14.2f}{figures['seconds_1pct']:16.2f}")
    print(f"{'of it processor time':24}{same['processor']:14.2f}{touched['processor']:16.2f}")
    print(f"rows and pairs computed: {same['computed']} unchanged, {touched['computed']} with 1 % changed")
    more = 1000 * (figures["seconds_1pct"] - figures["seconds"]) / max(1, touched["changed"])
    print(f"a changed radiograph adds {more:.1f} ms in all stages together")


if __name__ == "__main__":
    main()
