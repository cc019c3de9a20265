"""Six images of a cohort as the stages before `image_scores` leave them, in the store."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from assets.localisation.settings import LocalisationSettings
from assets.prealignment.settings import PrealignmentSettings
from assets.prealignment.warp import quantize
from assets.registration.settings import RegistrationSettings
from assets.scoring.score import SCORE_NAMES
from assets.scoring.settings import ScoringSettings
from assets.tables.alignment import (
    LUNG_MASKS,
    PEER_REGISTERED,
    PREALIGNED,
    RADIOGRAPHS,
    REFERENCE_LUNG,
    REGISTERED,
    REGISTRATION_MODEL,
)
from assets.tables.localisation import LOCALISATION
from assets.tables.scores import EVALUATION
from assets.tables.translation import ANOMALY_MAPS, NORMAL_MAPS
from resources.arrays import Arrays, encode
from resources.manifests import Place, digest_of, publish
from resources.object_store import ObjectStore
from resources.stage_run import StageRun
from tests.outside.synthetic import lungs_of

Row = dict[str, Any]
COHORT, SHARD = "shenzhen", "shenzhen/0"
SIDE = 64
# Twice as wide as high: on the canvas it is half as large and lies 16 px down.
PLACED = {"width": 128, "height": 64, "scale_x": 0.5, "scale_y": 0.5, "offset_x": -0.25, "offset_y": 15.75}
BOX = {"x": 10.0, "y": 21.0, "width": 20.0, "height": 10.0, "kind": "tb"}
SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_masks": LUNG_MASKS,
    "prealigned_radiographs": PREALIGNED,
    "registered_radiographs": REGISTERED,
    "peer_registered": PEER_REGISTERED,
    "reference_lung": REFERENCE_LUNG,
    "registration_model": REGISTRATION_MODEL,
    "normal_maps": NORMAL_MAPS,
    "anomaly_maps": ANOMALY_MAPS,
    "localisation": LOCALISATION,
    "evaluation": EVALUATION,
}
OF_COHORT = ("reference_lung", "registration_model", "normal_maps", "evaluation")
SETTINGS = {
    "prealigned_radiographs": PrealignmentSettings(),
    "localisation": LocalisationSettings(),
    "anomaly_maps": ScoringSettings(),
}


def run_of(store: ObjectStore) -> StageRun:
    return StageRun(store, "image_scores", "1", SHARD, COHORT, {}, {}, "", lambda line: None)


def put(store: ObjectStore, stage: str, rows: list[Row], **record: Any) -> str:  # noqa: ANN401 (pointers)
    schema = SCHEMAS[stage]
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    settings = SETTINGS[stage].model_dump() if stage in SETTINGS else {}
    place = Place(stage, COHORT if stage in OF_COHORT else SHARD)
    return publish(store, place, table, {"parents": {}, "settings": settings, "version": "1", **record})


def stored(store: ObjectStore, name: str, arrays: Arrays) -> Row:
    """Artefact and key of a row."""
    data = encode(arrays, {})
    key = digest_of(name.encode())[:32]
    path = Place("anomaly_maps", SHARD).artifact(key)
    store.write(path, data)
    return {"key": key, "artifact": path, "artifact_digest": digest_of(data)}


def image(number: int, **columns: Any) -> Row:  # noqa: ANN401 (columns)
    told = {"radiograph_id": f"{number:032x}", "row": number + 1, "patient": f"{number:024x}", "status": "ok"}
    known = {"domain": "abnormal", "label": "tuberculosis", "split": "test", "reason": "", "boxes": []}
    return {**PLACED, **told, **known, "key": f"k{number}", **columns}


def scored(number: int, arm: str, score: float | None, **columns: Any) -> Row:  # noqa: ANN401 (columns)
    alignment, method = arm.split("/")
    values: dict[str, float | None] = {**dict.fromkeys(map(str, SCORE_NAMES), 9.0), "score_top5": score}
    named = {"arm": arm, "alignment": alignment, "method": method, "seed": 0, "status": "ok", "reason": ""}
    return {"radiograph_id": f"{number:032x}", **named, "key": f"m{number}{method}", **values, **columns}


def decided(arm: str, threshold: float | None, auc: float | None = None, split: str = "validation") -> Row:
    named = {"arm": arm, "method": arm.split("/")[1], "seed": 0, "split": split, "status": "ok", "reason": ""}
    return {**named, "score": "score_top5", "chosen": True, "threshold": threshold, "auc": auc}


def hot_map() -> np.ndarray[Any, np.dtype[np.float16]]:
    """A map of the canvas with one square in the right lung that is far above the rest of it."""
    values = np.where(lungs_of(SIDE) > 0, 0.01, 0).astype(np.float16)
    values[28:36, 14:22] = 0.5
    return values


def six_images(store: ObjectStore, **radiographs: Any) -> ObjectStore:  # noqa: ANN401 (columns)
    """Two scored by two arms, one set aside, one in training, one in validation, one of a file that was not read.

    The second arm, `none/pca`, has pixels for the first image.
    """
    lungs = lungs_of(SIDE)
    pixels = stored(store, "image", {"image": np.full((SIDE, SIDE), 30000, np.uint16)})
    undecoded = {**dict.fromkeys(PLACED), "radiograph_id": None, "status": "rejected", "reason": "row 6: damaged"}
    images = [
        image(0, boxes=[BOX], **pixels),
        image(1, domain="normal", label="normal"),
        image(2),
        image(3, split="train"),
        image(4, split="validation"),
        image(5, **undecoded),
    ]
    put(store, "radiographs", [{**each, **radiographs} for each in images])
    masks = {**stored(store, "lungs", {"lungs": lungs}), "window_low": 0.0, "window_high": 1.0}
    through: list[Row] = [{"radiograph_id": f"{number:032x}", "status": "ok", "reason": ""} for number in (0, 1, 4)]
    aside = {"radiograph_id": f"{2:032x}", "status": "needs_review", "reason": "the lungs touch the border", "key": "l"}
    put(store, "lung_masks", [*({**row, **masks} for row in through), aside])
    for stage in ("prealigned_radiographs", "registered_radiographs"):
        put(store, stage, [{**row, "key": f"{stage}{row['radiograph_id']}"} for row in through])
    put(store, "reference_lung", [{"status": "ok", **stored(store, "reference", {"lungs": lungs})}])
    model = {"settings": RegistrationSettings().model_dump_json(), "roughness_typical": 9.0, "roughness_limit": 9.0}
    put(store, "registration_model", [{"status": "ok", "key": "r", **model}])
    put(store, "normal_maps", [])
    frame: Arrays = {"map": hot_map(), "positive": hot_map(), "lungs": lungs}
    maps = [
        scored(0, "it_dpr/cut", 0.75),
        scored(0, "none/pca", 0.5, **stored(store, "map", frame)),
        scored(1, "it_dpr/cut", 0.25),
        scored(1, "none/pca", None, status="failed", reason="no pixel"),
        scored(4, "it_dpr/cut", 0.5),
    ]
    put(store, "anomaly_maps", maps)
    known = {"arm": "it_dpr/cut", "seed": 0, "status": "ok"}
    put(store, "localisation", [{"radiograph_id": f"{n:032x}", "detections": [], **known} for n in (0, 1, 4)])
    put(store, "evaluation", [decided("it_dpr/cut", 0.5), decided("none/pca", None, 0.875)])
    return store


def with_an_arm_of_affine(store: ObjectStore) -> ObjectStore:
    """Images 0 and 4 scored in the frame of the affine peer, too, where nothing moves; image 1 could not be."""
    still = stored(store, "still", {"displacement": quantize(np.zeros((2, SIDE, SIDE), np.float32))})
    brought = [{"radiograph_id": f"{n:032x}", "arm": "affine", "status": "ok", **still} for n in (0, 4)]
    folded = {"radiograph_id": f"{1:032x}", "arm": "affine", "status": "needs_review", "key": "folded"}
    other = {"radiograph_id": f"{1:032x}", "arm": "voxelmorph", "status": "failed", "key": "no arm is in its frame"}
    put(store, "peer_registered", [*brought, {**folded, "reason": "affine: it folds"}, other])
    frame: Arrays = {"map": hot_map(), "positive": hot_map(), "lungs": lungs_of(SIDE)}
    maps = store_rows(store, "anomaly_maps")
    mine = [scored(n, "affine/pca", 0.5, **stored(store, f"affine{n}", frame)) for n in (0, 4)]
    put(store, "anomaly_maps", [*maps, *mine])
    return store


def store_rows(store: ObjectStore, stage: str) -> list[Row]:
    return run_of(store).rows(stage)


def by_image(rows: list[Row]) -> Mapping[tuple[int, str | None], Row]:
    return {(row["row"], row.get("arm")): row for row in rows}
