"""What registration does for translators, on phantoms: ``python -m tests.benchmarks.translation``.

Runs a phantom cohort through the pipeline with every method on registered (IT-DPR) and on unregistered radiographs,
with equal settings and steps, and prints image AUC and pixel AUC in the lung on the test patients, with paired
bootstraps over them. The image score is the one with the highest validation AUC over all trainings. Ends with one line
of JSON. Asked again with the same folder, it goes on where it stopped.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from resources.manifests import Place, read_manifest
from resources.object_store import ObjectStore
from tests.benchmarks.translation_table import best_score, comparison, print_table

COHORT = "study"
REPOSITORY = Path(__file__).resolve().parents[2]


def main() -> None:
    """Run, measure, print."""
    given = _arguments()
    given.folder.mkdir(parents=True, exist_ok=True)
    file = given.folder / f"{COHORT}.yaml"
    file.write_text(yaml.safe_dump(_declaration(given)), encoding="utf-8")
    _run(file, given.folder)
    rows = _rows(given.folder)
    score = best_score(rows)
    print(f"{given.subjects} phantoms of seed {given.seed}, {given.size} pixels, {given.steps} steps of {given.batch}")
    rng = np.random.default_rng(given.seed)
    results = [comparison(rows, method, score, given.resamples, rng) for method in given.methods]
    print_table(results, score)
    print(json.dumps({result.method: result.figures() for result in results}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".pseudopair/translation_benchmark"), help="what it keeps")
    parser.add_argument("--subjects", type=int, default=1800, help="phantoms, half of them abnormal (default 1800)")
    parser.add_argument("--seed", type=int, default=11, help="seed of the phantoms (default 11)")
    parser.add_argument("--seeds", type=int, default=3, help="trainings of each arm (default 3)")
    parser.add_argument("--methods", nargs="+", default=["cyclegan", "cut"], help="default: cyclegan cut")
    parser.add_argument("--size", type=int, default=64, help="side of the images, pixels (default 64)")
    parser.add_argument("--steps", type=int, default=600, help="steps of every training (default 600)")
    parser.add_argument("--batch", type=int, default=2, help="images of each domain a step (default 2)")
    parser.add_argument("--resamples", type=int, default=2000, help="of each bootstrap (default 2000)")
    return parser.parse_args()


def _declaration(given: argparse.Namespace) -> dict[str, Any]:
    phantom = yaml.safe_load((REPOSITORY / "pipelines" / "cohorts" / "phantom.yaml").read_text(encoding="utf-8"))
    translator = {
        "preset": "small",
        "arms": [f"{alignment}/{method}" for method in given.methods for alignment in ("none", "it_dpr")],
        "seeds": list(range(given.seeds)),
        "size": given.size,
        "steps": given.steps,
        "batch": given.batch,
    }
    return {
        "name": COHORT,
        "title": "Chest phantoms of the translators' study",
        "kind": "phantom",
        "phantom": {"subjects": given.subjects, "seed": given.seed},
        "normal_labels": ["normal"],
        "abnormal_labels": ["abnormal"],
        "settings": {
            "radiographs": {"test_share": 0.35},
            "lung_segmenter": phantom["settings"]["lung_segmenter"] | {"steps": 300},
            "registration_model": phantom["settings"]["registration_model"],
            "translator": translator,
        },
    }


def _run(file: Path, folder: Path) -> None:
    home = {"PSEUDOPAIR_HOME": str(folder / "home"), "PSEUDOPAIR_COHORTS": str(folder / "none")}
    command = [sys.executable, "-m", "pipelines.cli", "run", str(file), "--until", "anomaly_maps"]
    subprocess.run(command, cwd=REPOSITORY, env=os.environ | home, check=True, stdout=sys.stderr)


def _rows(folder: Path) -> list[dict[str, Any]]:
    store = ObjectStore(str(folder / "home" / "store"))
    table = read_manifest(store, Place("anomaly_maps", f"{COHORT}/0"))
    if table is None:
        raise SystemExit(f"{folder}: no anomaly maps; look at what the run printed")
    return [row for row in table.to_pylist() if row["status"] == "ok"]


if __name__ == "__main__":
    main()
