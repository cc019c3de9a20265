"""`pseudopair gc`."""

from typing import Annotated

import typer
from rich.table import Table

from pipelines.commands.common import prepare, shown, stop

SHOWN_UNKNOWN = 20


def gc(
    keep_days: Annotated[
        int, typer.Option(min=1, help="What was current, or was written, in the last so many days stays")
    ],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed")] = False,
) -> None:
    """Remove what no current manifest needs and nobody has used for some days; current manifests stay whole."""
    prepare()
    import dagster as dg

    from pipelines.gc import find_garbage, remove, require_idle
    from pipelines.gc_needs import GarbageError
    from resources.home import store_url
    from resources.manifests import Place
    from resources.object_store import ObjectStore

    store = ObjectStore(store_url())
    busy: list[Place] = []
    try:
        if not dry_run:
            with dg.DagsterInstance.get() as instance:
                require_idle(instance)
        garbage = find_garbage(store, keep_days)
        if not dry_run:
            garbage, busy = remove(store, garbage)
    except GarbageError as error:
        raise stop(str(error)) from None
    except OSError as error:
        raise stop(f"the store cannot be read or changed: {error}; what was not removed goes next time") from None
    table = Table("stage", "what", "objects", "MiB")
    for stage, kind, count, mib in garbage.lines():
        table.add_row(stage, kind, str(count), f"{mib:.1f}")
    total = sum(line[2] for line in garbage.lines()), sum(line[3] for line in garbage.lines())
    shown.print(f"store: {store_url()}")
    shown.print(table)
    shown.print(f"{'would remove' if dry_run else 'removed'}: {total[0]} objects, {total[1]:.1f} MiB")
    if busy:
        shown.print(f"left alone, a run was publishing: {', '.join(map(str, busy))}", markup=False)
    if garbage.unknown:
        names = ", ".join(garbage.unknown[:SHOWN_UNKNOWN])
        shown.print(f"not of this store, left alone: {len(garbage.unknown)} objects, such as {names}", markup=False)
