"""A finished store of made-up radiographs, written the way that the stages write it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from assets.tables.alignment import LUNG_MASKS, PREALIGNED, RADIOGRAPHS, REFERENCE_LUNG, REGISTERED
from assets.tables.translation import PSEUDO_PAIRS
from resources.arrays import Arrays, encode
from resources.manifests import Place, digest_of, fingerprint, publish
from resources.object_store import ObjectStore

Row = dict[str, Any]
SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "prealigned_radiographs": PREALIGNED,
    "registered_radiographs": REGISTERED,
}
REFERENCE = "reference"
COUNTS = {"planned": 0, "computed": 0, "reused": 0, "ok": 0, "needs_review": 0, "rejected": 0, "failed": 0}


@dataclass
class Cohort:
    """What was put into the store.

    Attributes:
        store: the object store.
        name: the cohort's name.
        shards: its partitions.
        size: side of the images, px.
        rows: manifest rows by stage, in order.
        arrays: arrays by stage and radiograph.
        pairs: manifest rows of the pairs.
    """

    store: ObjectStore
    name: str
    shards: list[str]
    size: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    arrays: dict[tuple[str, str], Arrays] = field(default_factory=dict)
    pairs: list[Row] = field(default_factory=list)

    def row(self, stage: str, radiograph: str) -> Row:
        return next(row for row in self.rows[stage] if row["radiograph_id"] == radiograph)

    def pair_anew(self, *radiographs: Row) -> None:
        """Let the pairs name the registered rows as they are now."""
        for row, pair in product(radiographs, self.pairs):
            for side in ("abnormal", "normal"):
                if pair[f"{side}_id"] == row["radiograph_id"]:
                    pair |= {f"{side}_{name}": row[name] for name in ("key", "artifact", "artifact_digest")}

    def publish(self) -> None:
        """Write the manifests as the rows now say."""
        for stage, rows in self.rows.items():
            for shard in self.shards:
                mine = [row for row in rows if f"/{shard}/" in row["artifact"]]
                table = pa.Table.from_pylist(mine, schema=SCHEMAS[stage])
                publish(self.store, Place(stage, shard), table, {"parents": self._frame(), "settings": {}, **COUNTS})
        pairs = pa.Table.from_pylist(self.pairs, schema=PSEUDO_PAIRS)
        publish(self.store, Place("pseudo_pairs", self.name), pairs, {"parents": self._frame(), **COUNTS})
        parents = {f"{stage}@{shard}": "0" for shard in self.shards for stage in ("radiographs", "lung_masks")}
        reference = pa.Table.from_pylist([self.reference()], schema=REFERENCE_LUNG)
        publish(self.store, Place("reference_lung", self.name), reference, {"parents": parents, **COUNTS})

    def reference(self) -> Row:
        """Row of the reference lung, whose artefact is written."""
        place = Place("reference_lung", self.name).artifact("reference")
        data = encode({"lungs": lungs_of(self.size)}, {})
        self.store.write(place, data)
        return {"key": REFERENCE, "status": "ok", "artifact": place, "artifact_digest": digest_of(data)}

    def _frame(self) -> dict[str, str]:
        return {f"reference_lung@{self.name}": "0", f"registration_model@{self.name}": "0"}


def synthetic(
    store: ObjectStore,
    radiographs: int = 8,
    size: int = 16,
    shards: int = 2,
    stages: tuple[str, ...] = tuple(SCHEMAS),
    images: npt.NDArray[np.uint16] | None = None,
    keep: bool = True,
    name: str = "made_up",
) -> Cohort:
    """A cohort of which every second radiograph is abnormal; two of eight are test.

    Args:
        store: where it is written.
        radiographs: how many.
        size: side of the images, px.
        shards: how many shards.
        stages: per-image stages that are written.
        images: (K, size, size), taken in turn and shifted; smooth noise by default.
        keep: remember the arrays.
        name: the cohort's name.
    """
    cohort = Cohort(store, name, [f"{name}/{number}" for number in range(shards)], size)
    rng = np.random.default_rng(0)
    pool = smooth_noise(rng, 8, size) if images is None else images
    for number in range(radiographs):
        for stage in stages:
            arrays = _arrays(stage, pool[number % len(pool)], number, rng)
            row = _row(stage, number, cohort.shards[number % shards], arrays, cohort.store)
            cohort.rows.setdefault(stage, []).append(row)
            if keep:
                cohort.arrays[stage, row["radiograph_id"]] = arrays
    cohort.pairs = list(_pairs(cohort.rows["registered_radiographs"], size))
    cohort.publish()
    return cohort


def smooth_noise(rng: np.random.Generator, count: int, size: int) -> npt.NDArray[np.uint16]:
    noise = [cv2.GaussianBlur(rng.random((size, size)), (0, 0), 2.0) for _ in range(count)]
    spread = [(one - one.min()) / np.ptp(one) for one in noise]
    rounded: npt.NDArray[np.uint16] = np.rint(65535 * np.stack(spread)).astype(np.uint16)
    return rounded


def lungs_of(size: int) -> npt.NDArray[np.uint8]:
    """Two upright ellipses, the right one wider."""
    lungs = np.zeros((size, size), np.uint8)
    for label, (across, half) in {1: (0.28, 0.18), 2: (0.72, 0.15)}.items():
        center, axes = (int(across * size), size // 2), (int(half * size), int(0.36 * size))
        cv2.ellipse(lungs, center, axes, 0, 0, 360, label, -1)
    return lungs


def _arrays(stage: str, image: npt.NDArray[np.uint16], number: int, rng: np.random.Generator) -> Arrays:
    size = len(image)
    lungs = lungs_of(size)
    # Stages give different pixels, so that a test sees which one was read.
    moved = np.roll(image, (number, list(SCHEMAS).index(stage)), axis=(0, 1))
    lesion = np.zeros((size, size), np.uint8)
    lesion[size // 2, size // 4 : size // 4 + 2] = 1
    lesions: Arrays = {"lesion": lesion} if number % 2 else {}
    if stage == "lung_masks":
        return {"lungs": lungs}
    if stage == "radiographs":
        return {"image": moved, **lesions}
    field = rng.normal(size=(2, size // 2, size // 2)).astype(np.float16)
    name = "velocity" if stage == "registered_radiographs" else "displacement"
    return {"image": moved, "lungs": lungs, name: field, **lesions}


def _row(stage: str, number: int, shard: str, arrays: Arrays, store: ObjectStore) -> Row:
    key = fingerprint([stage, number])
    data = encode(arrays, {})
    artifact = Place(stage, shard).artifact(key)
    store.write(artifact, data)
    domain = "abnormal" if number % 2 else "normal"
    row: Row = {
        "radiograph_id": fingerprint(["radiograph", number]),
        "patient": fingerprint(["patient", number])[:24],
        "domain": domain,
        "label": "opacity" if number % 2 else "no finding",
        "split": "test" if number % 8 in (6, 7) else "train",
        "key": key,
        "status": "ok",
        "reason": "",
        "artifact": artifact,
        "artifact_digest": digest_of(data),
    }
    if stage == "radiographs":
        row |= {"row": number, "view": "PA", "sex": "f", "age": 40.0, "file_digest": fingerprint(["file", number])}
        row |= {"boxes": [_box(len(arrays["image"]), 1.0)] if number % 2 else []}
    if stage == "lung_masks":
        row |= {"window_low": 0.1, "window_high": 0.9}
    return row


def _box(size: int, shift: float) -> Row:
    return {"x": size / 4 + shift, "y": size / 2, "width": size / 8, "height": size / 8, "kind": "opacity"}


def _pairs(rows: list[Row], size: int) -> Iterator[Row]:
    """Every abnormal with the two normals of its split that follow it in turn."""
    for split in ("train", "test"):
        mine = [row for row in rows if row["split"] == split and row["status"] == "ok"]
        normals = [row for row in mine if row["domain"] == "normal"]
        abnormals = [row for row in mine if row["domain"] == "abnormal"]
        for place, abnormal in enumerate(abnormals):
            for step in range(min(2, len(normals))):
                yield _pair(abnormal, normals[(place + step) % len(normals)], size)


def _pair(abnormal: Row, normal: Row, size: int) -> Row:
    pair = fingerprint([abnormal["key"], normal["key"]])
    sides = {
        f"{side}_{name}": value
        for side, row in (("abnormal", abnormal), ("normal", normal))
        for name, value in (
            ("id", row["radiograph_id"]),
            *((name, row[name]) for name in ("label", "patient", "key", "artifact", "artifact_digest")),
            ("boxes", [_box(size, 0.5)] if side == "abnormal" else []),
            ("flags", []),
            ("folded_share", 0.0),
        )
    }
    made = {"policy": "random", "split": abnormal["split"], "similarity_before": 0.5, "similarity_after": 0.75}
    return {"pair_id": pair, **sides, **made, "reference": REFERENCE, "key": pair, "status": "ok", "reason": ""}
