"""What every command begins and ends with: the installation's variables, and one way to stop with a message."""

import os

import typer
from rich.console import Console
from rich.markup import escape

from resources.home import (
    COHORTS_VARIABLE,
    DATA_VARIABLE,
    HOME_VARIABLE,
    STORE_VARIABLE,
    data_root,
    home,
    prepare_dagster_home,
    store_url,
)

shown = Console(highlight=False, soft_wrap=True)


def prepare() -> None:
    """Make the installation's places absolute, for this process and those that it starts."""
    # Child processes run in another folder, and the default home is relative to this one.
    os.environ[HOME_VARIABLE] = str(home())
    os.environ[DATA_VARIABLE] = data_root()
    os.environ[STORE_VARIABLE] = store_url()
    if os.environ.get(COHORTS_VARIABLE):
        named = os.environ[COHORTS_VARIABLE].split(os.pathsep)
        os.environ[COHORTS_VARIABLE] = os.pathsep.join(os.path.abspath(folder) for folder in named if folder)
    # Waiting OpenMP threads that spin starve each other on a busy machine.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("DAGSTER_HOME", str(prepare_dagster_home()))


def stop(message: str) -> typer.Exit:
    """Say why on standard error; the exit is to be raised."""
    # A partition such as [phantom/0] in the message is no markup.
    Console(stderr=True, highlight=False, soft_wrap=True).print(f"[bold red]stopped[/]: {escape(message)}")
    return typer.Exit(1)
