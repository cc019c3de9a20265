"""Maps over boxes: what an arm shows on the radiographs themselves."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import from_uint16
from assets.localisation.asset_guesses import CHANCE
from assets.localisation.asset_maps import ArmMaps
from assets.localisation.asset_rows import PLACED, SCORED
from assets.localisation.preview import Shown, localisation_sheet
from assets.localisation.rows import canvas_of, corners
from assets.localisation.settings import LocalisationSettings
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES, peer_table
from assets.pairing.asset_pixels import cohort_registration
from assets.pairing.chosen_frames import join_chosen
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows, Row
from assets.pictures import to_png
from assets.radiographs.geometry import place_boxes
from assets.radiographs.photometric import apply_window
from assets.scoring.native import native_map
from resources.dagster_shapes import PICTURE_BYTES
from resources.manifests import read_artifact
from resources.stage_run import StageRun

SHEET_ROWS = 6


@dataclass(frozen=True)
class Drawn:
    """What maps over boxes are drawn from.

    Attributes:
        run: of a stage.
        tables: of the stages of `FRAME_STAGES`.
        peers: rows after the peers that maps are in the frames of, None where there are none.
        scored: anomaly maps.
        maps: those that were localised.
        reference: carries maps between canvas and frame.
    """

    run: StageRun
    tables: list[pa.Table]
    peers: pa.Table | None
    scored: pa.Table
    maps: ArmMaps
    reference: Registration

    @classmethod
    def of(cls, run: StageRun, settings: LocalisationSettings) -> "Drawn":
        """All that is read, recorded as read by this run whether or not anything is drawn."""
        columns = {**FRAME_COLUMNS, "radiographs": (*FRAME_COLUMNS["radiographs"], *PLACED)}
        tables = [run.ok_table(stage, columns=columns[stage]) for stage in FRAME_STAGES]
        scored, maps = run.ok_table("anomaly_maps", columns=SCORED), ArmMaps.of(run, settings.maps)
        peers = peer_table(run, scored["alignment"].unique().to_pylist())
        return cls(run, tables, peers, scored, maps, cohort_registration(run))

    def sheets(self, chosen: Mapping[str, Sequence[Row]], settings: LocalisationSettings) -> dict[str, bytes]:
        """A contact sheet of measured rows under each name; none under a name without rows."""
        wanted = sorted({row["radiograph_id"] for rows in chosen.values() for row in rows})
        frames = join_chosen(self.tables, wanted, self.peers)
        return {
            name: _sheet([self._shown(row, frames[row["radiograph_id"]]) for row in rows], settings)
            for name, rows in chosen.items()
            if rows
        }

    def _shown(self, row: Row, rows: FrameRows) -> Shown:
        read = partial(read_artifact, self.run.store)
        same = [pc.equal(self.scored[name], row[name]) for name in ("radiograph_id", "arm", "seed")]
        (scored,) = self.scored.filter(pc.and_(pc.and_(same[0], same[1]), same[2])).to_pylist()
        canvas = canvas_of(rows.radiograph)
        surest = [] if row["surest"] is None else [row["surest"]]
        boxes, found = (place_boxes(np.array(corners(each)), canvas) for each in (row["boxes"], surest))
        window = rows.lungs["window_low"], rows.lungs["window_high"]
        return Shown(
            apply_window(from_uint16(read(rows.radiograph)["image"]), *window),
            native_map(scored["alignment"], self.maps.frame_map(scored), rows, self.reference, read),
            read(rows.lungs)["lungs"] > 0,
            boxes,
            found,
            f"hit {row['pointing']:.0f}, sum {row['energy']:.2f} of {row['area_share']:.2f}",
        )


def pictures(run: StageRun, rows: Sequence[Row], settings: LocalisationSettings) -> dict[str, bytes]:
    """Of each arm's first seed, the first test radiographs whose findings are drawn."""
    drawn: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: (row["arm"], row["seed"], row["radiograph_id"])):
        findings = row["status"] == "ok" and row["truth"] != "normal" and row["split"] == "test"
        if findings and not row["arm"].startswith(CHANCE):
            drawn.setdefault(row["arm"], []).append(row)
    if not drawn:
        return {}
    first = {arm: [row for row in each if row["seed"] == each[0]["seed"]] for arm, each in drawn.items()}
    return Drawn.of(run, settings).sheets({f"boxes {arm}": each[:SHEET_ROWS] for arm, each in first.items()}, settings)


def _sheet(shown: list[Shown], settings: LocalisationSettings) -> bytes:
    return to_png(localisation_sheet(shown, settings.detection_sigma), PICTURE_BYTES)
