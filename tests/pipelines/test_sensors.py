import http.server
import json
import threading
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pipelines import sensors
from pipelines.definitions import defs
from pipelines.sensors import ALERT_VARIABLE, run_failures, source_changes
from pipelines.status import sources_now
from resources import catalogue
from resources.home import store_url
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

SHARDS = ("three_shards/0", "three_shards/1", "three_shards/2")


class Present:
    """Sources and manifests of a cohort with three shards, as the sensor finds them.

    Attributes:
        sources: digest by shard, None where they cannot be read.
        day: of the ticks.
    """

    def __init__(self) -> None:
        self.sources: dict[str, str] | None = dict.fromkeys(SHARDS, "a")
        self.day = "2026-11-16"
        self.runs = 0
        self.cursor: str | None = None

    def ingest(self, shards: tuple[str, ...] = SHARDS) -> None:
        """Make the radiographs of shards from the present sources."""
        self.runs += 1
        for shard in shards:
            record = {"source": (self.sources or {})[shard], "run_id": f"run {self.runs}"}
            publish(ObjectStore(store_url()), Place("radiographs", shard), pa.table({"content": [0]}), record)

    def tick(self, instance: dg.DagsterInstance | None = None) -> tuple[list[str], str]:
        """Run keys of what was asked for, and what was said instead."""
        found = instance or dg.DagsterInstance.ephemeral()
        with dg.build_sensor_context(instance=found, cursor=self.cursor) as context:
            result = source_changes(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        keys = []
        for request in result.run_requests or []:
            assert request.partition_key == "three_shards"
            assert request.run_key is not None
            keys.append(request.run_key)
        return keys, (result.skip_reason.skip_message or "") if result.skip_reason else ""


@pytest.fixture
def present(home: Path, monkeypatch: pytest.MonkeyPatch) -> Present:
    made = Present()
    monkeypatch.setattr(sensors, "today", lambda: made.day)
    monkeypatch.setattr(sensors, "sources_now", lambda cohort: made.sources)
    return made


def test_a_cohort_that_was_never_run_is_left_alone(present: Present) -> None:
    assert present.tick() == ([], "no source changed")


def test_unchanged_sources_launch_nothing(present: Present) -> None:
    present.ingest()
    assert present.tick() == ([], "no source changed")


def test_a_change_of_one_shard_is_asked_for_once_it_has_settled(present: Present) -> None:
    present.ingest()
    for digest in ("b", "c"):
        present.sources = {**dict.fromkeys(SHARDS, "a"), SHARDS[1]: digest}
        assert present.tick() == ([], "three_shards: its sources changed and are left to settle")
    keys, said = present.tick()
    assert (len(keys), said) == (1, "")
    assert present.tick()[0] == keys, "Dagster launches one run a key"
    present.ingest((SHARDS[1],))
    assert present.tick() == ([], "no source changed")


def test_what_was_asked_for_and_failed_is_asked_for_once_more_on_the_next_day(present: Present) -> None:
    present.ingest()
    present.sources = dict.fromkeys(SHARDS, "b")
    present.tick()
    first = present.tick()[0]
    assert present.tick()[0] == first, "a lasting failure is not asked for at every tick"
    present.day = "2026-11-17"
    second = present.tick()[0]
    assert (len(second), second != first) == (1, True)
    assert present.tick()[0] == second


def test_the_day_of_a_tick_is_that_of_universal_time() -> None:
    before = datetime.now(UTC).date()
    assert before <= date.fromisoformat(sensors.today()) <= datetime.now(UTC).date()


def test_a_cohort_without_its_file_keeps_no_other_from_being_seen(
    present: Present, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    present.ingest()
    publish(ObjectStore(store_url()), Place("radiographs", "phantom/0"), pa.table({"content": [0]}), {"source": "a"})
    known = present.sources

    def sources(cohort: str) -> dict[str, str] | None:
        return known if cohort == "three_shards" else sources_now(cohort)

    monkeypatch.setattr(sensors, "sources_now", sources)
    monkeypatch.setattr(catalogue, "folders", lambda: [tmp_path])
    (tmp_path / "phantom.yaml").write_text("name: [broken", encoding="utf-8")
    unread = "phantom: its sources cannot be read; check its root, table and credentials"
    assert present.tick() == ([], unread)
    known = dict.fromkeys(SHARDS, "b")
    present.tick()
    assert len(present.tick()[0]) == 1


def test_a_shard_that_was_never_made_is_a_change(present: Present) -> None:
    present.ingest(SHARDS[:2])
    present.tick()
    assert len(present.tick()[0]) == 1


def test_sources_that_go_back_to_what_they_were_are_another_change(present: Present) -> None:
    def settled(digest: str) -> str:
        present.sources = dict.fromkeys(SHARDS, digest)
        present.tick()
        ((key),) = present.tick()[0]
        present.ingest()
        return key

    present.ingest()
    keys = [settled(digest) for digest in ("b", "a", "b")]
    assert len(set(keys)) == 3


def test_a_root_that_cannot_be_read_is_said_with_the_cohorts_name(present: Present) -> None:
    present.ingest()
    present.sources = None
    said = "three_shards: its sources cannot be read; check its root, table and credentials"
    assert present.tick() == ([], said)


def test_a_cohort_that_is_being_rebuilt_is_left_alone(present: Present) -> None:
    present.ingest()
    present.sources = dict.fromkeys(SHARDS, "b")
    present.tick()
    with dg.instance_for_test() as instance:
        tags = {"dagster/partition": "three_shards"}
        run = instance.create_run_for_job(
            defs.resolve_job_def("everything"), status=dg.DagsterRunStatus.STARTED, tags=tags
        )
        assert present.tick(instance) == ([], "three_shards: being rebuilt")
        instance.report_run_canceled(run)
        assert present.tick(instance) == ([], "three_shards: its sources changed and are left to settle")
        assert len(present.tick(instance)[0]) == 1


def test_the_sensor_is_off_until_turned_on_and_what_it_asks_for_loads() -> None:
    assert source_changes.default_status == dg.DefaultSensorStatus.STOPPED
    assert source_changes.minimum_interval_seconds == 300
    assert run_failures.default_status == dg.DefaultSensorStatus.RUNNING
    assert source_changes.job_name == "data"


class Receiver:
    """A server on a free loopback port that keeps what is posted to it.

    Attributes:
        received: bodies, in order.
        answer: status that it answers with.
    """

    def __init__(self) -> None:
        received: list[dict[str, Any]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(outer.answer)
                self.end_headers()

            def log_message(self, format: str, *arguments: object) -> None:
                return

        self.answer = 204
        self.received = received
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.thread = threading.Thread(target=self.server.serve_forever)
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/alerts?token=secret"

    def stop(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = Receiver()
    monkeypatch.setenv(ALERT_VARIABLE, server.url)
    yield server
    server.stop()


def fail(error: Exception, capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    """Let a run fail and the sensor see it; the run's id, and what was logged."""

    @dg.op
    def stumble() -> None:
        raise error

    @dg.job(partitions_def=dg.StaticPartitionsDefinition(["phantom"]))
    def stumbling() -> None:
        stumble()

    with dg.instance_for_test() as instance:
        result = stumbling.execute_in_process(instance=instance, partition_key="phantom", raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failures",
            dagster_event=result.get_run_failure_event(),
            dagster_instance=instance,
            dagster_run=result.dagster_run,
        ).for_run_failure()
        capsys.readouterr()
        run_failures(context)
        logged = capsys.readouterr().err
    return result.run_id, logged


def test_a_failed_run_is_told_with_the_words_of_its_stage(
    receiver: Receiver, capsys: pytest.CaptureFixture[str]
) -> None:
    run_id, logged = fail(dg.Failure("no training pair; mend the table\nand more"), capsys)
    told = {"job": "stumbling", "partition": "phantom", "run_id": run_id, "error": "no training pair; mend the table"}
    assert receiver.received == [told]
    assert json.dumps(told) in logged


def test_the_words_of_an_unforeseen_error_are_not_told(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    _, logged = fail(FileNotFoundError(2, "No such file", "/data/doe_jane.png"), capsys)
    assert [alert["error"] for alert in receiver.received] == ["FileNotFoundError"]
    assert "doe_jane" not in logged


@pytest.mark.parametrize(
    ("url", "said"),
    [("http://127.0.0.1:9/?token=secret", "URLError"), ("file:///etc/token", "no http"), ("x", "Value")],
)
def test_a_receiver_that_cannot_be_told_is_logged_without_its_address(
    url: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv(ALERT_VARIABLE, url)
    _, logged = fail(ValueError("x"), capsys)
    assert said in logged.partition("could not be told")[2]
    assert "token" not in logged


def test_a_receiver_that_refuses_is_logged(receiver: Receiver, capsys: pytest.CaptureFixture[str]) -> None:
    receiver.answer = 500
    _, logged = fail(ValueError("x"), capsys)
    assert "could not be told: HTTPError" in logged
    assert len(receiver.received) == 1


def test_without_a_receiver_a_failure_is_only_logged(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv(ALERT_VARIABLE, raising=False)
    _, logged = fail(ValueError("x"), capsys)
    assert '"error": "ValueError"' in logged
    assert "could not" not in logged
