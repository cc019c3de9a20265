"""A cohort of small phantoms as the stages before the audits leave it, in the store."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.images import to_uint16
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.settings import RegistrationSettings
from assets.segmentation.settings import SegmentationSettings
from assets.tables.alignment import LUNG_MASKS, PREALIGNED, RADIOGRAPHS, REFERENCE_LUNG, REGISTERED, REGISTRATION_MODEL
from assets.tables.translation import TRANSLATOR
from resources import stage_run
from resources.accelerator import Accelerator
from resources.arrays import Arrays, encode
from resources.catalogue import Entry
from resources.manifests import Place, digest_of, publish, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import Store

COHORT, SHARD = "phantom", "phantom/0"
SIDE = 64
PHANTOMS = PhantomSettings(size=SIDE, subjects=64, seed=7)
DECLARED = {"name": COHORT, "normal_labels": ["normal"], "abnormal_labels": ["abnormal"]}
PHANTOM = {**DECLARED, "kind": "phantom"}
FILES = {**DECLARED, "root": "/data", "table": "index.csv", "columns": {"image": "i", "label": "l", "patient": "p"}}
PER_SHARD = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "reference_lung": REFERENCE_LUNG,
    "prealigned_radiographs": PREALIGNED,
    "registration_model": REGISTRATION_MODEL,
    "registered_radiographs": REGISTERED,
    "translator": TRANSLATOR,
}
SETTINGS = {"prealigned_radiographs": PrealignmentSettings(), "lung_masks": SegmentationSettings()}


def person(index: int, split: str = "", **changed: object) -> dict[str, Any]:
    """A phantom; odd ones are abnormal, every third pair of them is in test."""
    domain = "abnormal" if index % 2 else "normal"
    told: dict[str, Any] = {
        "radiograph_id": f"{index:032x}",
        "patient": f"{index:024x}",
        "domain": domain,
        "label": domain,
        "split": split or ("test" if index // 2 % 3 == 2 else "train"),
        "view": "AP" if index % 4 else "PA",
        "sex": ("F", "M", None)[index // 6 % 3],
        "age": float(20 + index),
        "boxes": [],
        "width": SIDE,
        "height": SIDE,
        "scale_x": 1.0,
        "scale_y": 1.0,
        "has_lungs": True,
        "has_lesion": domain == "abnormal",
    }
    return {"index": index, **told, **changed}


@dataclass
class StoredCohort:
    """A cohort under the name of the shipped phantoms.

    Attributes:
        root: folder of the store.
        people: see `person`.
        declaration: as the stages find it.
        translators: rows of `translator` with the arrays of their artefacts.
    """

    root: Path
    people: list[dict[str, Any]]
    declaration: dict[str, Any] = field(default_factory=lambda: dict(PHANTOM))
    translators: list[tuple[dict[str, Any], Arrays]] = field(default_factory=list)

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(str(self.root))

    def use(self, monkeypatch: pytest.MonkeyPatch) -> "StoredCohort":
        """Publish it, and let stages find it instead of the shipped one."""
        monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(self.root, name, self.declaration))
        for stage in SCHEMAS:
            self._publish(stage, self._rows(stage))
        return self

    def materialize(self, asset: dg.AssetsDefinition, **config: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401 (settings)
        """Run a stage of the cohort."""
        return dg.materialize(
            [asset],
            partition_key=COHORT,
            resources={"store": Store(root=str(self.root)), "accelerator": Accelerator(device="cpu", threads=1)},
            run_config={"ops": {asset.op.name: {"config": config}}},
        )

    def rows(self, stage: str) -> list[dict[str, Any]]:
        """Rows of a stage's manifest."""
        table = read_manifest(self.store, Place(stage, COHORT))
        assert table is not None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def pointer(self, stage: str) -> dict[str, Any]:
        pointer = read_pointer(self.store, Place(stage, COHORT))
        assert pointer is not None
        return pointer

    def _publish(self, stage: str, rows: list[dict[str, Any]]) -> None:
        columns = {name: [row.get(name) for row in rows] for name in SCHEMAS[stage].names}
        settings = SETTINGS[stage].model_dump() if stage in SETTINGS else {}
        place = Place(stage, SHARD if stage in PER_SHARD else COHORT)
        publish(
            self.store, place, pa.table(columns, SCHEMAS[stage]), {"parents": {}, "settings": settings, "version": "1"}
        )

    def _rows(self, stage: str) -> list[dict[str, Any]]:
        if stage in PER_SHARD:
            return [self._row(stage, one) for one in self.people]
        if stage == "translator":
            return [
                {**row, **self._written(stage, f"{row['arm']} {row['seed']}", arrays)}
                for row, arrays in self.translators
            ]
        settings = RegistrationSettings().model_dump_json()
        own = {"kind": "mean", "settings": settings, "roughness_typical": 9.0, "roughness_limit": 9.0}
        lungs: Arrays = {"lungs": drawn(0)["lung_masks"]["lungs"], "image": np.zeros((SIDE, SIDE), np.uint16)}
        return [{**own, **self._written(stage, "model", lungs)}]

    def _row(self, stage: str, one: dict[str, Any]) -> dict[str, Any]:
        arrays = dict(drawn(one["index"])[stage])
        if stage == "radiographs":
            arrays |= {"lungs": drawn(one["index"])["lung_masks"]["lungs"]} if one["has_lungs"] else {}
            arrays |= {"lesion": drawn(one["index"])["lesion"]["lesion"]} if one["has_lesion"] else {}
        own = {"mask_source": "supplied", "quality": 0.9, "window_low": 0.0, "window_high": 1.0, "row": one["index"]}
        return {**one, **own, **self._written(stage, one["radiograph_id"], arrays)}

    def _written(self, stage: str, name: str, arrays: Arrays) -> dict[str, str]:
        data = encode(arrays, {})
        key = digest_of(f"{stage} {name}".encode())[:32]
        path = Place(stage, SHARD if stage in PER_SHARD else COHORT).artifact(key)
        self.store.write(path, data)
        return {"key": key, "status": "ok", "reason": "", "artifact": path, "artifact_digest": digest_of(data)}


@cache
def drawn(index: int) -> dict[str, Arrays]:
    """Arrays of a phantom by stage."""
    subject, reference = (phantom_subject(number, PHANTOMS.seed, PHANTOMS) for number in (index, 0))
    settings = PrealignmentSettings()
    displacement = prealign(reference_frame(reference.lungs, settings), subject.lungs, settings)
    moved = warp_lungs(subject.lungs, displacement)
    image = to_uint16(warp_image(subject.image, displacement))
    return {
        "radiographs": {"image": to_uint16(subject.image)},
        "lesion": {"lesion": subject.lesion},
        "lung_masks": {"lungs": subject.lungs},
        "prealigned_radiographs": {"displacement": quantize(displacement), "lungs": moved, "image": image},
        "registered_radiographs": {
            "velocity": np.full((2, SIDE // 2, SIDE // 2), 0.25, np.float16),
            "lungs": moved,
            "image": image,
        },
    }
