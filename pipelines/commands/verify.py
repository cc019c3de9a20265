"""`pseudopair verify`."""

import json
from typing import Annotated

import typer
from rich.table import Table

from pipelines.commands.common import prepare, shown, stop
from resources.home import store_url


def verify(
    cohort: Annotated[str | None, typer.Argument(help="Name of a cohort; all that the store holds by default")] = None,
    quick: Annotated[bool, typer.Option("--quick", help="See that artefacts are there, but do not read them")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON")] = False,
) -> None:
    """Audit the store offline: what was altered, lost, doubled, leaked or mislabelled, and what to do."""
    prepare()
    from pipelines.verification import SHOWN
    from pipelines.verify import verify as audited
    from resources.object_store import ObjectStore

    try:
        report = audited(ObjectStore(store_url()), cohort, quick=quick)
    except OSError as error:
        raise stop(f"the store cannot be read: {error}") from None
    if not report.manifests:
        raise stop(f"the store has no manifests of {cohort or 'any cohort'}; see `pseudopair status`")
    if as_json:
        typer.echo(json.dumps(report.as_json(), indent=1))
        raise typer.Exit(0 if report.passed else 1)
    table = Table("check", "looked at", "result")
    for check in report.checks:
        state = f"{'FAILED' if check.failed else 'warning'}: {len(check.offenders)}" if check.offenders else "passed"
        table.add_row(check.name, str(check.looked_at), state)
    shown.print(table)
    for check in report.checks:
        for offender in check.offenders[:SHOWN]:
            shown.print(f"{check.name}: {offender}", markup=False)
        if check.offenders:
            shown.print(f"  {len(check.offenders)} in all. {check.advice}", markup=False)
    speed = report.mib / max(report.seconds, 1e-9)
    shown.print("artefacts were not read (--quick)" if quick else f"{report.mib:.1f} MiB hashed, {speed:.0f} MiB/s")
    raise typer.Exit(0 if report.passed else 1)
