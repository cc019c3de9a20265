"""What an object of the store is, by its path alone; the folders are told in `manifests`."""

import re
from dataclasses import dataclass
from typing import Literal

from resources.local_files import LOCK
from resources.manifests import Place
from resources.tombstones import FOLDER as WITHDRAWN

Kind = Literal[
    "pointer", "record", "manifest", "artifact", "picture", "cache", "checkpoint", "temporary", "kept", "unknown"
]
_PLACE = re.compile(r"stages/(?P<stage>\w+)/(?P<partition>[a-z0-9_-]+(?:/\d+)?)/(?P<rest>.+)")
_IN_PLACE: dict[Kind, re.Pattern[str]] = {
    "pointer": re.compile(r"CURRENT\.json"),
    # Besides records, caches that their stages themselves keep small.
    "record": re.compile(
        r"FAILED\.json|report\.html|table\.md|descriptors/\w+\.safetensors|sources/[0-9a-f]+\.parquet|"
        r"models/[0-9a-f]+\.json|overlays/(?:[0-9a-f]+\.png|made\.json)"
    ),
    "manifest": re.compile(r"manifests/[0-9a-f]+\.parquet"),
    "artifact": re.compile(r"artifacts/[0-9a-f]{2}/[0-9a-f]+\.safetensors"),
    "picture": re.compile(r"pictures/[^/]+\.png"),
    "cache": re.compile(r"sharpness/[0-9a-f]+\.json"),
}
_CHECKPOINT = re.compile(r"checkpoints/[0-9a-f]+\.safetensors")


@dataclass(frozen=True)
class Known:
    """What an object is, and the stage and partition that it belongs to (None outside of `stages`)."""

    kind: Kind
    place: Place | None = None


def known(path: str) -> Known:
    """What an object is by its path below the store's root; `kept` is what belongs to no stage and is never removed."""
    if path == LOCK or path.startswith(f"{WITHDRAWN}/"):
        return Known("kept")
    match = _PLACE.fullmatch(path)
    place = Place(match["stage"], match["partition"]) if match else None
    if place is None and not path.startswith("checkpoints/"):
        return Known("unknown")
    if path.rpartition("/")[2].startswith("."):
        return Known("temporary", place)
    if match is None:
        return Known("checkpoint" if _CHECKPOINT.fullmatch(path) else "unknown")
    kinds = (kind for kind, pattern in _IN_PLACE.items() if pattern.fullmatch(match["rest"]))
    return Known(next(kinds, "unknown"), place)
