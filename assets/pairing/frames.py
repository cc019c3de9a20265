"""The frames in which images are compared: as they are, lungs' bounding box, IT-PR, IT-DPR, and those of peers."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from assets.alignments import Alignment, PeerAlignment, is_peer
from assets.images import F32, from_uint16
from assets.prealignment.lung_box import lung_box_displacement
from assets.prealignment.warp import warp_image, warp_lungs
from assets.radiographs.photometric import apply_window

U8 = npt.NDArray[np.uint8]
Row = dict[str, Any]
Read = Callable[[Row], dict[str, npt.NDArray[Any]]]


@dataclass(frozen=True)
class FrameRows:
    """Manifest rows of one radiograph, from its pixels to its registration.

    Attributes:
        radiograph: its pixels.
        lungs: its lungs and their window.
        prealigned: after IT-PR.
        registered: after IT-DPR.
        peers: after each peer that brought it into its frame, of those that were asked for.
    """

    radiograph: Row
    lungs: Row
    prealigned: Row
    registered: Row
    peers: Mapping[PeerAlignment, Row] = field(default_factory=dict, kw_only=True)

    def has(self, alignment: str) -> bool:
        """Whether the radiograph can be brought into a frame: a peer may have failed on it."""
        return not is_peer(alignment) or alignment in self.peers


@dataclass(frozen=True)
class Frame:
    """A radiograph in a frame.

    Attributes:
        image: (H, W) float32 in [0, 1], windowed by the lungs' percentiles.
        lungs: (H, W) uint8, its own lungs in the frame.
        lesion: (H, W) bool lesion mask in the frame, None where the cohort has none.
    """

    image: F32
    lungs: U8
    lesion: npt.NDArray[np.bool_] | None


def frame_key(alignment: Alignment, rows: FrameRows, reference_key: str) -> list[str]:
    """Keys of all that a frame is made from."""
    if is_peer(alignment):
        return [rows.peers[alignment]["key"]]
    if alignment == "it_dpr":
        return [rows.registered["key"]]
    if alignment == "it_pr":
        return [rows.prealigned["key"]]
    made_from = [rows.radiograph["key"], rows.lungs["key"]]
    return made_from if alignment == "none" else [*made_from, reference_key]


def frame(alignment: Alignment, rows: FrameRows, reference_lungs: U8, read: Read) -> Frame:
    """A radiograph in one of the frames.

    Args:
        alignment: which frame; `none` leaves the canvas as it is.
        rows: the radiograph's manifest rows.
        reference_lungs: (H, W) lungs of the cohort's reference.
        read: fetches a row's arrays.
    """
    if alignment not in ("none", "lung_box"):
        arrays = read(_stored_row(alignment, rows))
        lesion = arrays.get("lesion")
        return Frame(from_uint16(arrays["image"]), arrays["lungs"], None if lesion is None else lesion > 0)
    source = read(rows.radiograph)
    lungs: U8 = read(rows.lungs)["lungs"]
    image = apply_window(from_uint16(source["image"]), rows.lungs["window_low"], rows.lungs["window_high"])
    lesion = source.get("lesion")
    if alignment == "none":
        return Frame(image, lungs, None if lesion is None else lesion > 0)
    displacement = lung_box_displacement(reference_lungs, lungs)
    moved = None if lesion is None else warp_lungs((lesion > 0).astype(np.uint8), displacement) > 0
    return Frame(warp_image(image, displacement), warp_lungs(lungs, displacement), moved)


def join(
    radiographs: list[Row], lungs: list[Row], prealigned: list[Row], registered: list[Row]
) -> dict[str, FrameRows]:
    """Rows of the radiographs that went through every stage, by id; the usual frames hold exactly these."""
    by_stage = [{row["radiograph_id"]: row for row in rows} for rows in (radiographs, lungs, prealigned, registered)]
    common = set.intersection(*(set(stage) for stage in by_stage))
    return {name: FrameRows(*(stage[name] for stage in by_stage)) for name in sorted(common)}


def with_peers(rows: Iterable[FrameRows], peers: Iterable[Row]) -> list[FrameRows]:
    """Radiographs with their rows after peers, which name the peer as `arm`; one without any stays as it is."""
    brought: dict[str, dict[PeerAlignment, Row]] = {}
    for row in peers:
        brought.setdefault(row["radiograph_id"], {})[row["arm"]] = row
    return [replace(each, peers=brought.get(each.radiograph["radiograph_id"], {})) for each in rows]


def _stored_row(alignment: Alignment, rows: FrameRows) -> Row:
    if is_peer(alignment):
        return rows.peers[alignment]
    return rows.registered if alignment == "it_dpr" else rows.prealigned
