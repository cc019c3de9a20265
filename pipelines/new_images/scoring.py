"""Image files scored one batch at a time: every stage from decoding to the anomaly map, then the overlay."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from assets.prealignment.asset_rows import planned_prealignments
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.asset_todo import radiograph_task
from assets.radiographs.settings import RadiographSettings
from assets.registration.asset_rows import bound_network, planned_registrations
from assets.registration.settings import RefinementSettings
from assets.scoring.asset import refreshed_maps
from assets.scoring.settings import ScoringSettings
from assets.segmentation.asset_rows import planned_masks
from assets.segmentation.settings import SegmentationSettings
from assets.tables.alignment import LUNG_MASKS, PREALIGNED, REGISTERED
from pipelines.new_images.bench import Bench
from pipelines.new_images.files import people, planned_file
from pipelines.new_images.lent import Lent, Row
from pipelines.new_images.picture import Painter
from resources.accelerator import Accelerator
from resources.home import patient_key
from resources.object_store import ObjectStore
from resources.tombstones import Withdrawn, withdrawn

# Files at work together; their pixels lie on the disk, so this bounds how long nothing is printed.
BATCH = 64
WITHDRAWN = "belongs to a patient who withdrew; it may not be used"
SEEN = "the models were fitted to this image, or their threshold was; what they say of it is no test"


@dataclass(frozen=True)
class Result:
    """What became of an image.

    Attributes:
        image: its path as it was given.
        radiograph_id: identity of its pixels; None where it could not be decoded.
        status: ok, needs_review, rejected or failed; the last three have no score.
        reason: why it has none.
        score: its anomaly score.
        threshold: of a patient's score, decided on validation normals: above it, a patient of whom this is the only
            image is called abnormal; None where they decided none.
        mask_source: who drew its lungs: supplied, trained or pbtseg; None where nobody did.
        overlay: path of the picture, None without a score.
    """

    image: str
    radiograph_id: str | None
    status: str
    reason: str
    score: float | None = None
    threshold: float | None = None
    mask_source: str | None = None
    overlay: str | None = None


@dataclass(frozen=True)
class Barred:
    """What is not scored.

    Attributes:
        gone: who withdrew.
        seen: pixels that the models know.
    """

    gone: Withdrawn
    seen: frozenset[str] = frozenset()


def score_images(
    store: ObjectStore, lent: Lent, images: Sequence[str], folder: Path, accelerator: Accelerator
) -> Iterator[Result]:
    """Score image files in their order.

    Args:
        store: where the lender's models are.
        lent: the models.
        images: local paths of PNG, JPEG, TIFF or DICOM files.
        folder: where overlays go.
        accelerator: where networks run.

    Raises:
        BorrowingError: the lender's stages were run with settings of another version.
        CorruptArtifact: a model is missing or damaged.
    """
    device = accelerator.torch_device()
    # Whoever withdrew from another cohort only is known by ids of that cohort.
    barred, key = Barred(withdrawn(store, lent.cohort), lent.seen(store)), patient_key()
    with tempfile.TemporaryDirectory(prefix="pseudopair-") as scratch:
        bench = Bench(lent, ObjectStore(scratch))
        bench.lay_out(store)
        for first in range(0, len(images), BATCH):
            bench.batch = first // BATCH
            yield from _scored(bench, images[first : first + BATCH], folder, device, barred, key)


def _scored(
    bench: Bench, names: Sequence[str], folder: Path, device: torch.device, barred: Barred, key: bytes
) -> Iterator[Result]:
    taken = _decoded(bench, names, barred, key)
    ends = _ends(bench, device)
    painter = Painter(bench, folder)
    masks = bench.open("anomaly_maps").rows("lung_masks", columns=["radiograph_id", "mask_source"])
    drawn = {row["radiograph_id"]: row["mask_source"] for row in masks}
    for name, row in zip(names, taken, strict=True):
        found = ends.get(row["radiograph_id"], row) if row["status"] == "ok" else row
        result = Result(name, row["radiograph_id"], _status(row, found), found["reason"] or "")
        result = replace(result, mask_source=drawn.get(row["radiograph_id"]))
        yield _with_score(bench.lent, result, row, found, painter) if found["status"] == "ok" else result


def _status(row: Row, found: Row) -> str:
    """What is no radiograph at all has failed; a radiograph is set aside as a cohort's would be."""
    unread = row["status"] != "ok" and row["reason"] not in (WITHDRAWN, SEEN)
    return "failed" if unread else str(found["status"])


def _with_score(lent: Lent, result: Result, row: Row, found: Row, painter: Painter) -> Result:
    score = found.get(lent.score)
    if score is None:
        reason = f"{lent.score} could not be measured in it; take another arm, or look at the lender's normal_maps"
        return replace(result, status="failed", reason=reason)
    path = painter.paint(row, found, Path(result.image), score, lent.threshold)
    return replace(result, score=score, threshold=lent.threshold, overlay=str(path))


def _decoded(bench: Bench, names: Sequence[str], barred: Barred, key: bytes) -> list[Row]:
    """Rows of the files, decoded; nothing goes on of a patient who withdrew, nor what the models have seen."""
    run = bench.open("radiographs")
    settings = bench.settings(run, RadiographSettings)
    gone = barred.gone
    tasks = []
    for number, name in enumerate(names, start=1):
        path = Path(name).absolute()
        planned = planned_file(number, path, key)
        if people(path, key) & gone.patients or set(planned.digests[:1]) & gone.files:
            planned = replace(planned, refusal=WITHDRAWN)
        tasks.append(radiograph_task(run, planned, ObjectStore(str(path.parent)), settings))
    done = run.refresh(tasks)
    for row in done.rows:
        pixels = row.get("radiograph_id")
        why = WITHDRAWN if pixels in gone.radiographs else SEEN if pixels in barred.seen else ""
        if why:
            row.update({"status": "rejected", "reason": why, "artifact": "", "artifact_digest": ""})
    return bench.publish(run, done)


def _ends(bench: Bench, device: torch.device) -> dict[str, Row]:
    """By radiograph: its anomaly map's row, or the row of the stage that set it aside."""
    run = bench.open("lung_masks")
    masks = run.refresh_planned(planned_masks(run, bench.settings(run, SegmentationSettings)), LUNG_MASKS)
    ends = _by_id(bench.publish(run, masks))
    run = bench.open("prealigned_radiographs")
    prealigned = run.refresh_planned(planned_prealignments(run, bench.settings(run, PrealignmentSettings)), PREALIGNED)
    ends |= _by_id(bench.publish(run, prealigned))
    run = bench.open("registered_radiographs")
    settings = bench.settings(run, RefinementSettings)
    planned = planned_registrations(run, settings, bound_network(run, settings, device))
    ends |= _by_id(bench.publish(run, run.refresh_planned(planned, REGISTERED)))
    run = bench.open("anomaly_maps")
    return ends | _by_id(bench.publish(run, refreshed_maps(run, bench.settings(run, ScoringSettings), device)))


def _by_id(rows: Sequence[Row]) -> dict[str, Row]:
    return {row["radiograph_id"]: row for row in rows}
