import copy
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tests.pipelines.installation import Installation

SUBJECTS = 26
TINY: dict[str, Any] = {
    "name": "tiny",
    "kind": "phantom",
    "phantom": {"subjects": SUBJECTS, "seed": 3},
    "normal_labels": ["normal"],
    "abnormal_labels": ["abnormal"],
    "settings": {
        "radiographs": {"size": 64, "test_share": 0.3},
        "lung_segmenter": {
            "working_size": 32,
            "channels": [4, 8],
            "residual_units": 0,
            "steps": 12,
            "batch_size": 2,
        },
        "registration_model": {"steps": 10, "encoder_features": [8, 16], "decoder_features": [16, 8]},
        "registered_radiographs": {"smallest_dice": 0.3},
        "registration_peers": {"steps": 3, "encoder_features": [4, 8], "decoder_features": [8, 4], "batch_size": 2},
        "registration_report": {
            "radiographs": 4,
            "arms": ["none", "lung_box", "affine", "voxelmorph", "synthmorph", "it_pr", "it_dpr"],
            "resamples": 100,
        },
        "translator": {
            "arms": ["it_dpr/cut", "it_dpr/pca"],
            "size": 32,
            # Enough of them to be killed in between.
            "steps": 40,
            "batch": 2,
            "generator_width": 4,
            "generator_blocks": 2,
            "discriminator_width": 4,
            "nce_patches": 16,
            "nce_width": 8,
            "pca_components": 4,
        },
        "evaluation": {"resamples": 100},
    },
}


@pytest.fixture
def tiny() -> dict[str, Any]:
    """Declaration of the phantom cohort that the finished installation has run."""
    return copy.deepcopy(TINY)


@pytest.fixture
def empty(tmp_path: Path, tiny: dict[str, Any]) -> Installation:
    """An installation that has run nothing yet."""
    installation = Installation(tmp_path / "installation")
    installation.declare(tiny)
    return installation


@pytest.fixture(scope="session")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Installation:
    """The uninterrupted run that others are compared with; nobody changes it, and test processes share it."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "reference"
    installation = Installation(folder)
    done = folder / "done"
    with FileLock(folder.with_suffix(".lock")):
        if not done.exists():
            installation.declare(TINY)
            # The one that all others are compared with finds nothing loaded.
            status, printed = installation.call_cold("run", "tiny")
            assert status == 0, printed
            done.touch()
    return installation


@pytest.fixture
def finished(reference: Installation, tmp_path: Path) -> Installation:
    """A copy of the reference installation, to be changed."""
    shutil.copytree(reference.folder, tmp_path / "finished")
    return Installation(tmp_path / "finished")
