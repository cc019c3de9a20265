"""The arms of a study: how radiographs are aligned, and what translates them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

from assets.alignments import USUAL, Alignment, PeerAlignment, peers_among

Method = Literal["cyclegan", "cut", "fastcut", "reggan", "reggan_nc", "pix2pix", "pca", "template"]
Gan = Literal["cyclegan", "cut", "fastcut", "reggan", "reggan_nc", "pix2pix"]

# They see an abnormal radiograph together with the normal one of its pseudo-pair.
ON_PAIRS: tuple[Gan, ...] = ("reggan", "reggan_nc", "pix2pix")
LUNGS_IN_PLACE: tuple[Alignment, ...] = ("it_pr", "it_dpr")


def is_gan(method: Method) -> TypeGuard[Gan]:
    """Whether a method trains networks; the others are closed forms of normals, cost seconds and draw nothing."""
    return method in get_args(Gan)


@dataclass(frozen=True)
class Arm:
    """One arm: how the images are aligned and what translates them."""

    alignment: Alignment
    method: Method

    @property
    def name(self) -> str:
        """The arm as it is written in settings: `alignment/method`."""
        return f"{self.alignment}/{self.method}"


def parse_arm(text: str) -> Arm:
    """Arm from `alignment/method`.

    Raises:
        ValueError: the text has another form or names an unknown alignment or method.
    """
    for candidate in (Arm(known, way) for known in get_args(Alignment) for way in get_args(Method)):
        if candidate.name == text:
            return candidate
    raise ValueError(
        f"arm {text!r} is not of the form alignment/method with an alignment of {', '.join(get_args(Alignment))} "
        f"and a method of {', '.join(get_args(Method))}; write for example 'it_pr/cut'"
    )


def every_arm(peers: Iterable[PeerAlignment] = ()) -> list[str]:
    """Every usual frame, and those of some peers, with every translator, as written in `arms`."""
    frames: list[Alignment] = [*USUAL, *peers_among(peers)]
    return [Arm(alignment, method).name for alignment in frames for method in get_args(Method)]


def unmade_frames(arms: Sequence[str], peers: Sequence[str]) -> str:
    """Why some arms cannot be trained: peers' frames that nothing makes; empty where there are none.

    Args:
        arms: as written in settings.
        peers: those that `peer_registered.peers` names.
    """
    asked = {arm: parse_arm(arm).alignment for arm in arms}
    missing = set(peers_among(asked.values())) - set(peers)
    if not missing:
        return ""
    first = next(arm for arm, alignment in asked.items() if alignment in missing)
    needed = ", ".join(peers_among([*peers, *missing]))
    return f"arm {first!r} needs a frame that is not made here; set peer_registered.peers to [{needed}]"
