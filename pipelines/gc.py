"""`pseudopair gc`: what no current manifest needs and nobody has used for some days is removed from the store."""

import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pipelines.gc_needs import Needs, Objects, needs_of, objects_in
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
        sizes: bytes of each path.
        unknown: objects that are none of the store's; they stay.
        pointers: tag of each place's pointer when this was found out.
    """

    paths: dict[tuple[str, Kind], list[str]]
    sizes: dict[str, int]
    unknown: list[str]
    pointers: dict[Place, str]

    def lines(self) -> list[tuple[str, str, int, float]]:
        """Stage, kind, objects and MiB."""
        return [
            (stage, kind, len(paths), sum(self.sizes[path] for path in paths) / 2**20)
            for (stage, kind), paths in sorted(self.paths.items())
        ]


def find_garbage(store: ObjectStore, keep_days: int, now: float | None = None) -> Garbage:
    """What can go from a store.

    A manifest goes when it is not current, no current pointer names it as what it was made from, and another one took
    its place `keep_days` ago; an artefact when no manifest that stays names it; a cached file when there is a newer
    one; a checkpoint as it is: all of these no younger than `keep_days`. Pictures that no pointer names, and
    temporary files of writers that were killed, go after a day.

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
    sizes = {path: objects.stamps[path][0] for paths in found.values() for path in paths}
    return Garbage(dict(found), sizes, objects.of_kind("unknown"), needs.pointers)


def _unused(objects: Objects, needs: Needs, before: float, yesterday: float) -> list[str]:
    of_days: tuple[Kind, ...] = ("manifest", "artifact", "cache", "checkpoint")
    of_a_day: tuple[Kind, ...] = ("picture", "temporary")
    old = {**dict.fromkeys(of_days, before), **dict.fromkeys(of_a_day, yesterday)}
    return [
        path
        for path, which in objects.known.items()
        if which.kind in old and objects.stamps[path][1] < old[which.kind] and path not in needs.paths
    ]


def remove(store: ObjectStore, garbage: Garbage) -> list[Place]:
    """Remove what was found; places that a run has published to since then are left alone, and returned."""
    busy = {place for place, tag in garbage.pointers.items() if pointer_version(store, place) != tag}
    folders = tuple(f"{place.folder}/" for place in busy)
    paths = [path for group in garbage.paths.values() for path in group if not path.startswith(folders)]
    with ThreadPoolExecutor(1 if store.is_local else DELETING) as pool:
        list(pool.map(store.delete, paths))
    return sorted(busy, key=str)
