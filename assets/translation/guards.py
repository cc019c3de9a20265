"""A training that has left the finite numbers ends at once, naming the images it was looking at."""

import math
from collections.abc import Mapping, Sequence

from torch import Tensor

from assets.translation.feed import Drawn
from assets.translation.watch import Translate


class TrainingStopped(RuntimeError):
    """A loss, a gradient or a weight is not finite; nothing of this step is kept.

    Args:
        step: the step, counted from 0.
        what: the values of the step, or the weights that it left.
        abnormal: images of the abnormal domain in its batch, by row or by name.
        normal: images of the normal domain, likewise.
        kind: what names the images.
    """

    def __init__(
        self, step: int, what: str, abnormal: Sequence[int | str], normal: Sequence[int | str], kind: str = "rows"
    ) -> None:
        self.step = step
        self.what = what
        self.abnormal = list(abnormal)
        self.normal = list(normal)
        shown = [", ".join(map(str, dict.fromkeys(names))) for names in (abnormal, normal)]
        super().__init__(
            f"step {step} is not finite ({what}); its batch had the abnormal {kind} {shown[0]} and the normal {kind} "
            f"{shown[1]}: look at these images, lower learning_rate, or train without reduced precision"
        )

    def named(self, abnormal: Sequence[str], normal: Sequence[str], kind: str) -> "TrainingStopped":
        """The same with names for rows.

        Args:
            abnormal: name of each row of the abnormal domain.
            normal: name of each row of the normal domain.
            kind: what these are.
        """
        return TrainingStopped(
            self.step,
            self.what,
            [abnormal[int(row)] for row in self.abnormal],
            [normal[int(row)] for row in self.normal],
            kind,
        )


def require_finite_images(step: int, drawn: Drawn) -> None:
    """Stop before a step whose images are no numbers: some layers would look for them outside of the memory.

    Raises:
        TrainingStopped: one is infinite or no number.
    """
    if not all(bool(batch.images.isfinite().all()) for batch in (drawn.abnormal, drawn.normal)):
        raise TrainingStopped(step, "images", drawn.abnormal_rows, drawn.normal_rows)


def require_finite(step: int, losses: Mapping[str, float], drawn: Drawn) -> None:
    """Stop where a loss or gradient of a step is infinite or no number.

    Raises:
        TrainingStopped: one is.
    """
    if not all(math.isfinite(value) for value in losses.values()):
        what = ", ".join(f"{name}={value:.3g}" for name, value in losses.items())
        raise TrainingStopped(step, what, drawn.abnormal_rows, drawn.normal_rows)


def guarded(look: Translate, step: int, drawn: Drawn | None) -> Translate:
    """A translator that ends the training where it makes no numbers; without a batch to name, the translator itself.

    Args:
        look: the translator as a step left it.
        step: that step.
        drawn: its batch.
    """
    if drawn is None:
        return look

    def finite(images: Tensor, masks: Tensor) -> Tensor:
        translated = look(images, masks)
        if not bool(translated.isfinite().all()):
            raise TrainingStopped(step, "translations of validation images", drawn.abnormal_rows, drawn.normal_rows)
        return translated

    return finite


def require_finite_weights(step: int, weights: Mapping[str, Tensor], drawn: Drawn) -> None:
    """Stop where a step has left a weight that is infinite or no number.

    Raises:
        TrainingStopped: it has.
    """
    broken = [name for name, value in weights.items() if not bool(value.isfinite().all())]
    if broken:
        raise TrainingStopped(step, f"weights {', '.join(broken)}", drawn.abnormal_rows, drawn.normal_rows)
