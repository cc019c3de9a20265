"""Guesses beside the arms: the centre of the lungs, training boxes, random maps."""

from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from assets.alignments import Alignment
from assets.localisation.asset_subject import Subject, Way
from assets.localisation.boxes import box_rows
from assets.localisation.chance import box_heatmap, centre_map, random_map
from assets.localisation.rows import corners
from assets.localisation.settings import LocalisationSettings
from assets.pairing.frames import FrameRows, frame_key
from resources.manifests import Place, digest_of, read_artifact, read_pointer
from resources.stage_run import StageRun

F32 = npt.NDArray[np.float32]

CHANCE = "chance"


def guess_ways(row: FrameRows, heat: tuple[F32, str] | None, settings: LocalisationSettings) -> list[Way]:
    """The guesses on a radiograph; that of training boxes where there is a heat map, given with its digest."""
    ways = [Way(_chance("centre"), [], lambda known: centre_map(known.lungs))]
    if heat is not None:
        made_from = [heat[1], *frame_key("it_dpr", row, "")]
        ways.append(Way(_chance("heatmap", "it_dpr"), made_from, lambda known: known.native("it_dpr", heat[0])))
    identity = int(row.radiograph["radiograph_id"][:16], 16)
    for sigma in settings.random_sigmas:
        for number in range(settings.random_draws):
            draw = partial(_random, sigma, [identity, round(1000 * sigma), number])
            ways.append(Way(_chance(f"random_{sigma:g}", seed=number), [], draw))
    return ways


def _random(sigma: float, seed: list[int], known: Subject) -> F32:
    drawn = random_map(known.truth.target.shape, sigma, seed)
    return np.where(known.lungs > 0, drawn, np.float32(0)).astype(np.float32)


def _chance(method: str, alignment: Alignment | None = None, seed: int = 0) -> dict[str, Any]:
    return {"arm": f"{CHANCE}/{method}", "alignment": alignment, "method": method, "seed": seed}


def training_heat(run: StageRun) -> tuple[F32, str] | None:
    """Mean of the training radiographs' boxes in the reference frame and its digest; None without a box.

    A cohort that borrows its translators has no training radiograph: pairs that lie there are of an earlier time.
    """
    translator, pairs = (read_pointer(run.store, Place(stage, run.cohort)) for stage in ("translator", "pseudo_pairs"))
    if pairs is None or (translator or {}).get("settings", {}).get("borrow_from"):
        return None
    drawn = run.ok_table("pseudo_pairs", run.cohort, ["abnormal_id", "abnormal_boxes", "split"])
    boxed = pc.and_(pc.equal(drawn["split"], "train"), pc.greater(pc.list_value_length(drawn["abnormal_boxes"]), 0))
    lungs = read_artifact(run.store, run.model("reference_lung"))["lungs"]
    heat = heat_of(drawn.filter(boxed), lungs.shape)
    return None if heat is None else (heat, digest_of(heat.tobytes()))


def heat_of(pairs: pa.Table, shape: tuple[int, ...]) -> F32 | None:
    """Heat map (H, W) of the boxes of each abnormal radiograph of the pairs, once each; None without any."""
    by_id = dict(zip(pairs["abnormal_id"].to_pylist(), pairs["abnormal_boxes"].to_pylist(), strict=True))
    boxes = [box_rows(corners(each)) for _, each in sorted(by_id.items())]
    return box_heatmap(boxes, (shape[0], shape[1])) if boxes else None
