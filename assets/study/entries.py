"""The lines of a study's table before they are compared: every arm of a protocol, by seed and over its seeds."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from assets.evaluation.patients import PatientScores
from assets.evaluation.roc import Undefined
from assets.evaluation.settings import EvaluationSettings
from assets.study.common import averaged, on_common
from assets.study.fold_arm import FoldArm, seed_mean
from assets.study.inference import standard_deviation
from assets.study.member import Costs, Member
from assets.study.pooled import Pooled, pooled
from assets.study.settings import Protocol
from assets.translation.arms import is_gan, parse_arm

ALL = "all"


@dataclass(frozen=True)
class Entry:
    """One arm of a protocol, with one seed or over all of them.

    Attributes:
        protocol: what it belongs to.
        arm: as written in settings.
        seed: its number, or `ALL`.
        folds: those that it was scored on.
        missing: why other folds are missing, each once.
        found: area over the folds; None where there is none.
        undefined: empty, or why there is no area.
        costs: of its trainings in those folds.
        singles: folds of each of its seeds for itself; of one seed, its own.
        singly: mean of the seeds' own areas, where an ensemble of them has `found`; None where one has none.
        seed_sd: over seeds, standard deviation of the area; None for one seed.
    """

    protocol: Protocol
    arm: str
    seed: str
    folds: tuple[FoldArm, ...]
    missing: tuple[str, ...]
    found: Pooled | None
    undefined: str
    costs: tuple[Costs, ...]
    singles: Mapping[int, tuple[FoldArm, ...]]
    singly: Pooled | None
    seed_sd: float | None = None

    @property
    def tested(self) -> list[PatientScores]:
        """Test patients by fold."""
        return [fold.test for fold in self.folds]

    def tested_by(self, seeds: Collection[int]) -> list[PatientScores]:
        """Test patients by fold as the ensemble of some of its seeds scores them.

        Raises:
            Undefined: see `seed_mean`.
        """
        folds = zip(*(self.singles[seed] for seed in seeds), strict=True)
        return [_one_or_mean(fold).test for fold in folds]

    def tested_singly(self) -> list[list[PatientScores]]:
        """Test patients by seed, then by fold."""
        return [[fold.test for fold in folds] for folds in self.singles.values()]

    @property
    def alignment(self) -> str:
        """Frame of the arm's images."""
        return self.arm.partition("/")[0]

    @property
    def method(self) -> str:
        """What translates."""
        return self.arm.partition("/")[2]


def entries(protocol: Protocol, members: Sequence[Member], settings: EvaluationSettings) -> list[Entry]:
    """Every arm over its seeds, then, where there are several, by seed; in the order of the protocol.

    Args:
        protocol: arms and seeds asked for.
        members: its fold cohorts in order.
        settings: confidence of the intervals.
    """
    found: list[Entry] = []
    for arm in protocol.arms:
        by_seed = [_of_seed(protocol, arm, seed, members, settings) for seed in seeds_of(arm, protocol)]
        found.append(_over_seeds(by_seed, members, settings))
        found.extend(by_seed if len(by_seed) > 1 else [])
    return found


def seeds_of(arm: str, protocol: Protocol) -> list[int]:
    """Seeds that an arm is trained with: what draws nothing has the first one only."""
    return protocol.seeds if is_gan(parse_arm(arm).method) else protocol.seeds[:1]


def _of_seed(protocol: Protocol, arm: str, seed: int, members: Sequence[Member], settings: EvaluationSettings) -> Entry:
    there = [member for member in members if (arm, seed) in member.arms]
    missing = [
        f"{member.cohort}: {member.why_absent(arm, seed)}" for member in members if (arm, seed) not in member.arms
    ]
    folds = tuple(member.arms[arm, seed] for member in there)
    costs = tuple(member.costs[arm, seed] for member in there if (arm, seed) in member.costs)
    area, undefined = _area(folds, settings)
    return Entry(protocol, arm, str(seed), folds, tuple(missing), area, undefined, costs, {seed: folds}, area)


def _over_seeds(by_seed: Sequence[Entry], members: Sequence[Member], settings: EvaluationSettings) -> Entry:
    """The ensemble of those seeds that are there in every fold that has the arm at all."""
    first = by_seed[0]
    arm, seeds = first.arm, [int(entry.seed) for entry in by_seed]
    begun = [member for member in members if any((arm, seed) in member.arms for seed in seeds)]
    whole = [seed for seed in seeds if begun and all((arm, seed) in member.arms for member in begun)]
    singles = {seed: tuple(member.arms[arm, seed] for member in begun) for seed in whole}
    missing = tuple(dict.fromkeys(why for entry in by_seed for why in entry.missing))
    folds: tuple[FoldArm, ...] = ()
    area: Pooled | None = None
    try:
        folds = tuple(_one_or_mean(fold) for fold in zip(*singles.values(), strict=True))
        area, undefined = _area(folds, settings)
    except Undefined as found:
        undefined = str(found)
    areas = [entry.found.auc.area for entry in by_seed if entry.found is not None and int(entry.seed) in whole]
    costs = tuple(cost for entry in by_seed if int(entry.seed) in whole for cost in entry.costs)
    singly = _singly([[fold.test for fold in of_seed] for of_seed in singles.values()], settings)
    spread = standard_deviation(areas)
    return Entry(first.protocol, arm, ALL, folds, missing, area, undefined, costs, singles, singly, spread)


def _singly(seeds: Sequence[Sequence[PatientScores]], settings: EvaluationSettings) -> Pooled | None:
    try:
        return averaged(on_common(seeds, settings.confidence), settings.confidence) if seeds else None
    except Undefined:
        return None


def _one_or_mean(seeds: Sequence[FoldArm]) -> FoldArm:
    return seeds[0] if len(seeds) == 1 else seed_mean(seeds)


def _area(folds: Sequence[FoldArm], settings: EvaluationSettings) -> tuple[Pooled | None, str]:
    if not folds:
        return None, "not scored in any fold"
    try:
        return pooled([fold.test for fold in folds], settings.confidence), ""
    except Undefined as undefined:
        return None, str(undefined)
