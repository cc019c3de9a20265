"""A shard's lung masks: the first source whose mask passes, for each radiograph."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from assets.images import from_uint16
from assets.pairing.frames import Row
from assets.radiographs.photometric import lung_window
from assets.segmentation.quality import dice
from assets.segmentation.selection import Candidate, Judge, choose
from assets.segmentation.settings import SegmentationSettings, Source
from assets.segmentation.sources import RowMasks
from assets.segmenter.crossfit import Segmenters, part_of, segmenters
from assets.segmenter.settings import SegmenterSettings
from assets.tables.common import CARRIED
from resources.arrays import CorruptArtifact
from resources.incremental import Outcome, row_keys
from resources.manifests import read_artifact
from resources.planned import Planned, row_at
from resources.stage_run import StageRun

ABSENT: dict[Source, str] = {
    "supplied": "the cohort supplies none for this row",
    "trained": "the cohort has no lung segmenter",
}
Load = Callable[[], Segmenters | None]


def planned_masks(run: StageRun, settings: SegmentationSettings) -> Planned:
    """The masks that a shard is to have, by what its radiographs and its cohort's segmenter are now."""
    sources = run.ok_table("radiographs", run.partition, [*CARRIED, "key", "artifact", "artifact_digest"])
    segmenter = run.model("lung_segmenter")
    made_by = [segmenter["key"], segmenter["artifact_digest"]] if segmenter["status"] == "ok" else ["none"]
    load, gate = loader(run, segmenter), gate_of(segmenter, settings)
    decisive = settings.model_dump(exclude={"share_set_aside"})
    return Planned(
        row_keys(run.stage, run.version, decisive, [sources["key"].to_pylist(), *made_by, *_parts(sources, segmenter)]),
        sources.select(CARRIED),
        lambda position: _outcome(run, row_at(sources, position), segmenter, load, gate, settings),
    )


def _parts(sources: pa.Table, segmenter: Row) -> list[list[str]]:
    """The part of each row's patient, which decides who draws its mask; nothing where a single network does, or all."""
    parts = SegmenterSettings.model_validate_json(segmenter["settings"]).cross_fit if segmenter["settings"] else 1
    if parts == 1 or segmenter["borrowed_from"]:
        return []
    return [[str(part_of(patient, parts)) for patient in sources["patient"].to_pylist()]]


def gate_of(segmenter: Row, settings: SegmentationSettings) -> float | None:
    """The quality below which a mask is set aside: as set, or as the segmenter's validation patients gave it."""
    gate: float | None = segmenter["gate"] if settings.gate is None else settings.gate
    return gate


def _outcome(
    run: StageRun, row: Row, segmenter: Row, load: Load, gate: float | None, settings: SegmentationSettings
) -> Outcome:
    arrays = read_artifact(run.store, row)
    networks = load()
    # Of another cohort's patients nobody knows which network saw fewest of them.
    lent = bool(segmenter["borrowed_from"])
    network = None if networks is None else networks.together if lent else networks.of(row["patient"])
    masks = RowMasks(from_uint16(arrays["image"]), arrays.get("lungs"), network, settings)
    # Without a segmenter nobody knows the population's offset; between the sides it is near none.
    choice = choose(masks.makers, Judge(settings, masks.score, gate or 0.0), segmenter["base_offset"] or 0.0, ABSENT)
    if choice.taken is None:
        return Outcome({"passed_over": choice.passed_over}, status="rejected", reason=_rejection(masks))
    lungs = choice.taken.lungs
    low, high = lung_window(masks.image, lungs, settings.window_low, settings.window_high)
    columns: dict[str, Any] = {
        **_chosen(choice.taken),
        "passed_over": choice.passed_over,
        "window_low": low,
        "window_high": high,
        "dice_supplied": None
        if masks.supplied is None or choice.taken.source == "supplied"
        else dice(lungs, masks.supplied),
        **masks.agreement(),
    }
    reasons = choice.taken.reasons
    return Outcome(columns, {"lungs": lungs}, "needs_review" if reasons else "ok", "; ".join(reasons))


def _chosen(taken: Candidate) -> dict[str, Any]:
    right, left = taken.quality or (None, None)
    return {
        "mask_source": taken.source,
        "base_completed": taken.base_completed,
        "area_right": float(np.mean(taken.lungs == 1)),
        "area_left": float(np.mean(taken.lungs == 2)),
        "quality": min(taken.quality) if taken.quality else None,
        "quality_right": right,
        "quality_left": left,
    }


def _rejection(masks: RowMasks) -> str:
    sources = masks.settings.sources
    if all(masks.makers[source]() is None for source in sources):
        return f"no mask comes from {', '.join(sources)}; add pbtseg to lung_masks.sources, which needs none"
    return "no two lungs were found; supply a mask for this row"


def loader(run: StageRun, segmenter: Row) -> Load:
    """Loads the networks of a segmenter's row when they are first asked for: where all rows are reused, never.

    What it returns gives None for a segmenter that is set aside, and raises CorruptArtifact where it cannot be used.
    """

    @cache
    def load() -> Segmenters | None:
        if segmenter["status"] != "ok":
            return None
        arrays = read_artifact(run.store, segmenter)
        try:
            return segmenters(arrays, SegmenterSettings.model_validate_json(segmenter["settings"]))
        except ValueError as error:
            # No row's fault, so it must not make every row a failed one.
            raise CorruptArtifact(
                f"the lung segmenter cannot be used ({type(error).__name__}); delete {segmenter['artifact']} and run "
                "lung_segmenter again, of the lender where it is borrowed"
            ) from error

    return load
