"""Schema of each stage's manifest, as the stage itself writes it."""

import pyarrow as pa

from assets import tables

SCHEMAS = {
    "radiographs": tables.RADIOGRAPHS,
    "lung_segmenter": tables.LUNG_SEGMENTER,
    "lung_masks": tables.LUNG_MASKS,
    "reference_lung": tables.REFERENCE_LUNG,
    "prealigned_radiographs": tables.PREALIGNED,
    "registration_model": tables.REGISTRATION_MODEL,
    "registered_radiographs": tables.REGISTERED,
    "registration_peers": tables.REGISTRATION_PEERS,
    "peer_registered": tables.PEER_REGISTERED,
    "pseudo_pairs": tables.PSEUDO_PAIRS,
    "translator": tables.TRANSLATOR,
    "normal_maps": tables.NORMAL_MAPS,
    "anomaly_maps": tables.ANOMALY_MAPS,
    "localisation": tables.LOCALISATION,
    "shortcut_audit": tables.SHORTCUTS,
    "evaluation": tables.EVALUATION,
    "localisation_summary": tables.LOCALISATION_SUMMARY,
    "image_scores": tables.IMAGE_SCORES,
    "leak_control": tables.LEAK_CONTROL,
    "registration_report": tables.REGISTRATION_REPORT,
    "study_table": tables.STUDY_TABLE,
}


def as_written(stage: str, table: pa.Table) -> pa.Table:
    """A table that was read from a manifest with its stage's schema, as it is where its columns are others.

    Parquet has its own name for the items of a list: written as read, equal rows would get another digest.
    """
    schema = SCHEMAS.get(stage)
    return table.cast(schema) if schema is not None and schema.names == table.column_names else table
