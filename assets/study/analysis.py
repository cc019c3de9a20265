"""A study pooled and compared: everything that its table and its report show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from assets.evaluation.report_model import ShortcutResult
from assets.evaluation.settings import EvaluationSettings
from assets.localisation_summary.settings import SummarySettings
from assets.study.contrasts import Contrast, aligned_contrasts, baseline_contrasts
from assets.study.entries import Entry, entries
from assets.study.leaks import Leak, pooled_leaks
from assets.study.localised import Localised, localised
from assets.study.member import Member
from assets.study.settings import StudyFile
from assets.study.shortcuts import pooled_shortcuts


@dataclass(frozen=True)
class Analysis:
    """A study compared: its lines, and what stands beside them.

    Attributes:
        study: its file.
        members: fold cohorts in order, by protocol.
        entries: every line in the table's order.
        aligned: by the line's place, against the frame of comparison.
        baselines: by the line's place, against the baseline of its frame.
        shortcuts: strongest first, by protocol.
        localisation: by protocol.
        leaks: of masks and warp, by protocol.
        settings: of the evaluation.
    """

    study: StudyFile
    members: Mapping[str, Sequence[Member]]
    entries: Sequence[Entry]
    aligned: Mapping[int, Contrast]
    baselines: Mapping[int, Contrast]
    shortcuts: Mapping[str, Sequence[ShortcutResult]]
    localisation: Mapping[str, Localised]
    leaks: Mapping[str, Sequence[Leak]]
    settings: EvaluationSettings

    def shortcut(self, protocol: str) -> ShortcutResult | None:
        """The strongest shortcut of a protocol's patients."""
        return next((found for found in self.shortcuts[protocol] if found.strength is not None), None)


def analysed(
    study: StudyFile,
    members: Mapping[str, Sequence[Member]],
    settings: EvaluationSettings,
    summary: SummarySettings | None = None,
) -> Analysis:
    """Pool, compare and adjust everything that a study has by now.

    Args:
        study: its file.
        members: fold cohorts in order, by protocol; those that are missing say why.
        settings: confidence and specificity.
        summary: of localisation; defaults where not given.
    """
    found = [entry for protocol in study.protocols for entry in entries(protocol, members[protocol.name], settings)]
    shortcuts = {name: pooled_shortcuts(folds, settings.confidence) for name, folds in members.items()}
    aligned, baselines = aligned_contrasts(found, settings), baseline_contrasts(found, settings)
    summary = summary or SummarySettings(confidence=settings.confidence)
    pointed = {name: localised(folds, summary) for name, folds in members.items()}
    leaks = {name: pooled_leaks(folds, settings.confidence) for name, folds in members.items()}
    return Analysis(study, members, found, aligned, baselines, shortcuts, pointed, leaks, settings)
