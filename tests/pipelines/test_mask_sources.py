from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.mask_sources import mask_shares, other_masks
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

OWN, LENDER = "tbx11k", "shenzhen"


def put(store: ObjectStore, cohort: str, *sources: str) -> None:
    rows = [{"mask_source": source, "status": "ok"} for source in sources]
    rejected = {"mask_source": "pbtseg", "status": "rejected"}
    publish(store, Place("lung_masks", f"{cohort}/0"), pa.Table.from_pylist([*rows, rejected]), {})


def test_shares_are_of_usable_masks(home: Path, local_store: ObjectStore) -> None:
    put(local_store, OWN, "trained", "supplied", "trained", "trained")
    assert mask_shares(local_store, OWN) == {"trained": 0.75, "supplied": 0.25}
    assert mask_shares(local_store, LENDER) == mask_shares(local_store, "nowhere") == {}


@pytest.mark.parametrize(
    ("own", "theirs", "told"),
    [
        (["trained"], ["trained"], False),
        (["trained"] * 19 + ["pbtseg"], ["trained"], False),
        (["trained"] * 8 + ["pbtseg"] * 2, ["trained"], True),
        (["trained"], ["supplied"] * 9 + ["trained"], True),
        ([], ["supplied"], False),
        (["trained"], [], False),
    ],
)
def test_masks_from_elsewhere_than_the_lenders_are_told(
    home: Path, local_store: ObjectStore, own: list[str], theirs: list[str], *, told: bool
) -> None:
    put(local_store, OWN, *own)
    put(local_store, LENDER, *theirs)
    said = other_masks(local_store, OWN, f"{LENDER}@0123abcd")
    assert bool(said) is told
    assert not told or "set lung_masks.sources in the cohort's file" in said
