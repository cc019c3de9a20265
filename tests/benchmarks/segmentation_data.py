"""Radiographs of the segmentation benchmark, read as the pipeline reads them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.images import from_uint16
from assets.radiographs.consistency import conflicting_patients, duplicate_reasons
from assets.radiographs.declaration import parse_declaration
from assets.radiographs.identity import ASSIGNMENT_KEY, pseudonym
from assets.radiographs.ingest import SourceBytes, ingest, ingest_phantom
from assets.radiographs.phantom.cohort import phantom_label
from assets.radiographs.phantom.settings import PhantomSettings
from assets.radiographs.settings import RadiographSettings
from assets.radiographs.source_row import SourceRow
from assets.radiographs.sources import source_rows
from assets.radiographs.split import assign_split
from resources.catalogue import entry_named
from resources.object_store import ObjectStore

SIZE = 256
TRUNCATED = Path(__file__).with_name("shenzhen_truncated.txt")


@dataclass(frozen=True, eq=False)
class Case:
    """One radiograph with what is known of it.

    Attributes:
        stem: name of its file without suffix, to look it up in the committed list; never printed.
        radiograph_id: identity of its pixels, the order in which the pipeline trains.
        patient: pseudonym.
        label: as the source says.
        split: train, validation or test.
        image: float32 (256, 256) in [0, 1].
        lungs: uint8 labels (256, 256) as supplied, None where the source has none.
        boxes: (K, 4) x, y, width, height by edges, pixels of the image.
    """

    stem: str = field(repr=False)
    radiograph_id: str
    patient: str
    label: str
    split: str
    image: npt.NDArray[np.float32] = field(repr=False)
    lungs: npt.NDArray[np.uint8] | None = field(repr=False)
    boxes: npt.NDArray[np.float64] = field(repr=False)


def has_mask(row: SourceRow) -> bool:
    """Whether the source supplies a lung mask."""
    return row.lung_mask is not None


def has_boxes(row: SourceRow) -> bool:
    """Whether the source supplies a box."""
    return bool(row.boxes)


def cases(cohort: str, wanted: Callable[[SourceRow], bool], step: int = 1) -> list[Case]:
    """Usable radiographs of a shipped cohort by its own declaration and settings, in the order of their ids.

    Args:
        cohort: name of a cohort of files.
        wanted: which rows are read.
        step: every `step`-th of them.
    """
    declaration = parse_declaration(entry_named(cohort).mapping)
    settings = RadiographSettings(**{**declaration.settings.get("radiographs", {}), "size": SIZE})
    settings = settings.model_copy(update={"undo_squash": declaration.undo_squash or settings.undo_squash})
    source = ObjectStore(declaration.root, dict(declaration.storage_options))
    rows = source_rows(declaration, source.read, lambda: sorted(source.find("")))
    refused = conflicting_patients(rows)
    usable = [row for row in rows if not row.problem and row.number not in refused and wanted(row)]
    read = {row.number: (row, *_ingested(row, source, settings)) for row in usable[::step]}
    identities = [(row.number, found["radiograph_id"], _patient(row), row.label) for row, found, _ in read.values()]
    copies = duplicate_reasons(identities)
    found = [_case(*parts, settings) for number, parts in read.items() if number not in copies]
    return sorted(found, key=lambda case: case.radiograph_id)


def phantoms(count: int, seed: int = 0) -> list[Case]:
    """The first subjects of a phantom cohort, as a test split."""
    settings = PhantomSettings(size=SIZE, subjects=max(count, 2), seed=seed)
    drawn = [(str(index), phantom_label(index), *ingest_phantom(index, settings)) for index in range(count)]
    none = np.zeros((0, 4))
    return [
        Case(name, columns["radiograph_id"], name, label, "test", from_uint16(arrays["image"]), arrays["lungs"], none)
        for name, label, columns, arrays in drawn
    ]


def supplied(case: Case) -> npt.NDArray[np.uint8]:
    """The supplied lungs of a case that was read because it has them.

    Raises:
        ValueError: it has none.
    """
    if case.lungs is None:
        raise ValueError("the case has no supplied lungs; read it with has_mask")
    return case.lungs


def truncated_stems() -> set[str]:
    """Shenzhen rows of the committed list of masks that visibly leave out lung."""
    lines = TRUNCATED.read_text(encoding="utf-8").splitlines()
    return {line.strip() for line in lines if line.strip() and not line.startswith("#")}


def stage_settings(cohort: str, stage: str) -> dict[str, Any]:
    """Settings of a stage that a shipped cohort declares, without the defaults."""
    return dict(parse_declaration(entry_named(cohort).mapping).settings.get(stage, {}))


def _ingested(row: SourceRow, source: ObjectStore, settings: RadiographSettings) -> tuple[dict[str, Any], Any]:
    mask = source.read(row.lung_mask) if row.lung_mask else None
    return ingest(row, SourceBytes(source.read(row.image), mask, None), settings)


def _patient(row: SourceRow) -> str:
    return pseudonym(row.patient or row.image, ASSIGNMENT_KEY)


def _case(row: SourceRow, found: dict[str, Any], arrays: dict[str, Any], settings: RadiographSettings) -> Case:
    patient = _patient(row)
    boxes = [[box[side] for side in ("x", "y", "width", "height")] for box in found["boxes"]]
    return Case(
        PurePosixPath(row.image).stem,
        found["radiograph_id"],
        patient,
        row.label,
        assign_split(patient, settings.test_share, settings.validation_share, settings.split_seed),
        from_uint16(arrays["image"]),
        arrays.get("lungs"),
        np.array(boxes, dtype=np.float64).reshape(-1, 4),
    )
