"""`pseudopair lineage`: where a pair or a radiograph comes from, and what it reached."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from pipelines.commands.common import prepare, shown, stop
from resources.home import patient_key, store_url

if TYPE_CHECKING:
    from pipelines.lineage.item import Lineage
    from resources.object_store import ObjectStore

Format = Literal["text", "json", "html"]


def lineage(
    what: Annotated[str | None, typer.Argument(help="Pair id, radiograph id, source file or its SHA-256")] = None,
    patient: Annotated[str | None, typer.Option(help="All of a patient: source id or pseudonym")] = None,
    output: Annotated[Format, typer.Option("--format", help="Tree, nested JSON, or a page with pictures")] = "text",
    out: Annotated[Path | None, typer.Option(help="File to write; html needs one")] = None,
) -> None:
    """Tell what a pair or a radiograph was made from, and which pairs, models and scores it reached."""
    if (what is None) == (patient is None):
        raise stop("give a pair, a radiograph or a file, or --patient ID")
    if output == "html" and out is None:
        raise stop("--format html writes a page; name it with --out PATH")
    prepare()
    from resources.object_store import ObjectStore

    store = ObjectStore(store_url())
    told = _answer(store, what, patient)
    if out is not None:
        out.write_text(_written(told, output, store), encoding="utf-8")
        shown.print(f"written: {out}", markup=False)
    elif output == "json" or not shown.is_terminal:
        typer.echo(_written(told, output, store), nl=output == "json")
    else:
        from pipelines.lineage.text import tree

        # A line too long for the terminal goes on in the next one; it would be cut otherwise.
        shown.print(tree(told), soft_wrap=False)


def _answer(store: "ObjectStore", what: str | None, patient: str | None) -> "Lineage":
    from pipelines.lineage.answer import lineage as answer
    from pipelines.lineage.answer import patient_lineage
    from pipelines.lineage.find import LineageError

    try:
        if what is not None:
            return answer(store, what)
        from pipelines.patients import pseudonyms

        return patient_lineage(store, pseudonyms(patient or "", patient_key()))
    except (LineageError, ValueError) as error:
        raise stop(str(error)) from None


def _written(told: "Lineage", output: Format, store: "ObjectStore") -> str:
    if output == "json":
        return json.dumps(told.as_record(), indent=1)
    if output == "html":
        from pipelines.lineage.page import page

        return page(told, store)
    from pipelines.lineage.text import plain

    return plain(told)
