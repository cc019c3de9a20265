"""Whether this code understands a lender's models."""

from pipelines.borrowing.lender import MODELS, BorrowingError, remade
from pipelines.borrowing.settings import FIXED
from resources.generation import Generation


def require_version(cohort: str, generation: Generation) -> None:
    """Refuse models of another version of a stage that makes, prepares or scores: they may not be understood.

    Raises:
        BorrowingError: there is one; the message names the stage.
    """
    # Importing this reads which cohorts are declared.
    from pipelines.versions import VERSIONS

    for stage in dict.fromkeys((*FIXED, "lung_masks", *MODELS)):
        found = generation.versions.get(stage, VERSIONS[stage])
        if found != VERSIONS[stage]:
            raise BorrowingError(
                f"the {stage} of {cohort} is of version {found}, this is {VERSIONS[stage]}; run {remade(cohort)}"
            )
