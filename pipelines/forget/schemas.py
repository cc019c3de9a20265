"""Schema of each stage's manifest, as the stage itself writes it."""

import pyarrow as pa

from assets.tables.alignment import (
    LUNG_MASKS,
    LUNG_SEGMENTER,
    PEER_REGISTERED,
    PREALIGNED,
    RADIOGRAPHS,
    REFERENCE_LUNG,
    REGISTERED,
    REGISTRATION_MODEL,
    REGISTRATION_PEERS,
    REGISTRATION_REPORT,
)
from assets.tables.localisation import LOCALISATION, LOCALISATION_SUMMARY
from assets.tables.scores import EVALUATION, IMAGE_SCORES, LEAK_CONTROL, SHORTCUTS
from assets.tables.study import STUDY_TABLE
from assets.tables.translation import ANOMALY_MAPS, NORMAL_MAPS, PSEUDO_PAIRS, TRANSLATOR

SCHEMAS = {
    "radiographs": RADIOGRAPHS,
    "lung_segmenter": LUNG_SEGMENTER,
    "lung_masks": LUNG_MASKS,
    "reference_lung": REFERENCE_LUNG,
    "prealigned_radiographs": PREALIGNED,
    "registration_model": REGISTRATION_MODEL,
    "registered_radiographs": REGISTERED,
    "registration_peers": REGISTRATION_PEERS,
    "peer_registered": PEER_REGISTERED,
    "pseudo_pairs": PSEUDO_PAIRS,
    "translator": TRANSLATOR,
    "normal_maps": NORMAL_MAPS,
    "anomaly_maps": ANOMALY_MAPS,
    "localisation": LOCALISATION,
    "shortcut_audit": SHORTCUTS,
    "evaluation": EVALUATION,
    "localisation_summary": LOCALISATION_SUMMARY,
    "image_scores": IMAGE_SCORES,
    "leak_control": LEAK_CONTROL,
    "registration_report": REGISTRATION_REPORT,
    "study_table": STUDY_TABLE,
}


def as_written(stage: str, table: pa.Table) -> pa.Table:
    """A table that was read from a manifest with its stage's schema, as it is where its columns are others.

    Parquet has its own name for the items of a list: written as read, equal rows would get another digest.
    """
    schema = SCHEMAS.get(stage)
    return table.cast(schema) if schema is not None and schema.names == table.column_names else table
