"""Pictures of a shard's scored images: the highest scores on a sheet and, where wanted, an overlay of each image."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

from assets.image_scores.asset_view import View
from assets.image_scores.overlay import cropped, full_scale, overlay, score_line
from assets.image_scores.preview import Shown, score_sheet
from assets.images import F32
from assets.localisation.rows import canvas_of, frame_of
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, peer_table
from assets.pairing.asset_pixels import cohort_registration
from assets.pairing.chosen_frames import join_chosen
from assets.pairing.frames import FrameRows, Row, frame
from assets.pictures import to_png
from assets.scoring.settings import ScoringSettings
from assets.translation.arms import parse_arm
from resources.dagster_shapes import PICTURE_BYTES
from resources.manifests import fingerprint, read_artifact
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings

SHEET = 24
FOLDER = "overlays"
# Of each overlay: what it shows. Raised with what is drawn.
MADE = "made.json"
DRAWN = 1
PLACED = ("width", "height", "scale_x", "scale_y", "offset_x", "offset_y")


@dataclass(frozen=True)
class Overlays:
    """Draws the images of the arm that validation patients prefer.

    Attributes:
        run: of the stage.
        rows: of its manifest.
    """

    run: StageRun
    rows: Sequence[Row]

    def sheet(self) -> dict[str, bytes]:
        """The highest scores, PNG by name; empty where nothing is scored."""
        ranked = sorted(self._shown, key=lambda row: (-row["score"], row["radiograph_id"]))[:SHEET]
        if not ranked:
            return {}
        frames = self._frames(ranked)
        shown = [self._tile(row, frames[row["radiograph_id"]]) for row in ranked]
        return {f"highest {ranked[0]['arm']} seed {ranked[0]['seed']}": to_png(score_sheet(shown), PICTURE_BYTES)}

    def refresh(self, wanted: bool) -> int:
        """Bring the folder of overlays up to date: draw what is new or changed, remove what is not wanted any more.

        Args:
            wanted: whether any overlay is to be there.

        Returns:
            How many were drawn.
        """
        store, folder = self.run.store, f"{self.run.place.folder}/{FOLDER}"
        present = store.find(folder)
        made = {row["radiograph_id"]: self._shows(row) for row in self._shown} if wanted else {}
        kept = {f"{folder}/{name}.png" for name in made} | ({f"{folder}/{MADE}"} if made else set())
        for path in sorted(present - kept):
            store.delete(path)
        if not made:
            return 0
        before: Mapping[str, str] = json.loads(store.read_or_none(f"{folder}/{MADE}") or b"{}")
        there = {
            name for name, shown in made.items() if before.get(name) == shown and f"{folder}/{name}.png" in present
        }
        missing = [row for row in self._shown if row["radiograph_id"] not in there]
        frames = self._frames(missing)
        for row in missing:
            store.write(f"{folder}/{row['radiograph_id']}.png", self._overlay(row, frames[row["radiograph_id"]]))
        # Written last: cut off before, they are drawn again.
        store.write(f"{folder}/{MADE}", json.dumps(made, sort_keys=True).encode())
        return len(missing)

    @cached_property
    def _shown(self) -> list[Row]:
        return [row for row in self.rows if row["status"] == "ok" and row["best"] and row["score"] is not None]

    def _shows(self, row: Row) -> str:
        return fingerprint([DRAWN, row["key"], row["score"], row["threshold"], self._sigma])

    def _frames(self, rows: Sequence[Row]) -> dict[str, FrameRows]:
        if not rows:
            return {}
        columns = {**FRAME_COLUMNS, "radiographs": (*FRAME_COLUMNS["radiographs"], *PLACED)}
        tables = [self.run.ok_table(stage, columns=columns[stage]) for stage in FRAME_STAGES]
        peers = peer_table(self.run, {parse_arm(row["arm"]).alignment for row in rows})
        return join_chosen(tables, sorted(row["radiograph_id"] for row in rows), peers)

    def _tile(self, row: Row, rows: FrameRows) -> Shown:
        values, lungs = self._view.on_canvas(self._scored[row["radiograph_id"]], rows)
        mark = "above" if row["above"] else ""
        caption = f"{row['score']:.3g} {mark} {row['label']}"
        return Shown(
            self._image(rows), values, lungs, canvas_of(rows.radiograph), row["boxes"], row["detections"], caption
        )

    def _overlay(self, row: Row, rows: FrameRows) -> bytes:
        values, lungs = self._view.on_canvas(self._scored[row["radiograph_id"]], rows)
        image, shown, outline = (
            cropped(each, frame_of(rows.radiograph)) for each in (self._image(rows), values, lungs)
        )
        told = score_line(row["arm"], row["seed"], row["score"], row["threshold"])
        return to_png(overlay(image, shown, outline, full_scale([values], [lungs]), told))

    def _image(self, rows: FrameRows) -> F32:
        read = partial(read_artifact, self.run.store)
        return frame("none", rows, read(rows.lungs)["lungs"], read).image

    @cached_property
    def _scored(self) -> dict[str, Row]:
        names = ["radiograph_id", "arm", "seed", "artifact", "artifact_digest"]
        mine = {(row["arm"], row["seed"]) for row in self._shown}
        rows = self.run.ok("anomaly_maps", columns=names)
        return {row["radiograph_id"]: row for row in rows if (row["arm"], row["seed"]) in mine}

    @cached_property
    def _sigma(self) -> float:
        return upstream_settings(self.run, "anomaly_maps", ScoringSettings).display_sigma

    @cached_property
    def _view(self) -> View:
        return View(self.run.store, cohort_registration(self.run), self._sigma)
