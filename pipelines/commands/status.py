"""`pseudopair status`."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from pipelines.commands.common import prepare, shown, stop
from resources.home import store_url

if TYPE_CHECKING:
    from pipelines.status import StatusRow


def status(
    cohort: Annotated[
        str | None, typer.Argument(help="Name of a cohort or a study; all that have been run by default")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines, one a stage and partition")] = False,
    check: Annotated[bool, typer.Option("--check", help="Exit with 1 unless everything is fresh")] = False,
) -> None:
    """Say per stage and shard what is fresh, stale, failed or missing, and why."""
    prepare()
    from pipelines.study.status import rows_of
    from resources.catalogue import CatalogueError

    try:
        rows = rows_of(cohort)
    except CatalogueError as error:
        raise stop(str(error)) from None
    if as_json:
        for row in rows:
            typer.echo(json.dumps(asdict(row)))
    else:
        _show(rows)
    if check and any(row.state != "fresh" for row in rows):
        raise typer.Exit(1)


def _show(rows: "list[StatusRow]") -> None:
    table = Table(*(Column(name, no_wrap=True) for name in ("stage", "partition", "state")))
    for name in ("ok", "set aside", "seconds", "why"):
        table.add_column(name)
    for row in rows:
        table.add_row(row.stage, row.partition, row.state, row.ok, row.aside, row.seconds, row.why)
    shown.print(f"store: {store_url()}")
    shown.print(table)
