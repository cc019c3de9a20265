"""Made-up cohorts as the stages before leave them: manifests, and pixels only where they are asked for."""

import hashlib
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pyarrow as pa
import pytest

from assets.images import to_uint16
from assets.pairing.asset import pseudo_pairs
from assets.prealignment.lung_coordinates import prealign, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize, warp_image, warp_lungs
from assets.radiographs.phantom.cohort import phantom_subject
from assets.radiographs.phantom.settings import PhantomSettings
from assets.registration.settings import RegistrationSettings
from assets.tables.alignment import LUNG_MASKS, PREALIGNED, RADIOGRAPHS, REFERENCE_LUNG, REGISTERED, REGISTRATION_MODEL
from assets.tables.common import CARRIED
from assets.tables.translation import PSEUDO_PAIRS
from resources import stage_run
from resources.arrays import Arrays, encode
from resources.catalogue import Entry
from resources.manifests import Place, digest_of, publish, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT
from resources.stage_run import Store

SIZE = 64
PHANTOMS = PhantomSettings(size=SIZE, subjects=12, seed=5)
SETTINGS: dict[str, Any] = {
    "prealigned_radiographs": PrealignmentSettings().model_dump(),
    "registration_model": RegistrationSettings().model_dump(),
}
PER_SHARD = ("radiographs", "lung_masks", "prealigned_radiographs", "registered_radiographs")
READS: dict[str, tuple[str, ...]] = {
    "radiographs": (),
    "lung_masks": ("radiographs",),
    "reference_lung": ("lung_masks",),
    "prealigned_radiographs": ("lung_masks", "reference_lung"),
    "registration_model": ("prealigned_radiographs",),
    "registered_radiographs": ("prealigned_radiographs", "registration_model"),
}
SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "reference_lung": REFERENCE_LUNG,
    "prealigned_radiographs": PREALIGNED,
    "registration_model": REGISTRATION_MODEL,
    "registered_radiographs": REGISTERED,
}


def hashed(*parts: object) -> str:
    return hashlib.sha256("/".join(map(str, parts)).encode()).hexdigest()[:32]


def person(number: int) -> dict[str, Any]:
    """A radiograph as a cohort's table may describe it."""
    return {
        "radiograph_id": hashed("pixels", number),
        "patient": hashed("patient", number // 2)[:24],
        "domain": "abnormal" if number % 3 == 0 else "normal",
        "label": "nodule" if number % 3 == 0 else "clear",
        "split": ("train", "train", "train", "test")[number // 2 % 4],
        "file_digest": hashed("file", number) * 2,
        "view": ("PA", "AP")[number // 8 % 2],
        "sex": ("F", "M", None)[number // 4 % 3],
        "age": float(20 + 7 * number % 60),
        "boxes": [],
    }


@dataclass
class MadeUp:
    """A cohort under the name of a shipped one: partition keys are fixed when Dagster loads.

    Attributes:
        root: folder of the store.
        people: rows of the radiographs; they may be changed between runs.
        masks: columns of `lung_masks` by the radiograph's position.
        registered: columns of `registered_radiographs`, likewise.
        cohort: its name.
        pixels: whether artefacts are written.
        config: settings of the stage.
    """

    root: Path
    people: list[dict[str, Any]]
    masks: dict[int, dict[str, Any]] = field(default_factory=dict)
    registered: dict[int, dict[str, Any]] = field(default_factory=dict)
    cohort: str = "three_shards"
    pixels: bool = True

    @property
    def store(self) -> ObjectStore:
        return ObjectStore(str(self.root))

    @property
    def shards(self) -> list[str]:
        return SHARDS_BY_COHORT[self.cohort]

    def use(self, monkeypatch: pytest.MonkeyPatch) -> "MadeUp":
        """Let the stage find this cohort instead of the declared one."""
        monkeypatch.setattr(stage_run, "entry_named", lambda name: Entry(self.root, name, {"name": name}))
        return self

    def key(self, stage: str, number: int) -> str:
        row = self.people[number]
        own = {"lung_masks": self.masks, "registered_radiographs": self.registered}.get(stage, {}).get(number)
        before = "" if stage == PER_SHARD[0] else self.key(PER_SHARD[PER_SHARD.index(stage) - 1], number)
        return hashed(stage, row["radiograph_id"], row["boxes"] if stage == "radiographs" else own, before)

    def publish(self) -> None:
        """Bring the manifests of every stage before up to date."""
        for stage in READS:
            for partition in self.shards if stage in PER_SHARD else [self.cohort]:
                rows = self._rows(stage, partition)
                columns = {name: [row.get(name) for row in rows] for name in SCHEMAS[stage].names}
                parents = {str(place): self._digest(place) for place in self._parents(stage, partition)}
                record = {"parents": parents, "settings": SETTINGS.get(stage, {"of": stage}), "version": "7"}
                publish(self.store, Place(stage, partition), pa.table(columns, SCHEMAS[stage]), record)

    def pair(self, **config: Any) -> dg.ExecuteInProcessResult:  # noqa: ANN401 (settings)
        """Materialise the pairs; checks may fail."""
        return dg.materialize(
            [pseudo_pairs],
            partition_key=self.cohort,
            resources={"store": Store(root=str(self.root))},
            run_config={"ops": {"pseudo_pairs": {"config": config}}},
            raise_on_error=False,
        )

    def pairs(self) -> list[dict[str, Any]]:
        """The manifest's rows."""
        table = read_manifest(self.store, Place("pseudo_pairs", self.cohort))
        assert table is not None
        assert table.schema.equals(PSEUDO_PAIRS)
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def pointer(self) -> dict[str, Any]:
        pointer = read_pointer(self.store, Place("pseudo_pairs", self.cohort))
        assert pointer is not None
        return pointer

    def shard_of(self, number: int) -> str:
        return self.shards[int(self.people[number]["patient"], 16) % len(self.shards)]

    def _parents(self, stage: str, partition: str) -> list[Place]:
        return [
            Place(parent, shard)
            for parent in READS[stage]
            for shard in ([partition] if "/" in partition and parent in PER_SHARD else self._partitions(parent))
        ]

    def _partitions(self, stage: str) -> list[str]:
        return self.shards if stage in PER_SHARD else [self.cohort]

    def _digest(self, place: Place) -> str:
        pointer = read_pointer(self.store, place)
        assert pointer is not None
        return str(pointer["digest"])

    def _rows(self, stage: str, partition: str) -> list[dict[str, Any]]:
        if stage not in PER_SHARD:
            return [self._model(stage)]
        return [self._row(stage, number) for number in range(len(self.people)) if self.shard_of(number) == partition]

    def _row(self, stage: str, number: int) -> dict[str, Any]:
        person = self.people[number]
        carried = person if stage == "radiographs" else {name: person[name] for name in CARRIED}
        measured: dict[str, dict[str, Any]] = {
            "lung_masks": {"window_low": 0.0, "window_high": 1.0, "passed_over": "", "base_completed": ""},
            "registered_radiographs": {"dice_reference": 0.97, "folded_share": 0.0},
        }
        own = {"lung_masks": self.masks, "registered_radiographs": self.registered}.get(stage, {}).get(number, {})
        key = self.key(stage, number)
        place = Place(stage, self.shard_of(number))
        stored = (
            self._stored(place, key, number)
            if self.pixels
            else {"artifact": place.artifact(key), "artifact_digest": key * 2}
        )
        return {**carried, **measured.get(stage, {}), **own, **stored, "key": key, "status": "ok", "reason": ""}

    def _model(self, stage: str) -> dict[str, Any]:
        place, key = Place(stage, self.cohort), hashed(stage)
        stored = self._write(
            place.artifact(key), {"lungs": _drawn(0)["lung_masks"]["lungs"], "image": np.zeros((SIZE, SIZE), np.uint16)}
        )
        row = {"key": key, "status": "ok", "reason": "", **stored}
        if stage == "reference_lung":
            return {**row, "kind": "mean"}
        settings = RegistrationSettings().model_dump_json()
        return {**row, "settings": settings, "roughness_typical": 9.0, "roughness_limit": 9.0}

    def _stored(self, place: Place, key: str, number: int) -> dict[str, str]:
        return self._write(place.artifact(key), self._arrays(number)[place.stage])

    def _write(self, path: str, arrays: Arrays) -> dict[str, str]:
        data = encode(arrays, {})
        if self.store.read_or_none(path) is None:
            self.store.write(path, data)
        return {"artifact": path, "artifact_digest": digest_of(data)}

    def _arrays(self, number: int) -> dict[str, Arrays]:
        return _drawn(int(self.people[number]["radiograph_id"][:6], 16) % PHANTOMS.subjects)


@cache
def _drawn(index: int) -> dict[str, Arrays]:
    subject = phantom_subject(index, PHANTOMS.seed, PHANTOMS)
    image = np.clip(subject.image, 0, 1).astype(np.float32)
    reference = phantom_subject(0, PHANTOMS.seed, PHANTOMS).lungs
    field = prealign(reference_frame(reference, PrealignmentSettings()), subject.lungs, PrealignmentSettings())
    moved: Arrays = {"image": to_uint16(warp_image(image, field)), "lungs": warp_lungs(subject.lungs, field)}
    velocity = np.full((2, SIZE // 2, SIZE // 2), 0.25, np.float16)
    return {
        "radiographs": {"image": to_uint16(image)},
        "lung_masks": {"lungs": subject.lungs},
        "prealigned_radiographs": {"displacement": quantize(field)},
        "registered_radiographs": {**moved, "velocity": velocity},
    }
