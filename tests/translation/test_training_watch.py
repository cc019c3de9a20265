import sqlite3
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from assets.tables.translation import TRANSLATOR_QUALITY
from assets.translation.asset_training_watch import SECONDS_BETWEEN, Bench, TrainingWatch
from assets.translation.checkpoints import Record
from assets.translation.classifier import Classifier, fit_classifier
from assets.translation.panel import Imaged, Panel
from assets.translation.planted import planted_opacities
from assets.translation.watch import Pace
from resources.training_log import TrainingLog

SIDE = 32
NAME = "it_dpr/cut seed 0"
OF_THE_JUDGE = {"kid", "kid_floor", "classifier_drop", "classifier_auc"}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def judge() -> Classifier:
    torch.set_num_threads(1)
    return fit_classifier(imaged(3, 0), imaged(3, 1), steps=2)


def imaged(count: int, seed: int) -> Imaged:
    images = torch.rand((count, 1, SIDE, SIDE), generator=torch.Generator().manual_seed(seed)) - 0.5
    return Imaged(images, torch.ones_like(images))


def bench(judge: Classifier | None, abnormal: int = 4, normal: int = 5) -> Bench:
    healthy = imaged(normal, 3)
    names = [str(index) for index in range(normal)]
    return Bench(Panel(imaged(abnormal, 2), healthy, planted_opacities(healthy, names)), judge)


class Watched:
    """A watch with all that it says."""

    def __init__(self, made: Callable[[], Bench], log: TrainingLog | None = None, steps: int = 100) -> None:
        self.clock = Clock()
        self.lines: list[str] = []
        self.events: list[dict[str, Any]] = []
        self.watch = TrainingWatch(NAME, steps, made, self.lines.append, self._observe, log, self.clock)

    def _observe(self, metadata: Mapping[str, Any]) -> None:
        self.events.append({name.removeprefix(f"{NAME}: "): value for name, value in metadata.items()})

    def pace(self, step: int, seconds_left: float | None = 30.0) -> None:
        speed = None if seconds_left is None else 8.0
        self.watch.progress(Pace(step, 100, {"generator": 1 / step, "learning_rate": 2e-4}, speed, seconds_left))


def test_a_check_gives_every_measure_and_the_same_ones_again(judge: Classifier) -> None:
    watched = Watched(lambda: bench(judge))
    found = watched.watch.check(50, lambda x, _: x - 0.1)
    assert found.keys() == set(TRANSLATOR_QUALITY)
    assert Watched(lambda: bench(judge)).watch.check(80, lambda x, _: x - 0.1) == found
    without = Watched(lambda: bench(None)).watch.check(50, lambda x, _: x - 0.1)
    assert without == {name: value for name, value in found.items() if name not in OF_THE_JUDGE}


def test_dagster_is_told_numbers_and_pictures(judge: Classifier) -> None:
    watched = Watched(lambda: bench(judge))
    found = watched.watch.check(50, lambda x, _: x)
    (event,) = watched.events
    assert event["step"] == 50
    assert {name: event[name] for name in found} == found
    assert event["panel"].value.startswith("![](data:image/png;base64,")
    assert event["measures"].value.startswith("![](data:image/png;base64,")


def test_pictures_come_once_a_minute_and_at_the_end(judge: Classifier) -> None:
    watched = Watched(lambda: bench(judge))
    for step, seconds in ((10, 0.0), (20, 1.0), (30, SECONDS_BETWEEN), (40, 61.0), (100, 62.0)):
        watched.clock.now = seconds
        watched.watch.check(step, lambda x, _: x)
    assert ["panel" in event for event in watched.events] == [True, False, True, False, True]
    assert [event["step"] for event in watched.events] == [10, 20, 30, 40, 100]


def test_the_pace_is_told_once_a_minute() -> None:
    watched = Watched(lambda: bench(None))
    for step, seconds in ((1, 0.0), (2, 1.0), (3, SECONDS_BETWEEN - 1), (4, SECONDS_BETWEEN), (5, SECONDS_BETWEEN + 1)):
        watched.clock.now = seconds
        watched.pace(step)
    assert [event["step"] for event in watched.events] == [1, 4]
    assert watched.events[1] == {
        "step": 4,
        "generator": 0.25,
        "learning_rate": 2e-4,
        "images_per_second": 8.0,
        "seconds_left": 30.0,
    }


def locked(_: object) -> None:
    raise sqlite3.OperationalError("database is locked\n(Background on this error)")


def test_a_training_that_cannot_be_shown_goes_on_and_says_so_once(judge: Classifier) -> None:
    watched = Watched(lambda: bench(judge))
    watched.watch.observe = locked
    watched.pace(1)
    found = watched.watch.check(50, lambda x, _: x)
    assert found.keys() == set(TRANSLATOR_QUALITY)
    assert watched.lines == [
        f"{NAME}: goes on, but could not be shown in Dagster (OperationalError: database is locked)",
    ]


def test_what_could_not_even_be_said_is_said_later() -> None:
    watched = Watched(lambda: bench(None))
    watched.watch.observe = watched.watch.say = locked
    watched.watch.check(50, lambda x, _: x)
    watched.watch.say = watched.lines.append
    for step in (60, 70):
        watched.watch.check(step, lambda x, _: x)
    assert len(watched.lines) == 1


def test_numbers_are_told_where_no_picture_can_be_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> dict[str, bytes]:
        raise RuntimeError("no font")

    monkeypatch.setattr("assets.translation.asset_training_watch.live_pictures", broken)
    watched = Watched(lambda: bench(None))
    found = watched.watch.check(50, lambda x, _: x)
    assert watched.events == [{"step": 50, **found}]
    assert [line for line in watched.lines if "RuntimeError: no font" in line] == watched.lines
    assert len(watched.lines) == 1


def test_what_cannot_be_measured_is_still_an_error() -> None:
    def unreadable() -> Bench:
        raise OSError("the storage failed")

    with pytest.raises(OSError, match="the storage failed"):
        Watched(unreadable).watch.check(50, lambda x, _: x)


def test_pictures_of_a_resumed_training_begin_where_it_began(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[list[float], list[float]]] = []

    def draw(_: object, __: object, losses: Sequence[Record], checks: Sequence[Record]) -> dict[str, bytes]:
        drawn.append(([record["step"] for record in losses], [record["step"] for record in checks]))
        return {}

    monkeypatch.setattr("assets.translation.asset_training_watch.live_pictures", draw)
    history: list[Record] = [{"step": step, "generator": 1 / step} for step in (1.0, 2.0)]
    watched = Watched(lambda: bench(None))
    watched.watch.resumed(history, [{"step": 2.0, "validation_auc": 0.5}])
    watched.pace(3)
    watched.watch.check(4, lambda x, _: x)
    assert drawn == [([1, 2, 3], [2, 4])]
    # They belong to the training.
    assert len(history) == 2


def test_what_is_not_known_yet_or_not_finite_is_not_told() -> None:
    watched = Watched(lambda: bench(None))
    watched.pace(1, seconds_left=None)
    assert watched.events == [{"step": 1, "generator": 1.0, "learning_rate": 2e-4}]
    watched.clock.now = SECONDS_BETWEEN
    watched.watch.progress(Pace(2, 100, {"generator": float("inf")}, None, None))
    assert watched.events[1] == {"step": 2}


def test_the_log_has_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("resources.progress.PROGRESS_SECONDS", -1.0)
    watched = Watched(lambda: bench(None))
    watched.pace(1)
    watched.pace(2)
    assert watched.lines[1].startswith(f"{NAME}: step 2 of 100, ")
    assert "generator 0.5" in watched.lines[1]


def test_nothing_is_prepared_before_something_is_measured() -> None:
    def never() -> Bench:
        raise AssertionError("asked for validation images")

    Watched(never).pace(1)


def test_an_empty_validation_part_measures_nothing() -> None:
    watched = Watched(lambda: bench(None, 0, 0))
    assert watched.watch.check(100, lambda x, _: x) == {}
    (event,) = watched.events
    assert event.keys() == {"step"}


def test_curves_go_to_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added: list[tuple[int, dict[str, float]]] = []
    log = TrainingLog(tmp_path)
    monkeypatch.setattr(log, "add", lambda step, values: added.append((step, dict(values))))
    watched = Watched(lambda: bench(None), log)
    watched.pace(3)
    found = watched.watch.check(10, lambda x, _: x)
    assert added[0][0] == 3
    assert added[0][1].keys() == {"generator", "learning_rate", "images_per_second", "seconds_left"}
    assert added[1] == (10, found)


def test_a_folder_that_cannot_be_written_stops_no_training(tmp_path: Path) -> None:
    occupied = tmp_path / "file"
    occupied.touch()
    watched = Watched(lambda: bench(None), TrainingLog(occupied / "curves"))
    watched.pace(1)
    watched.pace(2)
    assert [line for line in watched.lines if "curves for TensorBoard end here" in line] == watched.lines
    assert len(watched.lines) == 1
