"""A finished cohort that has manifests and tiny artefacts but no pixels, as large as wanted."""

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pyarrow as pa

from assets.tables.alignment import LUNG_SEGMENTER, RADIOGRAPHS, REFERENCE_LUNG, REGISTRATION_MODEL
from resources.arrays import encode
from resources.incremental import Outcome, Refreshed, row_key, row_keys
from resources.manifests import digest_of
from resources.planned import Brought, Planned
from resources.stage_run import StageRun

COHORT = "planning"
SHARD_ROWS = 1752
SPLITS, DOMAINS = ("train", "train", "train", "validation", "test"), ("normal", "abnormal")
TINY = Outcome(
    {"mask_source": "trained", "folded_share": 0.0, "dice_reference": 0.97}, {"lungs": np.zeros(1, np.uint8)}
)
BOXES = [{"x": 1.0, "y": 2.0, "width": 3.0, "height": 4.0, "kind": "Nodule"}]
# A row of each model of a cohort, and what it is made from.
MODELS: dict[str, tuple[pa.Schema, tuple[str, ...]]] = {
    "lung_segmenter": (LUNG_SEGMENTER, ("radiographs",)),
    "reference_lung": (REFERENCE_LUNG, ("radiographs", "lung_masks")),
    "registration_model": (
        REGISTRATION_MODEL,
        ("radiographs", "lung_masks", "reference_lung", "prealigned_radiographs"),
    ),
}


def shards_of(rows: int) -> int:
    """Shards of a cohort with so many rows."""
    return -(-rows // SHARD_ROWS)


def declare(folder: Path, rows: int) -> None:
    """Write the cohort's file, from which its partitions are known."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{COHORT}.yaml").write_text(f"name: {COHORT}\nshards: {shards_of(rows)}\n", encoding="utf-8")


def radiographs(numbers: Sequence[int], changed: Iterable[int] = ()) -> pa.Table:
    """Rows of the radiographs of these numbers, two a patient; those changed have another key than they had."""
    other, nothing = set(changed), pa.nulls(len(numbers))
    ids = [hashlib.sha256(str(number).encode()).hexdigest() for number in numbers]
    keys = row_keys("radiographs", "1", {}, [ids, [str(number in other) for number in numbers]])
    patients = [number // 2 for number in numbers]
    columns: dict[str, Any] = {
        "row": [number + 1 for number in numbers],
        "radiograph_id": ids,
        "patient": [hashlib.sha256(f"patient {number}".encode()).hexdigest()[:24] for number in patients],
        "domain": [DOMAINS[number % 2] for number in patients],
        "label": [("No Finding", "Infiltration")[number % 2] for number in patients],
        "split": [SPLITS[number % len(SPLITS)] for number in patients],
        "key": keys,
        "artifact": [f"stages/radiographs/{key}" for key in keys],
        "artifact_digest": ids,
        "file_digest": ids,
        "view": ["PA"] * len(ids),
        "sex": ["F"] * len(ids),
        "age": [float(20 + number % 60) for number in patients],
        "status": ["ok"] * len(ids),
        "reason": [""] * len(ids),
        "boxes": [BOXES if number % 100 == 3 else [] for number in numbers],
    }
    return pa.table([columns.get(name, nothing) for name in RADIOGRAPHS.names], RADIOGRAPHS.names).cast(RADIOGRAPHS)


def finished(run: StageRun, planned: Planned, schema: pa.Schema) -> Brought:
    """The rows planned as if each had come to TINY; their artefacts lie there, a shard's as one file of many names."""
    data = encode(TINY.arrays or {}, {**TINY.columns, "status": "ok", "reason": ""})
    paths = [os.path.join(run.store.root, run.place.artifact(key)) for key in planned.keys]
    for folder in {os.path.dirname(path) for path in paths}:
        os.makedirs(folder, exist_ok=True)
    Path(paths[0]).write_bytes(data)
    for path in paths[1:]:
        os.link(paths[0], path)
    own = {**TINY.columns, "status": "ok", "reason": "", "artifact_digest": digest_of(data)}
    count, carried = len(planned.keys), planned.carried
    known: dict[str, Any] = {name: pa.array([value] * count) for name, value in own.items()}
    known |= {name: carried[name] for name in carried.column_names}
    known |= {"key": planned.keys, "artifact": [run.place.artifact(key) for key in planned.keys]}
    content = pa.table([known.get(name, pa.nulls(count)) for name in schema.names], schema.names).cast(schema)
    return Brought(content, count, 0, 0)


def model_row(run: StageRun, schema: pa.Schema) -> Refreshed:
    """A model that is kept whatever it was made from."""
    own = {"key": row_key(run.stage, "1", {}, ["x"]), "status": "ok", "reason": "", "settings": "{}"}
    texts = dict.fromkeys(schema.names, "x") | own
    numbers = {field.name: 0.5 if pa.types.is_floating(field.type) else 1 for field in schema}
    row = {field.name: texts[field.name] if field.type == pa.string() else numbers[field.name] for field in schema}
    return Refreshed([row | {name: [] for name in schema.names if name == "history_columns"}], 0, 1, 0, 0.0)


@contextmanager
def unflushed() -> Iterator[None]:
    """Write without waiting for the disk: for what is made ready and not measured."""
    with mock.patch("os.fsync", return_value=None):
        yield
