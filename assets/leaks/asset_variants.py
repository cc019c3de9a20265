"""A cohort's radiographs under every kind of mask, read from the stages."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow.compute as pc

from assets.images import F32, from_uint16
from assets.leaks.brought import Brought, bring
from assets.leaks.settings import LeakSettings, Variant
from assets.leaks.sides import Sides, sides
from assets.leaks.variants import Lungs
from assets.pairing.asset_frames import FRAME_COLUMNS, FRAME_STAGES
from assets.pairing.chosen_frames import join_chosen
from assets.pairing.frames import FrameRows
from assets.prealignment.lung_coordinates import ReferenceFrame, reference_frame
from assets.prealignment.settings import PrealignmentSettings
from assets.radiographs.declaration import parse_declaration
from assets.segmentation.asset_rows import loader
from assets.segmentation.settings import SegmentationSettings
from assets.segmentation.sources import RowMasks
from assets.segmenter.crossfit import Segmenters
from assets.shortcuts.asset_described import chosen_ids
from resources.manifests import Place, read_artifact, read_pointer
from resources.stage_run import StageRun
from resources.stage_settings import upstream_settings


@dataclass(frozen=True)
class Scene:
    """What all radiographs of a comparison share.

    Attributes:
        run: the stage's run.
        reference: the cohort's reference, with the settings of its IT-PR.
        segmentation: how the cohort's masks were cleaned and windowed.
        exact: whether supplied masks are the truth.
        lesions: whether lesions are known of any radiograph; a normal one then has none.
        settings: of the comparison.
        networks: the cohort's lung segmenter, where radiographs of it have other masks; else None.
        problems: how many radiographs could not be aligned by a mask, and why.
    """

    run: StageRun
    reference: ReferenceFrame
    segmentation: SegmentationSettings
    exact: bool
    lesions: bool
    settings: LeakSettings
    networks: Segmenters | None = None
    problems: Counter[tuple[Variant, str]] = field(default_factory=Counter)

    def lungs(self, rows: FrameRows) -> tuple[F32, Lungs]:
        """A radiograph's image before its window, and its lungs."""
        arrays = read_artifact(self.run.store, rows.radiograph)
        image, lesion = from_uint16(arrays["image"]), arrays.get("lesion")
        network = None if self.networks is None else self.networks.of(rows.radiograph["patient"])
        masks = RowMasks(image, arrays.get("lungs"), network, self.segmentation)
        used = read_artifact(self.run.store, rows.lungs)["lungs"]
        if lesion is None and self.lesions and rows.radiograph["domain"] == "normal":
            lesion = np.zeros_like(used)
        return image, Lungs(used, masks, self.exact, None if lesion is None else lesion > 0)

    def bring(self, rows: FrameRows) -> dict[Variant, Brought]:
        """The radiograph by every variant that it has."""
        image, lungs = self.lungs(rows)
        found: dict[Variant, Brought] = {}
        window = self.segmentation.window_low, self.segmentation.window_high
        for variant in self.settings.variants:
            mask = lungs.variant(variant)
            if mask is None:
                continue
            try:
                found[variant] = bring(image, mask, self.reference, window, self.settings)
            except ValueError as error:
                # This mask cannot align this radiograph; the others may.
                self.problems[variant, str(error)] += 1
        return found


def scene_of(run: StageRun, settings: LeakSettings) -> Scene:
    """The reference and the settings that the cohort was segmented and aligned with."""
    lungs = read_artifact(run.store, run.model("reference_lung"))["lungs"]
    prealignment = upstream_settings(run, "prealigned_radiographs", PrealignmentSettings)
    segmentation = upstream_settings(run, "lung_masks", SegmentationSettings)
    phantom = parse_declaration(run.mapping).kind == "phantom"
    lesions = bool(pc.any(run.ok_table("radiographs", columns=["has_lesion"])["has_lesion"]).as_py())
    # No larger than the canvas: nothing would be gained.
    fitting = settings.model_copy(update={"size": min(settings.size, *lungs.shape)})
    networks = _networks(run) if "trained" in settings.variants else None
    return Scene(run, reference_frame(lungs, prealignment), segmentation, phantom, lesions, fitting, networks)


def _networks(run: StageRun) -> Segmenters | None:
    """The cohort's lung segmenter; None where it has none, or where all masks in use are its own."""
    if read_pointer(run.store, Place("lung_segmenter", run.cohort)) is None:
        return None
    row = run.model("lung_segmenter")
    sources = set(run.ok_table("lung_masks", columns=["mask_source"])["mask_source"].to_pylist())
    return None if sources <= {"trained"} else loader(run, row)()


def taking_part(run: StageRun, settings: LeakSettings) -> tuple[list[FrameRows], list[FrameRows]]:
    """Training normals, and test radiographs of both classes, that every frame can be made of."""
    tables = [run.ok_table(stage, columns=FRAME_COLUMNS[stage]) for stage in FRAME_STAGES]
    rows = join_chosen(tables, chosen_ids(tables, ("train", "test"), settings.radiographs))
    training, tested = (
        [row for row in rows.values() if row.radiograph["split"] == split] for split in ("train", "test")
    )
    return [row for row in training if row.radiograph["domain"] == "normal"], tested


def sides_of(scene: Scene, normals: Sequence[FrameRows], tested: Sequence[FrameRows]) -> Sides:
    """Bring all radiographs by all variants, and keep those that every compared variant has."""
    sources = [row.radiograph for row in (*normals, *tested)]
    brought = [scene.bring(row) for row in (*normals, *tested)]
    for (variant, why), count in sorted(scene.problems.items()):
        scene.run.progress(f"{scene.run.place}: {count} of {len(brought)} radiographs have no variant {variant}: {why}")
    return sides(brought, sources, len(normals), scene.settings)
