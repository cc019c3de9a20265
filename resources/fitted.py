"""Models that are fitted once to a cohort and kept while what they were fitted on is still there."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from resources.arrays import Arrays, CorruptArtifact, decode, decode_columns, encode
from resources.incremental import Outcome
from resources.manifests import Place, digest_of, fingerprint, read_previous
from resources.object_store import ObjectStore

FITTED_ON = "fitted_on"
BORROWED_FROM = "borrowed_from"


@dataclass(frozen=True)
class FittedModel:
    """A model of a cohort and whether this run had to fit it.

    Attributes:
        row: manifest row (key, status, artifact, digest, recipe, own columns).
        arrays: the model's arrays.
        computed: whether it was fitted now.
        why: one sentence on why it was kept or fitted.
    """

    row: dict[str, Any]
    arrays: Arrays
    computed: bool
    why: str


def keep_or_fit(
    store: ObjectStore,
    place: Place,
    recipe: str,
    row_keys: Sequence[str],
    fit: Callable[[str], Outcome],
    *,
    present: Collection[str] | None = None,
    refit: bool = False,
) -> FittedModel:
    """Keep the cohort's model, take up one fitted earlier on exactly these rows, or fit it.

    New rows alone don't refit a model: it is kept while its recipe is unchanged and every row that it was fitted on
    is still there with the same key. A withdrawn, relabelled or re-segmented training row refits it.

    Args:
        store: the object store.
        place: stage and cohort.
        recipe: fingerprint of version, settings and upstream models.
        row_keys: keys of the present training rows.
        fit: fits the model; receives the model's key (for checkpoints).
        present: keys of all rows that the model could be fitted on, where `row_keys` are only some of them.
        refit: fit on the present rows even where the model could be kept.

    Raises:
        CorruptArtifact: the model was altered after it was written.
    """
    keys = sorted(row_keys)
    key = fingerprint({"recipe": recipe, "rows": keys})
    kept = None if refit else _kept(store, place, recipe, set(keys if present is None else present))
    if kept is not None:
        return kept
    path = place.artifact(key)
    data = store.read_or_none(path)
    if data is not None and not store.renew(path, data):
        data = store.read_or_none(path)
    computed = data is None
    if data is None:
        outcome = fit(key)
        fitted_on = np.frombuffer(bytes.fromhex("".join(keys)), dtype=np.uint8).reshape(-1, 16)
        data = encode({**(outcome.arrays or {}), FITTED_ON: fitted_on}, {**outcome.columns, "recipe": recipe})
        data = store.create(path, data)
    row = {
        **decode_columns(data),
        "key": key,
        "status": "ok",
        "reason": "",
        "artifact": path,
        "artifact_digest": digest_of(data),
    }
    why = "fitted on the present training rows" if computed else "fitted earlier on exactly these rows"
    return FittedModel(row, decode(data), computed, why)


def _kept(store: ObjectStore, place: Place, recipe: str, present: set[str]) -> FittedModel | None:
    table = read_previous(store, place)
    if table is None or table.num_rows != 1:
        return None
    row: dict[str, Any] = table.to_pylist()[0]
    # A row that was rejected, or taken over from another cohort, is no model of this recipe.
    own = row["recipe"] == recipe and row["artifact"] and not row.get(BORROWED_FROM)
    data = store.read_or_none(row["artifact"]) if own else None
    if data is None:
        return None
    if digest_of(data) != row["artifact_digest"]:
        # Were it passed over here, it would be taken up by its key below, alteration and all.
        raise CorruptArtifact(f"{row['artifact']} was altered after it was written; delete it and run its stage again")
    arrays = decode(data)
    if any(bytes(key).hex() not in present for key in arrays[FITTED_ON]):
        return None
    return FittedModel(row, arrays, False, "kept: every row that it was fitted on is unchanged")
