"""Made-up stores: manifests of a cohort of any size, with artefacts where they are asked for."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.forget.schemas import SCHEMAS
from resources.arrays import Arrays, encode
from resources.manifests import Place, digest_of, fingerprint, publish
from resources.object_store import ObjectStore

SIDE = 32
IMAGE_STAGES = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs", "anomaly_maps")
MODELS = {
    "lung_segmenter": "radiographs",
    "reference_lung": "lung_masks",
    "registration_model": "prealigned_radiographs",
    "registration_peers": "lung_masks",
}
Row = dict[str, Any]


def hashed(*parts: object, digits: int = 32) -> str:
    """A made-up id."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:digits]


@dataclass
class MadeUp:
    """A cohort of made-up radiographs that went through every stage.

    Attributes:
        store: where it is published.
        cohort: its name.
        radiographs: number of them.
        per_patient: of each patient; patients alternate between normal and abnormal.
        shards: parts; a patient is in one.
        normals: partners of each abnormal radiograph.
        stored: which radiographs have artefacts, the others' are named only.
        lender: cohort whose segmenter is borrowed.
    """

    store: ObjectStore
    cohort: str = "made"
    radiographs: int = 20
    per_patient: int = 1
    shards: int = 1
    normals: int = 2
    stored: Callable[[int], bool] = lambda index: True
    lender: str = ""

    def shard(self, index: int) -> str:
        """Partition key of a radiograph."""
        return f"{self.cohort}/{self.patient_number(index) % self.shards:0{len(str(self.shards - 1))}d}"

    def patient_number(self, index: int) -> int:
        """Number of a radiograph's patient."""
        return index // self.per_patient

    def patient(self, index: int) -> str:
        """Pseudonym of a radiograph's patient."""
        return hashed(self.cohort, "patient", self.patient_number(index), digits=24)

    def split(self, index: int) -> str:
        """Of twenty patients fourteen train, two validate and four test."""
        return (*["train"] * 7, "validation", "test", "test")[self.patient_number(index) // 2 % 10]

    def domain(self, index: int) -> str:
        """Domain of a radiograph, which is its label, too."""
        return "abnormal" if self.patient_number(index) % 2 else "normal"

    def name(self, index: int) -> str:
        """Id of a radiograph."""
        return hashed("pixels", self.cohort, index)

    def file(self, index: int) -> str:
        """Digest of a radiograph's source file."""
        return hashed("file", self.cohort, index, digits=64)

    def key(self, stage: str, index: object) -> str:
        """Key of a row."""
        return hashed("key", self.cohort, stage, index)

    def publish(self) -> "MadeUp":
        """Write every manifest, and the artefacts that are asked for."""
        digests: dict[str, str] = {}
        for stage in ("radiographs", "lung_segmenter", "lung_masks", "reference_lung", "prealigned_radiographs",
                      "registration_model", "registered_radiographs", "pseudo_pairs", "translator", "anomaly_maps",
                      "evaluation", "registration_peers", "registration_report"):  # fmt: skip
            for place, rows in self._rows(stage).items():
                table = pa.Table.from_pylist(
                    [{name: row.get(name) for name in SCHEMAS[stage].names} for row in rows], SCHEMAS[stage]
                )
                digests[str(place)] = publish(self.store, place, table, self._record(place, rows, digests))
        return self

    def _record(self, place: Place, rows: list[Row], digests: dict[str, str]) -> dict[str, Any]:
        counts = {status: sum(row["status"] == status for row in rows) for status in ("ok", "needs_review", "rejected")}
        parents = dict(digests)
        if self.lender and place.stage == "lung_segmenter":
            pointer = json.loads(self.store.read(f"stages/lung_segmenter/{self.lender}/CURRENT.json"))
            parents = {f"lung_segmenter@{self.lender}": pointer["digest"]}
        return {
            **{"stage": place.stage, "partition": place.partition, "version": "1", "settings": {"size": SIDE}},
            **{"parents": parents, "run_id": hashed("run", place.stage)[:8], "source": "", "pictures": ["sheet"]},
            **{"created_at": "2026-01-02T03:04:05+00:00", "seconds": 1.0, "failed": 0, **counts},
            **{"planned": len(rows), "computed": len(rows), "reused": 0, "resumed": 0},
        }

    def _rows(self, stage: str) -> dict[Place, list[Row]]:
        if stage == "registration_report":
            return {Place(stage, self.cohort): [self._image_row(stage, index) for index in self._scored()]}
        if stage in IMAGE_STAGES:
            found: dict[Place, list[Row]] = {}
            for index in self._scored() if stage == "anomaly_maps" else range(self.radiographs):
                found.setdefault(Place(stage, self.shard(index)), []).append(self._image_row(stage, index))
            return found
        return {Place(stage, self.cohort): self._cohort_rows(stage)}

    def _scored(self) -> list[int]:
        return [index for index in range(self.radiographs) if self.split(index) != "train"]

    def _image_row(self, stage: str, index: int) -> Row:
        partition = self.cohort if stage == "registration_report" else self.shard(index)
        own = {"row": index + 1, "file_digest": self.file(index), "boxes": [], "has_lungs": True, "has_lesion": False}
        arm = {"arm": "it_dpr/pca", "alignment": "it_dpr", "method": "pca", "seed": 0, "score_mean": 0.25, "dice": 0.9}
        if stage == "registration_report":
            arm |= {"arm": "it_dpr"}
        measured = {"dice_reference": 0.9, "folded_share": 0.0, "mean_shift": 2.0, "mask_source": "supplied"}
        window = {"window_low": 0.1, "window_high": 0.9}
        arrays = self.arrays(stage, index) if self.stored(index) else None
        return {
            "radiograph_id": self.name(index),
            "patient": self.patient(index),
            "domain": self.domain(index),
            "label": self.domain(index),
            "split": self.split(index),
            **(own if stage == "radiographs" else {**measured, **window, **arm}),
            **self.stored_row(Place(stage, partition), self.key(stage, index), arrays),
        }

    def stored_row(self, place: Place, key: str, arrays: Arrays | None) -> Row:
        """Columns of a row that is ok, its artefact written where there are arrays."""
        data = b"" if arrays is None else encode(arrays, {"status": "ok", "reason": ""})
        if data:
            self.store.write(place.artifact(key), data)
        digest = digest_of(data) if data else hashed("artefact", key, digits=64)
        return {"key": key, "status": "ok", "reason": "", "artifact": place.artifact(key), "artifact_digest": digest}

    def arrays(self, stage: str, index: int) -> Arrays:
        """Made-up arrays of a row, no two rows alike."""
        rng = np.random.default_rng(
            [IMAGE_STAGES.index(stage) if stage in IMAGE_STAGES else 9, index, len(self.cohort)]
        )
        lungs = np.zeros((SIDE, SIDE), np.uint8)
        lungs[6:26, 4:14], lungs[6:26, 18:28] = 1, 2
        # No two alike, so that each can be looked for.
        lungs[8:12, 4:14] = rng.integers(0, 2, (4, 10))
        image = rng.integers(0, 65536, (SIDE, SIDE), dtype=np.uint16)
        if stage == "anomaly_maps":
            gray = (image >> 8).astype(np.uint8)
            maps = rng.random((SIDE, SIDE)).astype(np.float16)
            return {"map": maps, "image": gray, "lungs": (lungs > 0).astype(np.uint8)}
        mask = {"lungs": lungs}
        return mask if stage == "lung_masks" else {"image": image, **({} if stage == "radiographs" else mask)}

    def _cohort_rows(self, stage: str) -> list[Row]:
        place = Place(stage, self.cohort)
        if stage in MODELS:
            return [self._model_row(stage)]
        if stage == "pseudo_pairs":
            return self._pairs()
        arm = {"arm": "it_dpr/pca", "alignment": "it_dpr", "method": "pca", "seed": 0, "settings": "{}"}
        if stage == "evaluation":
            told = {"score": "score_mean", "split": "test", "headline": True, "auc": 0.75}
            return [{**arm, **told, **self.stored_row(place, self.key(stage, "test"), None), "artifact": ""}]
        gan = {**arm, "arm": "it_dpr/cut", "method": "cut"}
        weights = {"weights.w": np.arange(4, dtype=np.float32)}
        return [
            {**each, "trained_normal": 7, "trained_abnormal": count, "history_columns": [],
             **self.stored_row(place, self.key(stage, each["method"]), weights)}
            for each, count in ((arm, 0), (gan, 7))
        ]  # fmt: skip

    def _model_row(self, stage: str) -> Row:
        if self.lender and stage == "lung_segmenter":
            path = f"stages/lung_segmenter/{self.lender}"
            key = hashed("key", self.lender, stage, "model")
            artifact = Place(stage, self.lender).artifact(key)
            found = {"artifact": artifact, "artifact_digest": digest_of(self.store.read(artifact))}
            assert path in artifact
            return {"key": key, "status": "ok", "reason": "", **found, "borrowed_from": self.lender, "recipe": "r"}
        keys = [self._fitted_key(stage, index) for index in range(self.radiographs) if self.split(index) == "train"]
        rows = np.frombuffer(bytes.fromhex("".join(keys)), np.uint8).reshape(-1, 16)
        arrays = {**self.arrays("registered_radiographs", 0), "fitted_on": rows, "w": np.ones(3, np.float32)}
        if stage != "reference_lung":
            arrays.pop("image")
            arrays.pop("lungs")
        told = {"recipe": "r", "settings": "{}", "trained_on": len(keys), "borrowed_from": "", "history_columns": []}
        return {
            **told,
            **{"kind": "medoid", "radiograph_id": self.name(0), "candidates": len(keys)},
            **self.stored_row(Place(stage, self.cohort), self.key(stage, "model"), arrays),
        }

    def _fitted_key(self, stage: str, index: int) -> str:
        key = self.key(MODELS[stage], index)
        return fingerprint([key, self.split(index), self.domain(index)]) if stage == "lung_segmenter" else key

    def _pairs(self) -> list[Row]:
        rows: list[Row] = []
        for split in ("train", "validation", "test"):
            mine = [index for index in range(self.radiographs) if self.split(index) == split]
            normals = [index for index in mine if self.domain(index) == "normal"]
            abnormals = [index for index in mine if self.domain(index) == "abnormal"]
            for place, index in enumerate(abnormals):
                partners = {normals[(place * self.normals + step) % len(normals)] for step in range(self.normals)}
                rows += [self._pair(index, partner) for partner in sorted(partners)]
        return rows

    def pair_id(self, abnormal: int, normal: int) -> str:
        """Id of a pair."""
        return hashed("pair", self.cohort, abnormal, normal)

    def _pair(self, abnormal: int, normal: int) -> Row:
        sides = {f"{side}_{name}": value for side, index in (("abnormal", abnormal), ("normal", normal))
                 for name, value in self._side(index).items()}  # fmt: skip
        unstored = {"status": "ok", "reason": "", "artifact": "", "artifact_digest": ""}
        made = {
            "settings": "{}",
            "versions": "{}",
            "run_id": "first",
            "policy": "random",
            "split": self.split(abnormal),
        }
        models = {"reference": self.key("reference_lung", "model"), "similarity_before": 0.1, "similarity_after": 0.4}
        name = self.pair_id(abnormal, normal)
        return {"pair_id": name, "key": name, **sides, **made, **models, **unstored}

    def _side(self, index: int) -> Row:
        place = Place("registered_radiographs", self.shard(index))
        data = encode(self.arrays(place.stage, index), {"status": "ok", "reason": ""}) if self.stored(index) else b""
        key = self.key(place.stage, index)
        return {
            **{"id": self.name(index), "label": self.domain(index), "patient": self.patient(index)},
            **{"file_digest": self.file(index), "shard": self.shard(index), "boxes": [], "flags": []},
            **{"radiograph_key": self.key("radiographs", index), "mask_key": self.key("lung_masks", index)},
            **{"prealigned_key": self.key("prealigned_radiographs", index), "key": key},
            **{"artifact": place.artifact(key), "artifact_digest": digest_of(data) if data else hashed(key, digits=64)},
            **{"folded_share": 0.0, "dice_reference": 0.9},
        }
