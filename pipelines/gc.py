"""`pseudopair gc`: what no current manifest needs and nobody has used for some days is removed from the store."""

import time
from collections import defaultdict
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import dagster as dg

from pipelines.dead_runs import GOING, close_dead_runs
from pipelines.forget.event_log import PARTITION_TAG
from pipelines.gc_needs import GarbageError, Needs, Objects, needs_of, objects_in
from resources.layout import Kind
from resources.manifests import Place, pointer_version
from resources.object_store import ObjectStore

DAY = 86_400.0
# Whatever a run that is going on has written is younger.
SHORTEST_DAYS = 1
DELETING = 16


@dataclass(frozen=True)
class Garbage:
    """What can go.

    Attributes:
        paths: by stage (`checkpoints` for those) and kind.
        stamps: bytes and time of writing (s since 1970) of each path.
        unknown: objects that are none of the store's; they stay.
        pointers: tag of each place's pointer when this was found out.
    """

    paths: dict[tuple[str, Kind], list[str]]
    stamps: dict[str, tuple[int, float]]
    unknown: list[str]
    pointers: dict[Place, str]

    def lines(self) -> list[tuple[str, str, int, float]]:
        """Stage, kind, objects and MiB."""
        return [
            (stage, kind, len(paths), sum(self.stamps[path][0] for path in paths) / 2**20)
            for (stage, kind), paths in sorted(self.paths.items())
            if paths
        ]

    def without(self, spared: Collection[str]) -> "Garbage":
        """The same but for some paths."""
        paths = {group: [path for path in each if path not in spared] for group, each in self.paths.items()}
        return replace(self, paths=paths)


def find_garbage(store: ObjectStore, keep_days: int, now: float | None = None) -> Garbage:
    """What can go from a store.

    A manifest goes when it is not current, no current pointer names it as what it was made from, and another one took
    its place `keep_days` ago; an artefact when no manifest that stays names it; a cached file when there is a newer
    one; a checkpoint as it is: all of these no younger than `keep_days`. Pictures that no pointer names, and
    temporary files of writers that were killed, go after a day. All that lies at a shard which its cohort no longer
    has, by the declaration known here, goes when it has stood still for `keep_days` and nothing current was made from
    it.

    Args:
        store: the object store.
        keep_days: at least SHORTEST_DAYS.
        now: s since 1970; the present by default.

    Raises:
        ValueError: `keep_days` is fewer.
        GarbageError: a manifest or pointer that stays cannot be read, so what it needs is not known.
    """
    if keep_days < SHORTEST_DAYS:
        raise ValueError(f"expected at least {SHORTEST_DAYS} day to be kept, got {keep_days}: a run may be going on")
    present = time.time() if now is None else now
    objects = objects_in(store)
    needs = needs_of(store, objects, present - keep_days * DAY)
    found: dict[tuple[str, Kind], list[str]] = defaultdict(list)
    for path in _unused(objects, needs, present - keep_days * DAY, present - DAY):
        which = objects.known[path]
        found[which.place.stage if which.place else "checkpoints", which.kind].append(path)
    stamps = {path: objects.stamps[path] for paths in found.values() for path in paths}
    return Garbage(dict(found), stamps, objects.of_kind("unknown"), needs.pointers)


def _unused(objects: Objects, needs: Needs, before: float, yesterday: float) -> list[str]:
    of_days: tuple[Kind, ...] = ("manifest", "artifact", "cache", "checkpoint")
    of_a_day: tuple[Kind, ...] = ("picture", "temporary")
    old = {**dict.fromkeys(of_days, before), **dict.fromkeys(of_a_day, yesterday)}
    whole = {**old, "pointer": before, "record": before}
    return [
        path
        for path, which in objects.known.items()
        if which.kind in (kinds := whole if which.place in needs.left else old)
        and objects.stamps[path][1] < kinds[which.kind]
        and path not in needs.paths
    ]


def require_idle(instance: dg.DagsterInstance) -> None:
    """See that no run of this installation is under way: it may have taken up what no manifest names yet.

    Raises:
        GarbageError: one is.
    """
    close_dead_runs(instance)
    runs = instance.get_runs(dg.RunsFilter(statuses=[*GOING, dg.DagsterRunStatus.CANCELING]))
    if going := [run.run_id for run in runs if PARTITION_TAG in run.tags]:
        raise GarbageError(
            f"{len(going)} runs are under way ({going[0][:8]} in the UI); wait for their end, or end them, and ask "
            "again: nothing was removed"
        )


def remove(store: ObjectStore, garbage: Garbage) -> tuple[Garbage, list[Place]]:
    """Remove what was found, but for what a run of another installation has written or taken up since then.

    Returns:
        What was removed, and the places that were left alone since a run has published to them.
    """
    busy = {place for place, tag in garbage.pointers.items() if pointer_version(store, place) != tag}
    folders = tuple(f"{place.folder}/" for place in busy)
    stamps, found = store.stamps(""), garbage.stamps
    paths = [path for group in garbage.paths.values() for path in group]
    spared = {path for path in paths if path.startswith(folders) or stamps.get(path) != found[path]}
    removed = garbage.without(spared)
    # Pointers first: one that is left over by a cut must not lead nowhere.
    pointers = [path for (_, kind), group in removed.paths.items() if kind == "pointer" for path in group]
    others = [path for (_, kind), group in removed.paths.items() if kind != "pointer" for path in group]
    with ThreadPoolExecutor(1 if store.is_local else DELETING) as pool:
        list(pool.map(store.delete, pointers))
        list(pool.map(store.delete, others))
    return removed, sorted(busy, key=str)
