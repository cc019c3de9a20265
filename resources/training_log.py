"""Curves of trainings for TensorBoard: off unless PSEUDOPAIR_TENSORBOARD names a local folder.

Numbers only. A picture would be a patient's pixels in a folder that nobody's removal reaches.
"""

import importlib.util
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FOLDER_VARIABLE = "PSEUDOPAIR_TENSORBOARD"
_FORMAT = "brain.Event:2"


def log_folder() -> Path | None:
    """Where event files go; None where nobody asked for them.

    Raises:
        ValueError: the folder is not local, or TensorBoard is not installed.
    """
    given = os.environ.get(FOLDER_VARIABLE)
    if not given:
        return None
    if "://" in given:
        raise ValueError(f"{FOLDER_VARIABLE} is {given!r}, but event files go to a local folder only; name one")
    if importlib.util.find_spec("tensorboard") is None:
        raise ValueError(f"{FOLDER_VARIABLE} is set, but TensorBoard is missing: pip install 'pseudopair[tensorboard]'")
    return Path(given).expanduser().absolute()


@dataclass
class TrainingLog:
    """The curves of one training, in an event file of its own.

    Attributes:
        folder: of this training alone, such as `<log folder>/<cohort>/it_dpr-cut-seed-0`.
    """

    folder: Path
    _file: Path | None = field(default=None, init=False)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Append numbers to the curves; they can be read as soon as this returns.

        A training that is taken up begins where its checkpoint was: what its killed run logged from there on is hidden.

        Raises:
            OSError: the folder cannot be written to.
        """
        # A second's import, for those alone who asked.
        from tensorboard.summary.writer.record_writer import RecordWriter

        first = self._file is None
        if self._file is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = self.folder / f"events.out.tfevents.{time.time_ns()}"
        with self._file.open("ab") as stream:
            records = RecordWriter(stream)
            for event in _events(step, values, first=first):
                records.write(event.SerializeToString())


def _events(step: int, values: Mapping[str, float], *, first: bool) -> Iterator[Any]:
    from tensorboard.compat.proto.event_pb2 import Event, SessionLog
    from tensorboard.compat.proto.summary_pb2 import Summary

    now = time.time()
    if first:
        yield Event(wall_time=now, file_version=_FORMAT)
        yield Event(wall_time=now, step=step, session_log=SessionLog(status=SessionLog.START))
    shown = [Summary.Value(tag=name, simple_value=value) for name, value in values.items()]
    yield Event(wall_time=now, step=step, summary=Summary(value=shown))
