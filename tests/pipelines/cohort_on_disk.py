"""A cohort of PNG files that grows: phantoms written to a folder with a table, as a hospital would hand them over."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from assets.radiographs.identity import ASSIGNMENT_KEY, pseudonym
from assets.radiographs.phantom.cohort import phantom_label, phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.split import shard_of

NAME = "growing"
SHARDS = 2
PHANTOMS = PhantomSettings(size=64, subjects=400, seed=7)
HEADER = ("image", "label", "patient", "mask")
# As small as every stage bears.
SETTINGS: dict[str, Any] = {
    "radiographs": {"size": 64, "test_share": 0.3},
    "lung_segmenter": {"working_size": 32, "channels": [4, 8], "residual_units": 0, "steps": 12, "batch_size": 2},
    "registration_model": {"steps": 4, "encoder_features": [8, 16], "decoder_features": [16, 8]},
    "registered_radiographs": {"smallest_dice": 0.3},
    "registration_peers": {"steps": 3, "encoder_features": [4, 8], "decoder_features": [8, 4], "batch_size": 2},
    "registration_report": {"radiographs": 2, "arms": ["none", "it_pr", "it_dpr"], "resamples": 100},
    "translator": {
        "arms": ["it_dpr/cut", "it_dpr/pca"],
        "size": 32,
        "steps": 4,
        "batch": 2,
        "generator_width": 4,
        "generator_blocks": 2,
        "discriminator_width": 4,
        "nce_patches": 16,
        "nce_width": 8,
        "pca_components": 4,
    },
    "evaluation": {"resamples": 100},
}


@dataclass(frozen=True)
class CohortOnDisk:
    """The folder of the cohort's files."""

    root: Path

    def declaration(self) -> dict[str, Any]:
        """Its cohort file."""
        return {
            "name": NAME,
            "root": str(self.root),
            "table": "table.csv",
            "columns": {"image": "image", "label": "label", "patient": "patient", "lung_mask": "mask"},
            "normal_labels": ["normal"],
            "abnormal_labels": ["abnormal"],
            "shards": SHARDS,
            "settings": SETTINGS,
        }

    def add(self, count: int, shard: int | None = None) -> None:
        """Write more radiographs with their masks, all into one shard if wanted, and the table anew."""
        self.root.mkdir(parents=True, exist_ok=True)
        rows = self._rows()
        index = int(rows[-1][2]) + 1 if rows else 0
        while count:
            patient = f"{index:04d}"
            if shard in (None, shard_of(pseudonym(patient, ASSIGNMENT_KEY), SHARDS)):
                rows.append(self._write(index, patient))
                count -= 1
            index += 1
        text = io.StringIO()
        csv.writer(text).writerows([HEADER, *rows])
        (self.root / "table.csv").write_text(text.getvalue(), encoding="utf-8")

    def _rows(self) -> list[tuple[str, ...]]:
        table = self.root / "table.csv"
        if not table.exists():
            return []
        return [tuple(row) for row in csv.reader(table.read_text(encoding="utf-8").splitlines())][1:]

    def _write(self, index: int, patient: str) -> tuple[str, ...]:
        subject = phantom_subject(index, PHANTOMS.seed, PHANTOMS)
        image, mask = f"{patient}.png", f"{patient}_lungs.png"
        self._save(image, np.rint(subject.image * 255).astype(np.uint8))
        self._save(mask, subject.lungs)
        return image, phantom_label(index), patient, mask

    def _save(self, name: str, pixels: npt.NDArray[Any]) -> None:
        Image.fromarray(pixels).save(self.root / name)
