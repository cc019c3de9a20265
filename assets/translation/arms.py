"""The arms of a study: how radiographs are aligned, and what translates them."""

from dataclasses import dataclass
from typing import Literal, TypeGuard, get_args

Alignment = Literal["none", "lung_box", "it_pr", "it_dpr"]
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


def every_arm() -> list[str]:
    """Every frame with every translator, as written in `arms`."""
    return [Arm(alignment, method).name for alignment in get_args(Alignment) for method in get_args(Method)]
