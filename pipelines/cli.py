"""The console command `pseudopair`."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from rich.table import Table

from pipelines.commands.common import prepare, shown, stop
from pipelines.commands.export import export
from pipelines.commands.forget import forget
from pipelines.commands.gc import gc
from pipelines.commands.lineage import lineage
from pipelines.commands.score import score
from pipelines.commands.status import status
from pipelines.commands.study import study
from pipelines.commands.verify import verify
from resources.home import COHORTS_VARIABLE, home
from resources.yaml_text import from_yaml

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Registered pseudo-pairs from chest radiographs.",
)
DEFAULT_PORT = 3000


def _parse_settings(items: list[str]) -> dict[str, dict[str, Any]]:
    overrides: dict[str, dict[str, Any]] = {}
    for item in items:
        target, equals, value = item.partition("=")
        stage, dot, name = target.partition(".")
        if not (equals and dot):
            raise stop(f"--set {item}: expected STAGE.SETTING=VALUE, e.g. lung_masks.sources=pbtseg")
        try:
            # Nothing after the sign is an empty text; YAML would make it null.
            overrides.setdefault(stage, {})[name] = from_yaml(value) if value else ""
        except yaml.YAMLError:
            raise stop(f"--set {item}: the value is no YAML; quote it") from None
    return overrides


def _named(cohort: str, model: str | None) -> str:
    """Name of a cohort, which takes the models that are asked for from now on, or none any more.

    Raises:
        CohortProblem: one of them cannot be found or used.
    """
    from pipelines.cohort_files import cohort_name
    from resources.taken_models import give_back, taken

    if model:
        from pipelines.borrowing.request import borrower
        from resources.home import store_url
        from resources.object_store import ObjectStore

        found = borrower(cohort, model, ObjectStore(store_url()))
        for line in found.told():
            shown.print(line, markup=False)
        return found.name
    name = cohort_name(cohort)
    if model is not None:
        give_back(name)
    if noted := taken(name):
        told = f"{name} takes the models of {noted.model}, as was asked for before; --model '' lets it train its own"
        shown.print(told, markup=False)
    return name


@app.command()
def run(
    cohort: Annotated[str, typer.Argument(help="Name of a declared cohort, or its YAML file")],
    settings: Annotated[list[str] | None, typer.Option("--set", help="STAGE.SETTING=VALUE for this run")] = None,
    all_arms: Annotated[bool, typer.Option(help="Every frame with every translator")] = False,
    seeds: Annotated[int, typer.Option(min=1, max=20, help="Repeat each trained arm with this many seeds")] = 1,
    until: Annotated[str | None, typer.Option(help="Last stage to run")] = None,
    retry_failed: Annotated[bool, typer.Option(help="Compute rejected and failed rows again")] = False,
    model: Annotated[
        str | None,
        typer.Option(
            help="COHORT[@DIGEST] whose models are taken from now on: nothing is trained, all rows are test; '' for "
            "its own again"
        ),
    ] = None,
) -> None:
    """Materialise every stage of a cohort through Dagster; what is up to date is reused."""
    prepare()
    from pipelines.cohort_files import CohortProblem, checked_settings
    from resources.taken_models import TakenError, taken

    overrides = _parse_settings(settings or [])
    if model and (all_arms or seeds > 1):
        raise stop("--model takes trained models as they are; leave out --all-arms and --seeds")
    try:
        name = _named(cohort, model)
    except (CohortProblem, TakenError) as problem:
        raise stop(str(problem)) from None
    from pipelines.launches import RunFailed
    from pipelines.mask_sources import other_masks
    from pipelines.run import run_cohort
    from pipelines.summary import print_summary
    from resources.home import store_url
    from resources.object_store import ObjectStore

    translator = overrides.setdefault("translator", {})
    if all_arms:
        from assets.translation.arms import every_arm
        from pipelines.cohort_files import peers_of

        translator.setdefault("arms", every_arm(peers_of(name, overrides)))
    if seeds > 1:
        translator.setdefault("seeds", list(range(seeds)))
    try:
        overrides = checked_settings(name, overrides)
        tag = run_cohort(
            name, overrides, lambda line: shown.print(line, markup=False), until=until, retry_failed=retry_failed
        )
    except (RunFailed, CohortProblem) as failure:
        raise stop(str(failure)) from None
    print_summary(name, tag, shown)
    if (noted := taken(name)) and (beware := other_masks(ObjectStore(store_url()), name, noted.model)):
        shown.print(beware, style="yellow", markup=False)


@app.command()
def ui(
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1")] = DEFAULT_PORT,
) -> None:
    """Start Dagster's web server and daemon on loopback, with this installation's home."""
    prepare()
    root = Path(__file__).resolve().parents[1]
    command = [
        str(Path(sys.executable).with_name("dagster")),
        "dev",
        *("--host", "127.0.0.1"),
        *("--port", str(port)),
        *("--workspace", str(root / "workspace.yaml")),
    ]
    shown.print(f"home: {home()}\nopen: http://127.0.0.1:{port}")
    raise typer.Exit(subprocess.run(command, check=False, cwd=root).returncode)


@app.command()
def cohorts() -> None:
    """List the declared cohorts, and the files that were left out with the reason."""
    from pipelines.cohort_files import declared

    table = Table("cohort", "title", "shards", "problem")
    found = declared()
    for item in found:
        if not item.is_fold:
            table.add_row(item.name, item.title, str(item.shards), item.problem)
    shown.print(table)
    if folds := [item.name for item in found if item.is_fold]:
        shown.print(f"folds of studies, not listed: {len(folds)}, such as {folds[0]}", markup=False)
    shown.print(f"more folders of cohort files: {COHORTS_VARIABLE}")


@app.command()
def where(
    cohort: Annotated[str, typer.Argument(help="Name of a cohort")],
    row: Annotated[int, typer.Argument(help="Row number, as reasons and manifests name it")],
) -> None:
    """Print the source file of a row: its name may tell the patient, so nothing else prints it."""
    from pipelines.cohort_files import CohortProblem, source_file

    try:
        shown.print(source_file(cohort, row), markup=False)
    except CohortProblem as problem:
        raise stop(str(problem)) from None


@app.command()
def settings(
    stage: Annotated[str | None, typer.Argument(help="Name of a stage; all by default")] = None,
) -> None:
    """List the settings of the stages with their defaults."""
    from pipelines.settings import STAGE_SETTINGS
    from resources.stage_config import config_schema

    if stage is not None and stage not in STAGE_SETTINGS:
        raise stop(f"there is no stage {stage!r}; the stages are: {', '.join(STAGE_SETTINGS)}")
    for name, model in STAGE_SETTINGS.items():
        if stage in (None, name):
            shown.print(f"[bold]{name}[/]")
            for setting, field in config_schema(model).items():
                shown.print(f"  {setting}: {field.description}", markup=False)


@app.command()
def schema() -> None:
    """Print the JSON Schema of a cohort file."""
    from assets.radiographs.declaration import schema as declaration_schema

    typer.echo(json.dumps(declaration_schema(), indent=2))


app.command()(export)
app.command()(gc)
app.command()(lineage)
app.command()(score)
app.command()(forget)
app.command()(status)
app.command()(study)
app.command()(verify)


if __name__ == "__main__":
    app()
