import pytest

from resources import progress
from resources.progress import steadfast, training_progress


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_at_most_one_line_every_few_seconds(clock: Clock) -> None:
    lines: list[str] = []
    speak = training_progress(lines.append, "it_pr/cut seed 0")
    for step in range(1, 31):
        clock.now += 1
        speak(step, 30, {"loss": 1 / step})
    assert len(lines) == 30 / progress.PROGRESS_SECONDS


def test_a_line_says_the_step_the_time_left_and_the_losses(clock: Clock) -> None:
    lines: list[str] = []
    speak = training_progress(lines.append, "IT-DPR")
    speak(0, 100, {})
    clock.now += 10
    # 20 steps took 10 s, so the 80 that are left take 40 s.
    speak(20, 100, {"step": 20.0, "generator": 0.123456, "nce": 4.0})
    assert lines == ["IT-DPR: step 20 of 100, 40 s left at this pace; generator 0.123, nce 4"]


def test_the_pace_of_a_resumed_training_counts_from_where_it_was_taken_up(clock: Clock) -> None:
    lines: list[str] = []
    speak = training_progress(lines.append, "IT-DPR")
    speak(80, 100, {})
    clock.now += 10
    # 10 steps took 10 s, so the 10 that are left take 10 s; from step 0 it would seem to be 1 s.
    speak(90, 100, {"loss": 1.0})
    assert lines[0].startswith("IT-DPR: step 90 of 100, 10 s left")


def test_a_first_call_after_a_long_step_divides_by_no_zero(clock: Clock) -> None:
    lines: list[str] = []
    speak = training_progress(lines.append, "IT-DPR")
    clock.now += 10
    speak(1, 2, {})
    assert len(lines) == 1


def test_a_log_that_cannot_be_written_ends_no_work(capsys: pytest.CaptureFixture[str]) -> None:
    def locked(line: str) -> None:
        raise OSError("database is locked")

    steadfast(locked)("step 3 of 9")
    assert capsys.readouterr().err == "step 3 of 9 (not in the log: OSError)\n"


def test_a_log_that_can_be_written_takes_every_line_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines: list[str] = []
    steadfast(lines.append)("step 3 of 9")
    assert (lines, capsys.readouterr().err) == (["step 3 of 9"], "")


def test_an_interruption_is_no_fault_of_the_log() -> None:
    def interrupted(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        steadfast(interrupted)("step 3 of 9")
