"""One run of a study's asset: it reads manifests of several cohorts and publishes under the study's name."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from resources.failures import recorded
from resources.manifests import Place, pointer_version
from resources.progress import steadfast
from resources.removals import removals
from resources.stage_run import StageRun, Store
from resources.studies import study_named


@dataclass
class StudyRun(StageRun):
    """What a study's adapter needs while it runs; `cohort` is the study's name.

    Attributes:
        members: cohorts that it reads.
    """

    members: Sequence[str] = ()

    def withdrawals(self) -> frozenset[str]:
        """Removals of patients from any of the members."""
        return frozenset().union(*(removals(self.store, member) for member in self.members))


@contextmanager
def study_run(
    context: dg.AssetExecutionContext, store: Store, version: str, members: Sequence[str]
) -> Iterator[StudyRun]:
    """Open a run of a study's asset in `context`; as `stage_run`, for a partition that is no cohort's.

    Args:
        context: of the asset; its partition key is the study's name.
        store: where manifests lie.
        version: of the asset's algorithm.
        members: cohorts that it will read; a removal of a patient from one of them meanwhile keeps it from publishing.
    """
    stage, study = context.asset_key.to_user_string(), context.partition_key
    run = StudyRun(
        store=store.objects(),
        stage=stage,
        version=version,
        partition=study,
        cohort=study,
        mapping=study_named(study).mapping,
        launched=dict(context.op_execution_context.op_config or {}),
        run_id=context.run.run_id,
        expected=pointer_version(store.objects(), Place(stage, study)),
        progress=steadfast(context.log.info),
        members=members,
    )
    run.removals = run.withdrawals()
    with recorded(run.store, run.place, run.run_id, run.progress):
        yield run
