"""Who withdrew: one small JSON object a patient, `withdrawn/<pseudonym>.json`, which keeps the patient out for good."""

from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from resources.object_store import ObjectStore
from resources.variants import same_images

FOLDER = "withdrawn"
Pseudonym = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{24}$")]


class WithdrawnError(ValueError):
    """A tombstone cannot be read: who has to stay out is then unknown, and nothing may be ingested."""


class Tombstone(BaseModel):
    """What is kept of a patient who was removed: enough to know the images again, nothing that shows or names them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient: Pseudonym = Field(description="pseudonym, 24 hexadecimal characters")
    radiographs: tuple[str, ...] = Field(default=(), description="identities of the decoded pixels")
    files: tuple[str, ...] = Field(default=(), description="SHA-256 of the source files")
    withdrawn_at: str = Field(description="when the removal was asked for, ISO 8601, UTC")
    completed_at: str = Field(default="", description="when the removal was done; empty while it is not")
    cohorts: tuple[str, ...] = Field(default=(), description="cohorts that the patient was removed from")
    counts: dict[str, int] = Field(default_factory=dict, description="stage -> rows removed")
    partitions: tuple[str, ...] = Field(default=(), description="shards and cohorts that are to be free of the patient")
    only_in: tuple[str, ...] = Field(
        default=(), description="cohorts that the removal was limited to, by one whose ids are its own; empty for all"
    )
    models: tuple[str, ...] = Field(default=(), description="models that were fitted with the patient, marked since")
    manifests: tuple[str, ...] = Field(
        default=(), description="digests of the manifests of those models, which nobody may borrow any more"
    )

    @property
    def path(self) -> str:
        """Path below the store's root."""
        return f"{FOLDER}/{self.patient}.json"

    def joined(self, earlier: "Tombstone | None") -> "Tombstone":
        """This one with what an earlier tombstone of the same patient knows; a removal may be asked for twice."""
        if earlier is None:
            return self
        return self.model_copy(
            update={
                "withdrawn_at": earlier.withdrawn_at,
                # A removal that was cut off and is taken up again finds fewer rows than there were.
                "counts": {
                    name: max(earlier.counts.get(name, 0), self.counts.get(name, 0))
                    for name in sorted({*earlier.counts, *self.counts})
                },
                "only_in": tuple(sorted({*earlier.only_in, *self.only_in})) if earlier.only_in and self.only_in else (),
                **{
                    name: tuple(sorted({*getattr(earlier, name), *getattr(self, name)}))
                    for name in ("radiographs", "files", "cohorts", "partitions", "models", "manifests")
                },
            }
        )


@dataclass(frozen=True)
class Withdrawn:
    """What must not come in again.

    Attributes:
        patients: pseudonyms.
        radiographs: identities of decoded pixels.
        files: SHA-256 of source files.
    """

    patients: frozenset[str]
    radiographs: frozenset[str]
    files: frozenset[str]


def tombstones(store: ObjectStore) -> list[Tombstone]:
    """Every tombstone of the store, the earliest first.

    Raises:
        WithdrawnError: one is not readable.
    """
    found = [_parsed(path, store.read(path)) for path in sorted(store.find(FOLDER)) if path.endswith(".json")]
    return sorted(found, key=lambda tombstone: (tombstone.withdrawn_at, tombstone.patient))


def tombstone_of(store: ObjectStore, patient: str) -> Tombstone | None:
    """The tombstone of a pseudonym, None where there is none.

    Raises:
        WithdrawnError: it is not readable.
    """
    path = f"{FOLDER}/{patient}.json"
    data = store.read_or_none(path)
    return None if data is None else _parsed(path, data)


def withdrawn(store: ObjectStore, cohort: str | None = None) -> Withdrawn:
    """What the tombstones of the store keep out; empty sets where there is none.

    Args:
        store: the artefact store.
        cohort: leave out pseudonyms that withdrew from other cohorts only: there, the same id is somebody else. Their
            pixels and files stay out everywhere.

    Raises:
        WithdrawnError: a tombstone is not readable.
    """
    found = tombstones(store)
    names = same_images(cohort) if cohort else frozenset()
    return Withdrawn(
        patients=frozenset(
            tombstone.patient
            for tombstone in found
            if not (cohort and tombstone.only_in) or names.intersection(tombstone.only_in)
        ),
        radiographs=frozenset(item for tombstone in found for item in tombstone.radiographs),
        files=frozenset(item for tombstone in found for item in tombstone.files),
    )


def withdrawn_manifests(store: ObjectStore) -> frozenset[str]:
    """Digests of the manifests of models that somebody was in who withdrew.

    Raises:
        WithdrawnError: a tombstone is not readable.
    """
    return frozenset(digest for tombstone in tombstones(store) for digest in tombstone.manifests)


def write_tombstone(store: ObjectStore, tombstone: Tombstone) -> None:
    """Create or replace a patient's tombstone."""
    store.write(tombstone.path, tombstone.model_dump_json(indent=1).encode())


def _parsed(path: str, data: bytes) -> Tombstone:
    try:
        return Tombstone.model_validate_json(data)
    except ValidationError:
        # The error's own text would quote the object.
        raise WithdrawnError(
            f"{path}: expected the tombstone of a withdrawn patient, found something else; restore it from a backup, "
            "nothing is ingested while it cannot be read"
        ) from None
