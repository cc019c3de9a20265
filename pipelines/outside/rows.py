"""Radiographs and pairs that a cohort's current manifests offer, one row each."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.outside.manifest_rows import ManifestReader, beside, of_split
from resources.object_store import ObjectStore

Alignment = Literal["none", "it_pr", "it_dpr"]
STAGE_OF: dict[Alignment, str] = {
    "none": "radiographs",
    "it_pr": "prealigned_radiographs",
    "it_dpr": "registered_radiographs",
}
# What decides the frame of a stage: shards made from different ones don't belong together.
FRAME_OF: dict[Alignment, str] = {"it_pr": "reference_lung", "it_dpr": "registration_model"}
SIDES = ("abnormal", "normal")
SUBJECT = ("radiograph_id", "domain", "label", "split", "artifact", "artifact_digest")
_PATIENT = {"patient": "radiograph_id"}
_PATIENTS = {f"{side}_patient": f"{side}_id" for side in SIDES}


@dataclass(frozen=True)
class Rows:
    """Usable rows, and the manifests that they were read from.

    Attributes:
        table: one row a radiograph, or a pair.
        manifests: digest by stage and partition, such as `lung_masks@nih/07`.
    """

    table: pa.Table
    manifests: dict[str, str]


def radiograph_rows(store: ObjectStore, cohort: str, alignment: Alignment, split: str | None = None) -> Rows:
    """The radiographs of a cohort that can be shown in a frame, in the order of their shards.

    Args:
        store: the object store.
        cohort: the cohort's name.
        alignment: `none` for the canvas, or the frame of IT-PR or IT-DPR.
        split: train, validation or test; all by default.

    Returns:
        A table of `SUBJECT`; for `none` also `window_low`, `window_high`, `lungs_artifact` and `lungs_artifact_digest`
        of the lung mask.

    Raises:
        FileNotFoundError: a stage has not run yet.
        ValueError: the alignment is unknown, shards lie in different frames, the split has no row, or another version
            wrote a manifest.
    """
    if alignment not in STAGE_OF:
        raise ValueError(f"alignment {alignment!r}: expected one of {', '.join(STAGE_OF)}")
    reader = ManifestReader(store, cohort)
    frames: set[str | None] = set()
    tables = []
    for shard in reader.shards():
        pointer, table = reader.read(STAGE_OF[alignment], shard, SUBJECT, _PATIENT)
        frames.add(pointer["parents"].get(f"{FRAME_OF.get(alignment)}@{cohort}"))
        tables.append(_with_lungs(reader, shard, table) if alignment == "none" else table)
    if len(frames) > 1:
        raise ValueError(
            f"{cohort}: shards of {STAGE_OF[alignment]} were made with different {FRAME_OF[alignment]}s, so they lie "
            f"in different frames; run `pseudopair run {cohort}`"
        )
    return Rows(of_split(pa.concat_tables(tables), cohort, split), reader.manifests)


def pair_rows(store: ObjectStore, cohort: str, split: str | None = None, columns: Sequence[str] = ()) -> Rows:
    """The pseudo-pairs of a cohort, in the order of its manifest.

    Args:
        store: the object store.
        cohort: the cohort's name.
        split: train, validation or test; all by default.
        columns: columns of the manifest besides `pair_id` and `split`.

    Raises:
        FileNotFoundError: `pseudo_pairs` has not run yet.
        ValueError: the split has no pair, or another version wrote the manifest.
    """
    reader = ManifestReader(store, cohort)
    _, table = reader.read("pseudo_pairs", cohort, ["pair_id", "split", *columns], _PATIENTS)
    return Rows(of_split(table, cohort, split), reader.manifests)


def shard_rows(store: ObjectStore, cohort: str, stage: str, columns: Sequence[str]) -> Rows:
    """Usable rows of a per-image stage, of all shards of a cohort.

    Raises:
        FileNotFoundError: the stage, or the cohort's reference lung, has not run yet.
        ValueError: another version wrote a manifest.
    """
    reader = ManifestReader(store, cohort)
    tables = [reader.read(stage, shard, columns, _PATIENT)[1] for shard in reader.shards()]
    return Rows(pa.concat_tables(tables).combine_chunks(), reader.manifests)


def _with_lungs(reader: ManifestReader, shard: str, radiographs: pa.Table) -> pa.Table:
    """Radiographs that have a usable lung mask, each with the mask's artefact and window."""
    names = {"artifact": "lungs_artifact", "artifact_digest": "lungs_artifact_digest"}
    names |= {name: name for name in ("window_low", "window_high")}
    _, masks = reader.read("lung_masks", shard, ["radiograph_id", *names], _PATIENT)
    joined = beside(radiographs, masks, "radiograph_id", names)
    return joined.filter(pc.is_valid(joined["lungs_artifact"]))
