"""Overlays of scored images: the map carried from its frame to the canvas, and from there to the file's own pixels."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from assets.image_scores.asset_view import View
from assets.image_scores.overlay import full_scale, on_source, overlay, score_line
from assets.images import F32
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES
from assets.pairing.chosen_frames import rows_of
from assets.pairing.frame_boxes import Registration
from assets.pairing.frames import FrameRows
from assets.pictures import to_png
from assets.prealignment.lung_coordinates import reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.decode import decode
from assets.radiographs.geometry import Canvas
from assets.radiographs.photometric import apply_window, robust_window
from assets.radiographs.settings import RadiographSettings
from assets.registration.settings import RegistrationSettings
from assets.scoring.settings import ScoringSettings
from pipelines.new_images.bench import Bench
from pipelines.new_images.lent import Row
from resources.manifests import read_artifact


@dataclass
class Painter:
    """Draws the overlays of a batch.

    Attributes:
        bench: with the batch's rows.
        folder: where the pictures go; made when the first one is drawn.
    """

    bench: Bench
    folder: Path
    _made: bool = field(default=False, init=False)

    def paint(self, radiograph: Row, scored: Row, source: Path, score: float, threshold: float | None) -> Path:
        """Draw one image; returns the picture's path, which names the pixels and not the file.

        Args:
            radiograph: its row of the radiographs stage.
            scored: its row of the anomaly maps.
            source: its file.
            score: its score.
            threshold: above it an image is called abnormal.
        """
        settings = self.bench.settings(self.bench.open("radiographs"), RadiographSettings)
        pixels = decode(source.read_bytes(), source.name, settings).pixels
        image = apply_window(pixels, *robust_window(pixels, settings.low_percentile, settings.high_percentile))
        canvas = Canvas(*(radiograph[name] for name in ("scale_x", "scale_y", "offset_x", "offset_y")))
        values, lungs = self._on_canvas(radiograph["radiograph_id"], scored)
        shown = on_source(values, canvas, pixels.shape)
        outline = on_source(lungs, canvas, pixels.shape)
        told = score_line(scored["arm"], scored["seed"], score, threshold)
        picture = overlay(image, shown, outline, full_scale([values], [lungs]), told)
        if not self._made:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._made = True
        path = self.folder / f"{radiograph['radiograph_id']}.png"
        path.write_bytes(to_png(picture))
        return path

    def _on_canvas(self, radiograph_id: str, scored: Row) -> tuple[F32, F32]:
        run = self.bench.open("anomaly_maps")
        tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
        rows = FrameRows(*(rows_of(table, [radiograph_id])[0] for table in tables))
        sigma = self.bench.settings(run, ScoringSettings).display_sigma
        return View(run.store, self._registration, sigma).on_canvas(scored, rows)

    @cached_property
    def _registration(self) -> Registration:
        run = self.bench.open("prealigned_radiographs")
        reference, model = run.model("reference_lung"), run.model("registration_model")
        settings = self.bench.settings(run, PrealignmentSettings)
        return Registration(
            reference_frame(read_artifact(run.store, reference)["lungs"], settings),
            RegistrationSettings.model_validate_json(model["settings"]),
            (model["roughness_typical"], model["roughness_limit"]),
        )
