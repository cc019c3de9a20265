"""What a study trains, in its order: arms without a GAN first, then seed by seed the GANs, the cheapest first."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from assets.study.settings import Protocol, StudyFile
from assets.translation.arms import Gan, is_gan, parse_arm


@dataclass(frozen=True)
class Round:
    """Trainings that are done one fold after the other, and scored before the next round.

    Attributes:
        protocol: whose.
        cohorts: its fold cohorts.
        trainings: what is trained in each, as `alignment/method/seed`; side by side where it is more than one.
        seconds: what one fold takes, by an estimate; 0 without a GAN.
    """

    protocol: Protocol
    cohorts: tuple[str, ...]
    trainings: tuple[str, ...]
    seconds: float

    @property
    def has_gan(self) -> bool:
        """Whether a GAN is trained."""
        return self.seconds > 0


def rounds(study: StudyFile, seconds: Mapping[str, float], at_once: int) -> list[Round]:
    """The rounds of a study in their order.

    Args:
        study: the study.
        seconds: of one training by method, for every GAN of the study; positive.
        at_once: how many trainings run side by side.
    """
    cheap, dear = [], []
    for protocol in study.protocols:
        cohorts = tuple(study.fold_cohorts(protocol))
        if quick := tuple(_quick(protocol)):
            cheap.append(Round(protocol, cohorts, quick, 0.0))
        for turn, seed in enumerate(protocol.seeds):
            gans = sorted(_gans(protocol), key=lambda arm: seconds[parse_arm(arm).method])
            for first in range(0, len(gans), at_once):
                members = gans[first : first + at_once]
                longest = max(seconds[parse_arm(arm).method] for arm in members)
                names = tuple(f"{arm}/{seed}" for arm in members)
                dear.append((turn, longest, Round(protocol, cohorts, names, longest)))
    return [*cheap, *(each for _, _, each in sorted(dear, key=lambda found: found[:2]))]


def gan_methods(study: StudyFile) -> list[Gan]:
    """The GANs that a study trains, each once."""
    methods = (parse_arm(arm).method for protocol in study.protocols for arm in protocol.arms)
    return [method for method in dict.fromkeys(methods) if is_gan(method)]


def _quick(protocol: Protocol) -> Iterator[str]:
    """Arms without a GAN draw nothing: one seed stands for all."""
    for arm in protocol.arms:
        if not is_gan(parse_arm(arm).method):
            yield f"{arm}/{protocol.seeds[0]}"


def _gans(protocol: Protocol) -> list[str]:
    return [arm for arm in protocol.arms if is_gan(parse_arm(arm).method)]
