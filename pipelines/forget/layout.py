"""What lies in a store, by place: also what no pointer names, and what killed writers left."""

import re
from dataclasses import dataclass

from pipelines.stages import STAGES
from resources.manifests import Place, read_pointer
from resources.object_store import ObjectStore

_SHARDED = {stage.name for stage in STAGES if stage.level == "shard"}
_ORDER = {stage.name: number for number, stage in enumerate(STAGES)}
_PATH = re.compile(r"stages/([^/]+)/([^/]+)(?:/([^/]+))?/")
_MANIFEST = re.compile(r"/manifests/([0-9a-f]{64})\.parquet$")


@dataclass(frozen=True)
class Layout:
    """Objects of a store by place, places in the order of the stages.

    Attributes:
        objects: place -> paths below the store's root, temporary files among them.
    """

    objects: dict[Place, tuple[str, ...]]

    def manifests(self, place: Place) -> list[str]:
        """Digests of all manifests of a place, current and earlier ones."""
        found = (_MANIFEST.search(path) for path in self.objects[place])
        return sorted(match[1] for match in found if match)


def layout(store: ObjectStore) -> Layout:
    """List a whole store."""
    found: dict[Place, list[str]] = {}
    for path in sorted(store.stamps("stages")):
        match = _PATH.match(path)
        if match:
            stage, cohort, shard = match.groups()
            partition = f"{cohort}/{shard}" if stage in _SHARDED and shard else cohort
            found.setdefault(Place(stage, partition), []).append(path)
    places = sorted(found, key=lambda place: (_ORDER.get(place.stage, len(_ORDER)), place.stage, place.partition))
    return Layout({place: tuple(found[place]) for place in places})


def pointers(store: ObjectStore, places: Layout) -> dict[Place, dict[str, object]]:
    """Pointers of all places that have one."""
    found = {place: read_pointer(store, place) for place in places.objects}
    return {place: pointer for place, pointer in found.items() if pointer is not None}
