"""Pictures that a stage shows beside its manifest: drawn once for each manifest, then read again."""

from collections.abc import Callable
from typing import Any

from resources.manifests import Place
from resources.object_store import ObjectStore

Pictures = Callable[[], dict[str, bytes]]


def drawn_pictures(
    store: ObjectStore,
    place: Place,
    before: dict[str, Any] | None,
    digest: str,
    settings: dict[str, Any],
    draw: Pictures,
) -> dict[str, bytes]:
    """Pictures of a manifest, from the store where they were drawn for the same manifest and settings.

    Args:
        store: where pictures are kept.
        place: the stage and partition.
        before: the pointer of the run before; None at the first.
        digest: of the manifest that is to be pictured.
        settings: of the stage in this run.
        draw: draws them: PNG bytes by name.
    """
    if before and (before["digest"], before["settings"]) == (digest, settings):
        stored = stored_pictures(store, place, before)
        if stored is not None:
            return stored
    drawn = draw()
    for name, png in drawn.items():
        store.write(place.picture(name), png)
    return drawn


def stored_pictures(store: ObjectStore, place: Place, pointer: dict[str, Any]) -> dict[str, bytes] | None:
    """All pictures that a pointer names, PNG bytes by name; None where one of them is gone."""
    found = {name: store.read_or_none(place.picture(name)) for name in pointer["pictures"]}
    there = {name: png for name, png in found.items() if png is not None}
    return there if len(there) == len(found) else None
