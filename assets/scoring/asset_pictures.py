"""What is shown of a shard's maps: for each arm a few test radiographs, in the frame and as they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from assets.normal_maps.settings import NormalMapsSettings
from assets.normal_maps.stored import normal_maps_of
from assets.pairing.asset_frames import joined_rows
from assets.pairing.asset_pixels import cohort_registration
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row, frame
from assets.pictures import to_png
from assets.scoring.native import native_map
from assets.scoring.preview import Shown, maps_sheet
from assets.scoring.settings import ScoringSettings
from assets.translation.moments import Usual
from resources.dagster_shapes import PICTURE_BYTES
from resources.manifests import read_artifact
from resources.stage_run import StageRun

ABNORMAL, NORMAL = 4, 2


@dataclass(frozen=True)
class _Sheets:
    """What the sheets of a shard share.

    Attributes:
        run: the stage's run.
        settings: of the stage.
        rows: radiographs of the shard by id.
        normals: rows of the normal maps by arm and seed.
        reference: carries maps between canvas and frame.
    """

    run: StageRun
    settings: ScoringSettings
    rows: Mapping[str, FrameRows]
    normals: Mapping[tuple[str, int], Row]
    reference: Registration = field(repr=False)

    def sheet(self, chosen: Sequence[Row]) -> bytes:
        """The sheet of rows of one arm."""
        usual = self._usual(chosen[0])
        shown = [self._shown(row, usual) for row in chosen]
        return to_png(maps_sheet(shown, sigma=self.settings.display_sigma), PICTURE_BYTES)

    def _usual(self, row: Row) -> Usual | None:
        normals = self.normals.get((row["arm"], row["seed"]))
        if normals is None:
            return None
        settings = NormalMapsSettings.model_validate_json(normals["settings"])
        return normal_maps_of(read_artifact(self.run.store, normals), settings).whole("absolute")

    def _shown(self, row: Row, usual: Usual | None) -> Shown:
        read = partial(read_artifact, self.run.store)
        arrays, rows = read(row), self.rows[row["radiograph_id"]]
        values, canvas = arrays["map"].astype(np.float32), frame("none", rows, self.reference.frame.lungs, read)
        return Shown(
            image=arrays["image"].astype(np.float32) / np.float32(255),
            anomaly=values,
            z=None if usual is None else usual.z(values, arrays["lungs"] > 0),
            lungs=arrays["lungs"],
            lesion=arrays.get("lesion"),
            native_image=canvas.image,
            native=native_map(row["alignment"], values, rows, self.reference, read),
            native_lungs=canvas.lungs,
            native_lesion=canvas.lesion,
            caption=f"{row['label'][:12]} {row['score_mean']:.3f}",
        )


def pictures(run: StageRun, rows: Sequence[Row], settings: ScoringSettings) -> dict[str, bytes]:
    """A sheet of every arm's first seed: abnormal test radiographs first, then normal ones; PNG by name."""
    arms: dict[str, list[Row]] = {}
    # What is set aside in one frame may not be fit to be drawn in another.
    aside = {row["radiograph_id"] for row in rows if row["status"] != "ok"}
    for row in rows:
        if row["radiograph_id"] not in aside and row["split"] == "test" and row["domain"] != "other":
            arms.setdefault(row["arm"], []).append(row)
    if not arms:
        return {}
    # Only pictures are made of it, so no row depends on it.
    beside = replace(run, parents={})
    normals = {(row["arm"], row["seed"]): row for row in run.ok("normal_maps", run.cohort)}
    frames = joined_rows(run, run.partition, {row["alignment"] for row in rows})
    sheets = _Sheets(run, settings, frames, normals, cohort_registration(beside))
    chosen = {arm: _chosen(members) for arm, members in arms.items()}
    return {f"maps {arm} seed {few[0]['seed']}": sheets.sheet(few) for arm, few in chosen.items()}


def _chosen(rows: Sequence[Row]) -> list[Row]:
    first = min(row["seed"] for row in rows)
    by_id = sorted((row for row in rows if row["seed"] == first), key=lambda row: str(row["radiograph_id"]))
    sides = {domain: [row for row in by_id if row["domain"] == domain] for domain in ("abnormal", "normal")}
    return [*sides["abnormal"][:ABNORMAL], *sides["normal"][:NORMAL]]
