"""Partitions made from the cohort files: one key a cohort for models, one key a shard for per-image stages.

They live here and not in `pipelines`: assets name their partitions where they are defined and import only downwards.
"""

import dagster as dg

from resources.catalogue import entries, shard_names

SHARDS_BY_COHORT = {entry.name: shard_names(entry.mapping) for entry in entries() if not entry.problem}

COHORTS = dg.StaticPartitionsDefinition(sorted(SHARDS_BY_COHORT))
SHARDS = dg.StaticPartitionsDefinition(sorted(shard for shards in SHARDS_BY_COHORT.values() for shard in shards))

COHORT_OF_SHARD = dg.StaticPartitionMapping(
    {shard: cohort for cohort, shards in SHARDS_BY_COHORT.items() for shard in shards}
)
SHARDS_OF_COHORT = dg.StaticPartitionMapping(SHARDS_BY_COHORT)


def all_shards_of(asset: str) -> dg.AssetDep:
    """Dependency of a cohort's model on every shard of a per-image stage."""
    return dg.AssetDep(asset, partition_mapping=COHORT_OF_SHARD)


def cohort_model(asset: str) -> dg.AssetDep:
    """Dependency of a shard on a model of its cohort."""
    return dg.AssetDep(asset, partition_mapping=SHARDS_OF_COHORT)


def cohort_of(partition: str) -> str:
    """Cohort of a shard or cohort key."""
    return partition.partition("/")[0]
