"""The mask of one radiograph: sources in order of preference, the first that passes, else the best that there is."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from assets.segmentation.quality import bases_differ, lung_flags
from assets.segmentation.settings import SegmentationSettings, Source
from assets.segmentation.truncated_base import complete_base

U8 = npt.NDArray[np.uint8]
Score = Callable[[U8], tuple[float, float]]
"""Quality of the patient-right and the patient-left lung of a mask, 0 to 1."""


@dataclass(frozen=True)
class Judge:
    """What a mask has to pass.

    Attributes:
        settings: limits of the plausibility gates.
        score: quality without truth; None where none was calibrated.
        gate: quality below which a mask does not pass.
    """

    settings: SegmentationSettings
    score: Score | None = None
    gate: float = 0.0


@dataclass(frozen=True)
class Candidate:
    """One source's mask of a radiograph, judged.

    Attributes:
        source: where it comes from.
        lungs: (H, W) labels.
        flags: what `lung_flags` has against it.
        doubt: what the quality score has against it, empty if nothing.
        quality: of the patient-right and patient-left lung; None without a score or without two lungs.
        base_completed: "right" or "left" where that lung's base was completed.
    """

    source: Source
    lungs: U8
    flags: tuple[str, ...]
    doubt: str = ""
    quality: tuple[float, float] | None = None
    base_completed: str = ""

    @property
    def reasons(self) -> list[str]:
        """All that speaks against it; empty if it passes."""
        return [*self.flags, *([self.doubt] if self.doubt else [])]

    @property
    def has_two_lungs(self) -> bool:
        """Whether it can be kept at all."""
        return bool(np.any(self.lungs == 1) and np.any(self.lungs == 2))


@dataclass(frozen=True)
class Choice:
    """What a radiograph gets: a mask or None, and why sources before it were not taken ("" if there were none)."""

    taken: Candidate | None
    passed_over: str


def judged(source: Source, lungs: U8, judge: Judge) -> Candidate:
    """A mask (H, W) with what the gates and the score have against it."""
    candidate = Candidate(source, lungs, tuple(lung_flags(lungs, judge.settings)))
    if judge.score is None or not candidate.has_two_lungs:
        return candidate
    quality = judge.score(lungs)
    return replace(candidate, quality=quality, doubt=_doubt(min(quality), judge.gate))


def choose(
    makers: Mapping[Source, Callable[[], U8 | None]], judge: Judge, base_offset: float, absent: Mapping[Source, str]
) -> Choice:
    """The first source's mask that passes; a completed one; else the best, which then needs review.

    Args:
        makers: how each source of `judge.settings.sources` makes its clean mask; None where it has none. Later ones
            are not asked once a mask passes.
        judge: what a mask has to pass.
        base_offset: mean height of the right base below the left one's, as a fraction of the height.
        absent: why a source has no mask, for people.
    """
    judgements: list[tuple[Source, str]] = []
    candidates: list[Candidate] = []
    for source in judge.settings.sources:
        lungs = makers[source]()
        if lungs is None:
            judgements.append((source, absent[source]))
            continue
        candidate = judged(source, lungs, judge)
        if not candidate.reasons:
            return Choice(candidate, _passed_over(judgements))
        judgements.append((source, "; ".join(candidate.reasons)))
        candidates.extend([candidate] if candidate.has_two_lungs else [])
    taken = _completed(candidates, judge, base_offset) or _best(candidates)
    others = [judgement for judgement in judgements if taken is None or judgement[0] != taken.source]
    return Choice(taken, _passed_over(others))


def _completed(candidates: Sequence[Candidate], judge: Judge, base_offset: float) -> Candidate | None:
    """The best mask with one high base, completed; None if even so it does not pass.

    A lung without its base is also too small or too unlike the other one, so more than the base may be flagged.
    """
    truncated = _best([candidate for candidate in candidates if bases_differ(candidate.flags)])
    if truncated is None or not judge.settings.complete_bases:
        return None
    lungs, side = complete_base(truncated.lungs, base_offset, judge.settings.maximum_bottom_difference)
    completed = replace(judged(truncated.source, lungs, judge), base_completed=side)
    return completed if side and not completed.reasons else None


def _best(candidates: Sequence[Candidate]) -> Candidate | None:
    """The mask whose worse lung scores highest; the first of equals, and of unscored ones."""
    return max(candidates, key=lambda candidate: min(candidate.quality or (0.0,)), default=None)


def _doubt(quality: float, gate: float) -> str:
    if quality >= gate:
        return ""
    # Rounded towards each other's far side, so that the text never says 0.86 is below 0.86.
    found, wanted = math.floor(quality * 100) / 100, math.ceil(gate * 100 - 1e-9) / 100
    return f"the mask's quality score is {found:.2f}, below the gate {wanted:.2f}; look at it or supply another"


def _passed_over(judgements: Sequence[tuple[Source, str]]) -> str:
    return " | ".join(f"{source}: {why}" for source, why in judgements)
