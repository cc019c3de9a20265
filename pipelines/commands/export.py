"""`pseudopair export`: a cohort's radiographs and pairs as a plain folder, or its boxes as COCO."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.commands.common import prepare, shown, stop

if TYPE_CHECKING:
    from pipelines.outside.export import Request


class ExportFormat(StrEnum):
    """Layouts of an export."""

    FOLDER = "folder"
    COCO = "coco"
    SCORES = "scores"


class ExportAlignment(StrEnum):
    """Frames of an export."""

    IT_DPR = "it_dpr"
    IT_PR = "it_pr"
    NONE = "none"


def export(
    cohort: Annotated[str, typer.Argument(help="Name of a cohort that has been run")],
    folder: Annotated[str, typer.Argument(help="New folder, or one of an earlier export; a path or any fsspec URL")],
    layout: Annotated[
        ExportFormat, typer.Option("--format", help="Images, masks and tables; images and boxes; or scores")
    ] = (ExportFormat.FOLDER),
    split: Annotated[str | None, typer.Option(help="train, validation or test; all by default")] = None,
    alignment: Annotated[ExportAlignment, typer.Option(help="Frame of the images")] = ExportAlignment.IT_DPR,
    subjects: Annotated[bool, typer.Option(help="Tell pseudonym, sex and age of each subject")] = False,
) -> None:
    """Export a cohort to a folder, or bring an earlier export up to date."""
    prepare()
    from pipelines.outside.export import Request, citation_of, export_cohort
    from resources.home import store_url
    from resources.object_store import ObjectStore

    place = folder if "://" in folder else str(Path(folder).expanduser().absolute())
    request = Request(cohort, layout.value, alignment.value, split, subjects, citation_of(cohort))
    if request.format == "scores":
        return _scores(request, place)
    try:
        done = export_cohort(ObjectStore(store_url()), ObjectStore(place), request)
    except (OSError, ValueError) as problem:
        raise stop(f"{folder}: {problem}") from None
    holds = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in done.counts.items())
    shown.print(f"{folder}: {holds}", markup=False)
    shown.print(f"{done.written} radiographs written, {done.kept} kept, {done.removed} files removed", markup=False)
    if done.damaged:
        raise stop("; ".join([f"{len(done.damaged)} radiographs left out", *done.damaged[:5]]))


def _scores(request: "Request", place: str) -> None:
    from pipelines.outside.export_scores import SCORES, export_scores
    from resources.home import store_url
    from resources.object_store import ObjectStore

    store, target = ObjectStore(store_url()), ObjectStore(place)
    try:
        counts = export_scores(store, target, request.cohort, request.split, request.citation)
    except (OSError, ValueError, LookupError) as problem:
        raise stop(f"{place}: {problem}") from None
    told = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in counts.items())
    shown.print(f"{place}/{SCORES}: {told}", markup=False)
