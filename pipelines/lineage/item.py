"""What lineage is told in: items, each with what it was made from."""

from dataclasses import asdict, dataclass, field
from typing import Any

OK = "ok"
MISSING = "artefact missing"
ALTERED = "artefact altered"
OUTDATED = "no longer current"


@dataclass(frozen=True)
class Item:
    """One thing in the store, or a source file.

    Attributes:
        kind: what it is, e.g. `lung mask`.
        name: its id or key.
        state: ok, needs_review, rejected, failed, artefact missing, artefact altered, or no longer current.
        why: reason for a state that is not ok, or for a re-training to come.
        columns: its manifest row without what is null.
        manifest: place, digest, version, settings, Dagster run and time of the manifest that the row stands in.
        made_from: what it was made from.
    """

    kind: str
    name: str
    state: str = OK
    why: str = ""
    columns: dict[str, Any] = field(default_factory=dict)
    manifest: dict[str, Any] = field(default_factory=dict)
    made_from: tuple["Item", ...] = ()


@dataclass(frozen=True)
class Lineage:
    """The answer to one question.

    Attributes:
        asked: the kind of id that was given, and the id itself or its digest.
        items: what was found, each with all that it was made from.
        reached: what it went into: pairs, models, translators, scores, reports.
        store: root of the store.
    """

    asked: str
    items: tuple[Item, ...]
    reached: tuple[Item, ...]
    store: str

    def as_record(self) -> dict[str, Any]:
        """As JSON has it: `asked`, `store`, `items` nested by `made_from`, and `reached`."""
        return asdict(self)
