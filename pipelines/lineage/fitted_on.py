"""Which rows a model was fitted on: keys of the rows of some stage, kept in the model's own artefact."""

from typing import Any

import numpy as np

from pipelines.lineage.reading import Row
from resources.arrays import CorruptArtifact, decode
from resources.manifests import fingerprint
from resources.object_store import ObjectStore

# As resources.fitted writes it, which would load torch.
FITTED_ON = "fitted_on"
# Stage of each model -> per-image stage whose rows' keys it keeps.
FITTED_STAGES = {
    "lung_segmenter": "radiographs",
    "reference_lung": "lung_masks",
    "registration_model": "prealigned_radiographs",
    "registration_peers": "lung_masks",
}


# The most networks that a cross-fitted segmenter may have, so the numbers that a patient's part may be.
PARTS = 10


def keys_as_fitted(model: str, row: dict[str, Any]) -> set[str]:
    """The keys under which a model's artefact may know a row.

    Args:
        model: the model's stage.
        row: of the stage in FITTED_STAGES: key, split and domain.
    """
    if model != "lung_segmenter":
        return {str(row["key"])}
    # The segmenter takes a radiograph that changed its part or its domain for another example.
    known = [row["key"], row["split"], row["domain"]]
    return {fingerprint(known), *(fingerprint([*known, part]) for part in range(PARTS))}


def fitted_keys(store: ObjectStore, model: Row) -> frozenset[str]:
    """Keys of the rows that a model was fitted on; none where its artefact cannot be read or keeps none."""
    data = store.read_or_none(model["artifact"]) if model["artifact"] else None
    try:
        keys = decode(data).get(FITTED_ON) if data else None
    except CorruptArtifact:
        return frozenset()
    return frozenset() if keys is None else frozenset(bytes(key).hex() for key in np.asarray(keys, np.uint8))
