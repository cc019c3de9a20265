"""Partitions made from the files of cohorts and studies: one key a cohort for models, a shard for images, a study.

They live here and not in `pipelines`: assets name their partitions where they are defined and import only downwards.
"""

import dagster as dg

from resources.catalogue import entries, shard_names
from resources.studies import study_entries, study_of

_USABLE = [entry for entry in entries() if not entry.problem]
SHARDS_BY_COHORT = {entry.name: shard_names(entry.mapping) for entry in _USABLE}
# Cohorts that hold another one's images under another split.
VARIANTS = frozenset(entry.name for entry in _USABLE if entry.mapping.get("variant_of"))

COHORTS = dg.StaticPartitionsDefinition(sorted(SHARDS_BY_COHORT))
SHARDS = dg.StaticPartitionsDefinition(sorted(shard for shards in SHARDS_BY_COHORT.values() for shard in shards))

STUDIES = dg.StaticPartitionsDefinition(sorted(entry.name for entry in study_entries()))

COHORT_OF_SHARD = dg.StaticPartitionMapping(
    {shard: cohort for cohort, shards in SHARDS_BY_COHORT.items() for shard in shards}
)
SHARDS_OF_COHORT = dg.StaticPartitionMapping(SHARDS_BY_COHORT)
_STUDIES = {cohort: study for cohort in SHARDS_BY_COHORT if (study := study_of(cohort)) is not None}
# Cohorts that a study made, and trains itself.
FOLDS = frozenset(_STUDIES)
STUDY_OF_FOLD = dg.StaticPartitionMapping(_STUDIES)


def all_shards_of(asset: str) -> dg.AssetDep:
    """Dependency of a cohort's model on every shard of a per-image stage."""
    return dg.AssetDep(asset, partition_mapping=COHORT_OF_SHARD)


def cohort_model(asset: str) -> dg.AssetDep:
    """Dependency of a shard on a model of its cohort."""
    return dg.AssetDep(asset, partition_mapping=SHARDS_OF_COHORT)


def folds_of(asset: str) -> dg.AssetDep:
    """Dependency of a study on a model of every one of its fold cohorts."""
    return dg.AssetDep(asset, partition_mapping=STUDY_OF_FOLD)


def cohort_of(partition: str) -> str:
    """Cohort of a shard or cohort key."""
    return partition.partition("/")[0]
