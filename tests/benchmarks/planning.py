"""How long it takes to find out what is to be done: ``python -m tests.benchmarks.planning``.

Plans cohorts of 1,000, 10,000 and 112,120 radiographs from their manifests to their registrations and pairs, with tiny
artefacts and no pixels: unchanged, and with every hundredth radiograph changed (so that every shard is touched). The
radiographs themselves, planned from a table in memory with given sizes and stamps of files, are measured apart
(`sources_`), in a store of their own.
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
PHASES = ("ready", "unchanged", "changed", "sources ready", "sources unchanged", "sources changed")
KEYS = ("seconds", "seconds_1pct", "peak_mib", "sources_seconds", "sources_seconds_1pct", "sources_peak_mib")


def main() -> None:
    """Plan each size in processes of its own, and print."""
    given = _arguments()
    if given.phase is not None:
        print(json.dumps(_here(given.folder, given.sizes[0], given.phase)))
        return
    found = {rows: elsewhere(rows) for rows in given.sizes}
    for rows, figures in found.items():
        _print(rows, figures)
    print(json.dumps({str(rows): {key: figures[key] for key in KEYS} for rows, figures in found.items()}))


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
        _, same, touched, _, *sources = (_phase(Path(folder), rows, phase) for phase in PHASES)
    return {
        **_summed("", same, touched),
        **_summed("sources_", *sources),
        "phases": [same, touched],
        "sources": sources,
    }


def _summed(name: str, same: dict[str, Any], touched: dict[str, Any]) -> dict[str, Any]:
    return {
        f"{name}seconds": round(sum(same["seconds"].values()), 2),
        f"{name}seconds_1pct": round(sum(touched["seconds"].values()), 2),
        f"{name}peak_mib": max(same["peak_mib"], touched["peak_mib"]),
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

    from tests.benchmarks.planning_cohort import unflushed

    part = _sources if phase.startswith("sources") else _manifests
    if phase.endswith("ready"):
        with unflushed():
            figures = part(folder, rows, phase)
        os.sync()
    else:
        figures = part(folder, rows, phase)
    return {**figures, "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)}


def _manifests(folder: Path, rows: int, phase: str) -> dict[str, Any]:
    from resources.object_store import ObjectStore
    from tests.benchmarks.planning_cohort import unflushed
    from tests.benchmarks.planning_stages import plan, write_radiographs

    store, changed = ObjectStore(str(folder / "store")), 0
    if phase != "unchanged":
        with unflushed():
            changed = write_radiographs(store, rows, EVERY if phase == "changed" else None)
    # Else the first measured write would wait for all that was made ready.
    os.sync()
    return {**asdict(plan(store, rows, first=phase == "ready")), "changed": changed}


def _sources(folder: Path, rows: int, phase: str) -> dict[str, Any]:
    from resources.object_store import ObjectStore
    from tests.benchmarks.planning_sources import ingested

    every = EVERY if phase.endswith(" changed") else None
    return asdict(ingested(ObjectStore(str(folder / "sources")), rows, every))


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
    print(
        f"before that, the radiographs themselves from table and files' stamps: {figures['sources_seconds']:.2f} and "
        f"{figures['sources_seconds_1pct']:.2f} s, peak {figures['sources_peak_mib']} MiB"
    )


if __name__ == "__main__":
    main()
