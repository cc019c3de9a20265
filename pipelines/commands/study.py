"""`pseudopair study`."""

import signal
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from pipelines.commands.common import prepare, shown, stop

if TYPE_CHECKING:
    from pipelines.study.run import Planned

INTERRUPTED = 130


def study(
    study: Annotated[str, typer.Argument(help="Name of a study, or its YAML file")],
    hours: Annotated[float | None, typer.Option(min=0, help="Time this call may take, h; else the file's")] = None,
    only: Annotated[str | None, typer.Option(help="Only the arms of this protocol")] = None,
    until: Annotated[str | None, typer.Option(help="Last stage to run; nothing after it, and no table")] = None,
    model: Annotated[
        str, typer.Option(help="COHORT[@DIGEST] whose models every fold takes from now on: nothing is trained")
    ] = "",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Print what would be trained, and how long it takes")] = (
        False
    ),
) -> None:
    """Run a study or go on with it: every arm in every fold, scored, and brought into one table."""
    prepare()
    from pipelines.cohort_files import CohortProblem
    from pipelines.study.registered import StudyProblem, registered

    try:
        # Before anything reads which cohorts there are: the folds are cohorts, too.
        found = registered(study, model)
    except (StudyProblem, CohortProblem) as problem:
        raise stop(str(problem)) from None
    if only is not None and only not in (names := [protocol.name for protocol in found.protocols]):
        raise stop(f"{found.name} has no protocol {only!r}; it has: {', '.join(names)}")
    from pipelines.launches import RunFailed
    from pipelines.study.run import run_study, study_plan

    # Whoever ends a study by this signal wants what it launched ended, too.
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if dry_run:
            _show_plan(study_plan(found, only))
            return
        failures = run_study(found, _say, hours=hours, only=only, until=until)
    except RunFailed as failure:
        raise stop(str(failure)) from None
    except KeyboardInterrupt:
        _say("interrupted; what is finished is kept, call again and it goes on")
        raise typer.Exit(INTERRUPTED) from None
    _show_table(found.name)
    if failures:
        raise stop("\n".join(failures))


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def _say(line: str) -> None:
    shown.print(line, markup=False)


def _show_plan(plan: "list[Planned]") -> None:
    from pipelines.study.budget import spoken

    table = Table("protocol", "trainings", "folds", "to do", "a fold, about", "in all, about")
    for each in plan:
        times = (spoken(each.round.seconds), spoken(each.seconds)) if each.round.has_gan else ("", "")
        folds = str(len(each.round.cohorts))
        table.add_row(each.round.protocol.name, ", ".join(each.round.trainings), folds, str(each.missing), *times)
    shown.print(table)
    _say(f"translators alone: about {spoken(sum(each.seconds for each in plan))}")


def _show_table(name: str) -> None:
    from pipelines.study.table import table_texts
    from resources.home import store_url
    from resources.object_store import ObjectStore

    for text in table_texts(ObjectStore(store_url()), name):
        _say(text)
