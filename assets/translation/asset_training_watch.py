"""The watch of one training: lines for the log, measurements and pictures for Dagster, curves for TensorBoard."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from assets.translation.classifier import Classifier, judged
from assets.translation.live import live_pictures
from assets.translation.panel import Panel, Translations, translations
from assets.translation.quality import measured
from assets.translation.watch import Pace, Translate
from resources.dagster_shapes import picture
from resources.progress import training_progress
from resources.training_log import TrainingLog

SECONDS_BETWEEN = 60.0
"""At least so long between two observations with pictures, and between two reports of a training's pace."""


@dataclass(frozen=True)
class Bench:
    """What translators of one frame are measured with: validation images, and a judge where it could be trained."""

    panel: Panel
    judge: Classifier | None


@dataclass
class TrainingWatch:
    """The watch of one training; see `assets.translation.watch.Watch`.

    A training does not end because it cannot be shown: the first time that drawing or `observe` fails is told in the
    log, and it goes on.

    Attributes:
        name: of the training.
        steps: in all.
        bench: gives what to measure with; called once something is measured.
        say: one line for the log.
        observe: metadata for Dagster.
        log: its curves for TensorBoard, None for none.
        clock: seconds.
    """

    name: str
    steps: int
    bench: Callable[[], Bench]
    say: Callable[[str], None]
    observe: Callable[[Mapping[str, Any]], None]
    log: TrainingLog | None = None
    clock: Callable[[], float] = time.monotonic
    _losses: list[dict[str, float]] = field(default_factory=list, init=False)
    _checks: list[dict[str, float]] = field(default_factory=list, init=False)
    _told: float = field(default=-math.inf, init=False)
    _shown: float = field(default=-math.inf, init=False)
    _complained: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        self._speak = training_progress(self.say, self.name)

    def resumed(self, history: Sequence[Mapping[str, float]], checks: Sequence[Mapping[str, float]]) -> None:
        """Begin the curves of the pictures with what the interrupted training has."""
        self._losses = [dict(record) for record in history]
        self._checks = [dict(record) for record in checks]

    def progress(self, pace: Pace) -> None:
        """Lines for the log; once a minute the same numbers for Dagster."""
        self._speak(pace.step, pace.steps, pace.losses)
        speed = {"images_per_second": pace.images_per_second, "seconds_left": pace.seconds_left}
        numbers = pace.losses | {name: value for name, value in speed.items() if value is not None}
        self._losses.append({"step": float(pace.step), **pace.losses})
        self._record(pace.step, numbers)
        if self.clock() - self._told >= SECONDS_BETWEEN:
            self._observe(pace.step, numbers)

    def check(self, step: int, translate: Translate) -> dict[str, float]:
        """Measure a translator on the validation images; Dagster gets the numbers and, once a minute, pictures."""
        bench = self.bench()
        found = translations(bench.panel, translate)
        quality = _quality(bench, found)
        self._checks.append({"step": float(step), **quality})
        self._record(step, quality)
        pictures: dict[str, bytes] = {}
        if step >= self.steps or self.clock() - self._shown >= SECONDS_BETWEEN:
            self._shown = self.clock()
            with self._only_shown():
                pictures = live_pictures(bench.panel, found, self._losses, self._checks)
        self._observe(step, quality, pictures)
        return quality

    def _observe(self, step: int, numbers: Mapping[str, float], pictures: Mapping[str, bytes] | None = None) -> None:
        self._told = self.clock()
        shown: dict[str, Any] = {
            "step": step,
            **{name: value for name, value in numbers.items() if math.isfinite(value)},
        }
        shown |= {name: picture(png) for name, png in (pictures or {}).items()}
        # Trainings of one run share an asset, and Dagster plots what has one name as one curve.
        named = {f"{self.name}: {name}": value for name, value in shown.items()}
        with self._only_shown():
            self.observe(named)

    @contextmanager
    def _only_shown(self) -> Iterator[None]:
        """Let no error out; the first that can be is said."""
        try:
            yield
        except Exception as error:
            # Whatever it is (Dagster's database may be locked): nothing that is trained or measured depends on it.
            if not self._complained:
                reason = str(error).partition("\n")[0]
                line = f"goes on, but could not be shown in Dagster ({type(error).__name__}: {reason})"
                # Lines of the log go to the same database; what is lost is said at the next failure.
                with suppress(Exception):
                    self.say(f"{self.name}: {line}")
                    self._complained = True

    def _record(self, step: int, numbers: Mapping[str, float]) -> None:
        if self.log is None:
            return
        try:
            self.log.add(step, numbers)
        except OSError as error:
            self.say(f"{self.name}: curves for TensorBoard end here, {error}")
            self.log = None


def _quality(bench: Bench, found: Translations) -> dict[str, float]:
    quality = measured(bench.panel, found)
    return quality if bench.judge is None else quality | judged(bench.judge, bench.panel, found)
