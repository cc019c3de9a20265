"""Two cohorts of files, one of them in three shards, and the stage that reads them."""

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian

from assets.radiographs.asset import radiographs
from assets.radiographs.identity import assignment
from assets.radiographs.split import assign_split, shard_of
from resources.manifests import Place, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.stage_run import Store

SHARDED, OTHER = "three_shards", "quex"


COLUMNS = ("image", "label", "patient")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.random.default_rng(seed).integers(0, 255, (40, 40)).astype(np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


def dicom(seed: int, patient: str, sex: str = "", age: str = "") -> bytes:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = UID("1.2.840.10008.5.1.4.1.1.1")
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = UID("1.2.3.4")
    dataset.PatientID, dataset.PatientSex, dataset.PatientAge = patient, sex, age
    dataset.PhotometricInterpretation, dataset.SamplesPerPixel = "MONOCHROME2", 1
    dataset.Rows = dataset.Columns = 40
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    pixels = np.random.default_rng(seed).integers(0, 4095, (40, 40)).astype(np.uint16)
    dataset.PixelData = pixels.tobytes()
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def patient_of(shard: int, nth: int = 0) -> str:
    """A patient whose rows are in a shard of three."""
    fitting = (name for name in (f"p{n}" for n in range(1000)) if shard_of(assignment(name), 3) == shard)
    return [next(fitting) for _ in range(nth + 1)][nth]


def split_of(patient: str) -> str:
    return assign_split(assignment(patient), 0.25, 0.15, 0)


@dataclass
class Bench:
    """A store and two cohorts of files under the names of declared ones, each in a folder of its own."""

    folder: Path
    changed: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(str(self.folder / "store"))

    def root(self, cohort: str) -> Path:
        return self.folder / cohort

    def declaration(self, cohort: str) -> dict[str, Any]:
        said = {"name": cohort, "root": str(self.root(cohort)), "table": "t.csv", "columns": {"patient": "patient"}}
        labels = {"normal_labels": ["normal"], "abnormal_labels": ["opacity"]}
        shards = {"shards": 3} if cohort == SHARDED else {}
        settings = {"settings": {"radiographs": {"size": 32}}}
        return {**said, **labels, **shards, **settings, **self.changed.get(cohort, {})}

    def write(self, cohort: str, *rows: tuple[str, str], **files: bytes) -> None:
        """Write a cohort's table of (image, patient), and files."""
        self.root(cohort).mkdir(exist_ok=True)
        for name, data in files.items():
            (self.root(cohort) / name).write_bytes(data)
        with (self.root(cohort) / "t.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([COLUMNS, *((image, "normal", patient) for image, patient in rows)])

    def run(self, partition: str, **tags: str) -> list[dict[str, Any]]:
        """Materialise a shard; its rows."""
        self.result = dg.materialize(
            [radiographs], partition_key=partition, resources={"store": Store(root=self.store.root)}, tags=tags
        )
        table = read_manifest(self.store, Place("radiographs", partition))
        assert table is not None
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def told(self, name: str) -> Any:  # noqa: ANN401 (metadata)
        """Metadata of the last run."""
        (made,) = self.result.asset_materializations_for_node("radiographs")
        return made.metadata[name].value

    def pointer(self, partition: str) -> dict[str, Any]:
        pointer = read_pointer(self.store, Place("radiographs", partition))
        assert pointer is not None
        return pointer


def status(rows: list[dict[str, Any]]) -> dict[int, str]:
    return {row["row"]: row["status"] for row in rows}
