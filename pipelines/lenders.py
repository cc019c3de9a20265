"""Cohorts whose models others borrow: a segmenter's lender is run first, and who borrows translators trains none."""

from collections.abc import Mapping, Sequence
from typing import Any

from assets.alignments import LEARNED
from pipelines.launches import RunFailed
from pipelines.stages import Stage
from pipelines.versions import VERSIONS
from resources.borrowed import lends, wrong_lender
from resources.catalogue import entry_named
from resources.home import store_url
from resources.object_store import ObjectStore
from resources.partitions import SHARDS_BY_COHORT

SEGMENTER = "lung_segmenter"
TRANSLATOR = "translator"
PEER_FRAMES = "peer_registered"
AT_THE_END = ("registration_peers", "registration_report")
# Only of use where something is trained.
TRAINING_ONLY = ("pseudo_pairs", "registration_peers", "registration_report", "leak_control")


def stages_of(
    settings: Mapping[str, Mapping[str, Any]], stages: Sequence[Stage], overrides: Mapping[str, Any] | None = None
) -> list[Stage]:
    """The stages that a cohort has, in its order, by its declared settings.

    With borrowed translators none that is for training. The learned peers are trained where a stage first needs them:
    before the translators for the frames that `peer_registered.peers` names, else for the report at the end.

    Args:
        settings: of the cohort's declaration, by stage.
        stages: those that are looked at.
        overrides: settings of a launch, by stage.
    """
    translator, framed = (
        {**(settings.get(stage) or {}), **((overrides or {}).get(stage) or {})} for stage in (TRANSLATOR, PEER_FRAMES)
    )
    found = [stage for stage in stages if not (translator.get("borrow_from") and stage.name in TRAINING_ONLY)]
    # What is declared may be of any form, and is refused elsewhere.
    if any(peer in str(framed.get("peers")) for peer in LEARNED):
        return found
    # At the end they hold nobody up, and their failure ends nothing else.
    return sorted(found, key=lambda stage: AT_THE_END.index(stage.name) if stage.name in AT_THE_END else -1)


def lender_of(cohort: str, overrides: dict[str, dict[str, Any]], stages: Sequence[Stage]) -> str | None:
    """The cohort whose current segmenter this one borrows, None where it has its own or the stages need none.

    Raises:
        RunFailed: no such cohort, or the cohort itself.
    """
    lender = _named(cohort, overrides)
    if not lender or SEGMENTER not in [stage.name for stage in stages]:
        return None
    problem = wrong_lender(SEGMENTER, cohort, lender, SHARDS_BY_COHORT)
    if problem:
        raise RunFailed(problem)
    return None if "@" in lender else lender


def lenders(cohort: str, stages: Sequence[Stage]) -> dict[str, str]:
    """The cohorts whose current models a cohort takes over, each with the last stage that it lends.

    Raises:
        RunFailed: no such cohort, or the cohort itself.
    """
    settings = entry_named(cohort).mapping.get("settings") or {}
    found: dict[str, str] = {}
    for stage in stages:
        lender = str((settings.get(stage.name) or {}).get("borrow_from") or "")
        if problem := lender and wrong_lender(stage.name, cohort, lender, SHARDS_BY_COHORT):
            raise RunFailed(problem)
        # A manifest that is named by its digest never changes.
        if lender and "@" not in lender:
            found[lender] = stage.name
    return found


def untrained_lender(
    cohort: str, overrides: dict[str, dict[str, Any]], stages: Sequence[Stage], store: ObjectStore | None = None
) -> str | None:
    """The cohort whose segmenter this one borrows, where that has none of this version and the stages need it.

    Raises:
        RunFailed: no such cohort, the cohort itself, or one that borrows, too.
    """
    lender = lender_of(cohort, overrides, stages)
    if lender is None or lends(store or ObjectStore(store_url()), SEGMENTER, lender, VERSIONS[SEGMENTER]):
        return None
    if _named(lender, {}):
        raise RunFailed(
            f"cohort {cohort} borrows the lung segmenter of {lender}, which itself borrows that of "
            f"{_named(lender, {})}; borrow that one"
        )
    return lender


def _named(cohort: str, overrides: dict[str, dict[str, Any]]) -> str:
    declared = (entry_named(cohort).mapping.get("settings") or {}).get(SEGMENTER, {})
    return str({**declared, **overrides.get(SEGMENTER, {})}.get("borrow_from") or "")
