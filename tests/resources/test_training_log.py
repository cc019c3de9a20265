import importlib.util
from pathlib import Path

import pytest

from resources.training_log import FOLDER_VARIABLE, TrainingLog, log_folder


def curve(folder: Path, name: str) -> list[tuple[int, float]]:
    """A curve as TensorBoard reads it."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_reads_the_curves(tmp_path: Path) -> None:
    log = TrainingLog(tmp_path / "cohort" / "arm")
    log.add(10, {"loss": 1.5, "rate": 0.25})
    log.add(20, {"loss": 1.25})
    assert curve(log.folder, "loss") == [(10, 1.5), (20, 1.25)]
    assert curve(log.folder, "rate") == [(10, 0.25)]


def test_a_training_that_is_taken_up_hides_what_was_logged_beyond_its_checkpoint(tmp_path: Path) -> None:
    killed = TrainingLog(tmp_path)
    for step in (10, 20, 30):
        killed.add(step, {"loss": float(step)})
    resumed = TrainingLog(tmp_path)
    resumed.add(20, {"loss": -1.0})
    resumed.add(30, {"loss": -2.0})
    assert curve(tmp_path, "loss") == [(10, 10.0), (20, -1.0), (30, -2.0)]


def test_half_a_record_of_a_killed_run_hides_nothing_else(tmp_path: Path) -> None:
    killed = TrainingLog(tmp_path)
    killed.add(10, {"loss": 1.0})
    (file,) = tmp_path.iterdir()
    with file.open("ab") as stream:
        stream.write(b"\x10\x00\x00")
    TrainingLog(tmp_path).add(20, {"loss": 2.0})
    assert curve(tmp_path, "loss") == [(10, 1.0), (20, 2.0)]


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        TrainingLog(tmp_path / "file" / "arm").add(1, {"loss": 1.0})


def test_nothing_is_logged_unless_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(FOLDER_VARIABLE, raising=False)
    assert log_folder() is None
    monkeypatch.setenv(FOLDER_VARIABLE, "")
    assert log_folder() is None


def test_the_folder_is_absolute(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(FOLDER_VARIABLE, "curves")
    assert log_folder() == tmp_path / "curves"


def test_a_remote_folder_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "s3://bucket/curves")
    with pytest.raises(ValueError, match="local folder"):
        log_folder()


def test_a_missing_tensorboard_is_said_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, "curves")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"pip install 'pseudopair\[tensorboard\]'"):
        log_folder()
