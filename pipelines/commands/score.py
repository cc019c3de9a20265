"""`pseudopair score`: image files scored with a cohort's models, one JSON object an image."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pipelines.commands.common import prepare, stop


def score(
    images: Annotated[list[str], typer.Argument(help="PNG, JPEG, TIFF or DICOM files", metavar="IMAGE...")],
    model: Annotated[str, typer.Option(help="COHORT[@DIGEST] whose models are taken")],
    arm: Annotated[str | None, typer.Option(help="ALIGNMENT/METHOD; by default the best on validation")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of its training; by default the best on validation")] = None,
    out: Annotated[Path, typer.Option(help="Folder of the overlays")] = Path("overlays"),
) -> None:
    """Score image files with a cohort's models: one JSON object an image on standard output, and an overlay."""
    prepare()
    import dagster as dg

    from assets.image_scores.overlay import NOTICE
    from pipelines.environments import resources
    from pipelines.mask_sources import told_masks
    from pipelines.new_images.lent import lent
    from pipelines.new_images.scoring import score_images
    from resources.arrays import CorruptArtifact
    from resources.home import store_url
    from resources.object_store import ObjectStore

    store = ObjectStore(store_url())
    scored = 0
    try:
        models = lent(store, model, arm, seed)
        decided = "no threshold" if models.threshold is None else f"threshold {models.threshold:.6g}"
        print(f"{NOTICE}\n{model}: {models.arm} seed {models.seed}, {models.score}, {decided}", file=sys.stderr)
        print(f"lungs of {models.cohort}: drawn by {told_masks(store, models.cohort)}", file=sys.stderr)
        for result in score_images(store, models, images, out, resources()["accelerator"]):
            scored += result.status == "ok"
            typer.echo(json.dumps(asdict(result)))
    except (ValueError, LookupError, CorruptArtifact, OSError, dg.Failure) as problem:
        raise stop(str(problem)) from None
    if not scored:
        raise stop(f"none of {len(images)} images was scored; each says why")
