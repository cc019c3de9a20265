"""What one fold cohort gives to its study."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from assets.evaluation.report_model import ShortcutResult
from assets.study.fold_arm import FoldArm

ArmSeed = tuple[str, int]


@dataclass(frozen=True)
class Costs:
    """What the training of an arm took.

    Attributes:
        images: normal and abnormal training radiographs.
        seconds: wall time; None where not measured.
        steps: None for an arm that is fitted without any.
        passes: how often a radiograph was seen on average; None without steps.
    """

    images: int
    seconds: float | None = None
    steps: int | None = None
    passes: float | None = None


@dataclass(frozen=True)
class Aside:
    """Test radiographs of a class that a stage set aside, in one frame alone where that is a peer's."""

    stage: str
    domain: str
    count: int
    alignment: str = ""

    def concerns(self, alignment: str) -> bool:
        """Whether arms in a frame lack these radiographs."""
        return self.alignment in ("", alignment)


@dataclass(frozen=True)
class Member:
    """A fold cohort as its study sees it.

    Attributes:
        cohort: its name.
        problem: why nothing of it counts; empty where it does.
        arms: what was scored and evaluated.
        absent: why an arm and seed is missing, where that is known.
        costs: by arm and seed.
        shortcuts: of its test patients.
        tested: test radiographs by class that all stages passed.
        aside: test radiographs that were set aside.
        leaks: rows of the stage `leak_control`; none where it has not run.
        localised: rows of the stage `localisation`; None where it has not run or is older than what it was made from.
        registration: means over test radiographs, by frame; see `quality.REGISTRATION`.
        translation: of the arm's training, see `quality.TRANSLATION`; null where not measured.
        left_out: why what stands beside the areas is not of this fold.
    """

    cohort: str
    problem: str = ""
    arms: Mapping[ArmSeed, FoldArm] = field(default_factory=dict)
    absent: Mapping[ArmSeed, str] = field(default_factory=dict)
    costs: Mapping[ArmSeed, Costs] = field(default_factory=dict)
    shortcuts: Sequence[ShortcutResult] = ()
    tested: Mapping[str, int] = field(default_factory=dict)
    aside: Sequence[Aside] = ()
    leaks: Sequence[Mapping[str, Any]] = ()
    localised: pa.Table | None = None
    registration: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    translation: Mapping[ArmSeed, Mapping[str, float | None]] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    def why_absent(self, arm: str, seed: int) -> str:
        """Why an arm and seed is not there."""
        return self.problem or self.absent.get((arm, seed), "not trained yet")
