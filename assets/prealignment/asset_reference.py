"""The choice of a reference among a cohort's training normals."""

from functools import partial

import dagster as dg
import pyarrow as pa
import pyarrow.compute as pc

from assets.images import to_uint16
from assets.pairing.frames import Row
from assets.prealignment.asset_stored import MASK_COLUMNS, STORED, windowed
from assets.prealignment.mean_shape import mean_radiograph, mean_shape
from assets.prealignment.reference_lung import medoid
from assets.prealignment.settings import ReferenceSettings
from resources.fitted import FittedModel, keep_or_fit
from resources.incremental import Outcome
from resources.manifests import read_artifact
from resources.planned import row_of
from resources.stage_run import StageRun
from resources.stage_settings import recipe


def chosen_reference(
    run: StageRun, candidates: list[Row], radiographs: pa.Table, settings: ReferenceSettings, _key: str
) -> Outcome:
    """The reference of a kind made from candidates: the most central of them, or their mean."""
    masks = [read_artifact(run.store, row)["lungs"] for row in candidates]
    columns = {"kind": settings.kind, "radiograph_id": None, "candidates": len(candidates)}
    if settings.kind == "medoid":
        index = medoid(masks)
        chosen, lungs = candidates[index], masks[index]
        image = windowed(run, row_of(radiographs, chosen["radiograph_id"]), chosen)
        columns["radiograph_id"] = chosen["radiograph_id"]
    else:
        symmetric = settings.kind == "symmetric"
        lungs = mean_shape(masks, symmetric)
        images = (windowed(run, row_of(radiographs, row["radiograph_id"]), row) for row in candidates)
        image = mean_radiograph(lungs, zip(images, masks, strict=True), symmetric)
    return Outcome(columns, {"lungs": lungs, "image": to_uint16(image)})


def fitted_reference(run: StageRun, settings: ReferenceSettings) -> FittedModel:
    """The cohort's reference, kept until what it was chosen from has changed.

    Raises:
        Failure: no normal training radiograph has a usable lung mask.
    """
    radiographs = run.ok_table("radiographs", columns=STORED)
    masks = run.ok_table("lung_masks", columns=MASK_COLUMNS)
    normal = pc.and_(pc.equal(masks["split"], "train"), pc.equal(masks["domain"], "normal"))
    present = masks.filter(normal).sort_by("radiograph_id")
    chosen = present.slice(0, settings.candidates).to_pylist()
    if not chosen:
        raise dg.Failure(
            f"{run.cohort}: no normal training radiograph has a usable lung mask, so nothing can be the reference; "
            "declare normal_labels, or look at the set-aside rows of lung_masks",
            allow_retries=False,
        )
    return keep_or_fit(
        run.store,
        run.place,
        # Asking for a new fit is no other way of fitting.
        recipe(run, settings.model_copy(update={"refit": False}), [], without=["borrow_from"]),
        [row["key"] for row in chosen],
        partial(chosen_reference, run, chosen, radiographs, settings),
        present=present["key"].to_pylist(),
        refit=settings.refit,
    )
