import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines import schedules
from pipelines.dead_runs import RUN_TAG
from pipelines.definitions import defs
from pipelines.schedules import RETRAINING_VARIABLE, TIMEZONE_VARIABLE, daily_status, everything, weekly_retraining
from pipelines.status import StatusRow
from tests.pipelines.cohort_on_disk import NAME, CohortOnDisk
from tests.pipelines.growing_scenario import ADDED
from tests.pipelines.installation import Installation

# Enough for the quality score to be taught from the start: once it can be, the segmenter is fitted anew.
FIRST = 45
pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def happened(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a growing cohort's ticks and runs did."""
    installation = Installation(tmp_path_factory.mktemp("growing"))
    cohort = CohortOnDisk(installation.folder / "source")
    cohort.add(FIRST)
    installation.declare(cohort.declaration())
    told = installation.folder / "told.json"
    status, printed = installation.python("-m", "tests.pipelines.growing_scenario", str(cohort.root), str(told)).end(
        580
    )
    assert status == 0, printed[-4000:]
    found: dict[str, Any] = json.loads(told.read_text(encoding="utf-8"))
    return found


@pytest.mark.slow
def test_before_a_first_run_and_in_a_quiet_week_a_tick_launches_nothing(happened: dict[str, Any]) -> None:
    assert happened["before"] == {"skipped": "no cohort has been run yet"}
    assert happened["quiet"] == happened["quiet again"] == {"skipped": "every stage is fresh"}
    assert happened["again"] == {"launched": [], "computed": {}, "statuses": ["SUCCESS"]}


@pytest.mark.slow
def test_new_files_are_seen_once_they_have_settled_and_asked_for_once(happened: dict[str, Any]) -> None:
    assert happened["nothing seen"] == happened["settled"] == {"skipped": "no source changed"}
    assert happened["settling"] == {"skipped": f"{NAME}: its sources changed and are left to settle"}
    ((key, partition),) = happened["seen"]["requested"]
    assert partition == NAME
    # Dagster launches one run a key, however often it is asked for.
    assert happened["seen again"]["requested"] == [[key, partition]]


@pytest.mark.slow
def test_a_tick_after_ten_new_files_asks_for_one_run(happened: dict[str, Any]) -> None:
    assert happened["grown"] == {"requested": [[f"2026-11-16T03:00:00+00:00 {NAME}", NAME]]}
    assert happened["after data"] == happened["grown"], "models and scores are still those of before"


@pytest.mark.slow
def test_ten_new_files_in_a_shard_are_computed_and_nothing_else_is(happened: dict[str, Any]) -> None:
    shard = f"{NAME}/0"
    assert happened["data"]["computed"] == {
        f"radiographs {shard}": ADDED,
        f"lung_segmenter {NAME}": 0,
        f"lung_masks {shard}": ADDED,
        f"reference_lung {NAME}": 0,
        f"prealigned_radiographs {shard}": ADDED,
    }
    assert happened["data"]["launched"] == [
        f"stage_sources {shard}",
        f"stage_segmenter_training {NAME}",
        f"stage_segmentation {shard}",
        f"stage_reference {NAME}",
        f"stage_prealignment {shard}",
    ]


@pytest.mark.slow
def test_ten_new_files_train_the_translators_once_and_refit_no_kept_model(happened: dict[str, Any]) -> None:
    computed, launched = happened["rest"]["computed"], happened["rest"]["launched"]
    assert launched.count(f"stage_training {NAME}") == 1
    assert computed[f"translator {NAME}"] == 2, "each arm once"
    assert computed[f"registration_model {NAME}"] == computed[f"registration_peers {NAME}"] == 0
    assert computed[f"registered_radiographs {NAME}/0"] == ADDED
    assert f"registered_radiographs {NAME}/1" not in computed
    assert len(launched) == len(set(launched))
    assert not [name for name in launched if name in happened["data"]["launched"]]


@pytest.mark.slow
def test_a_first_run_computes_every_stage(happened: dict[str, Any]) -> None:
    first = happened["first"]
    assert first["computed"][f"radiographs {NAME}/0"] + first["computed"][f"radiographs {NAME}/1"] == FIRST
    # No peer is asked for, nothing is drawn on these images, and too few of their normals are for validation.
    without = ("peer_registered", "normal_maps", "localisation", "localisation_summary")
    assert {name for name, count in first["computed"].items() if not count} == {
        name for name in first["computed"] if name.split()[0] in without
    }
    assert first["statuses"] == ["SUCCESS"]


def tick(instance: dg.DagsterInstance) -> Any:  # noqa: ANN401 (what a schedule may return)
    time = datetime(2026, 11, 16, 3, tzinfo=UTC)
    with dg.build_schedule_context(instance=instance, scheduled_execution_time=time) as context:
        return weekly_retraining(context)


def row(partition: str, state: str) -> StatusRow:
    return StatusRow("radiographs", partition, state, "", "", "", "why")  # type: ignore[arg-type]


@pytest.fixture
def two_stale(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [row("phantom/0", "stale"), row("nih/00", "fresh"), row("nih/01", "failed"), row("rsna/0", "fresh")]
    monkeypatch.setattr(schedules, "status_rows", lambda store: rows)


@pytest.mark.usefixtures("two_stale")
def test_a_tick_asks_for_every_cohort_that_is_not_fresh_and_for_it_once() -> None:
    with dg.instance_for_test() as instance:
        requests = tick(instance)
        assert [request.partition_key for request in requests] == ["nih", "phantom"]
        assert [request.run_key for request in tick(instance)] == [request.run_key for request in requests]


@pytest.mark.usefixtures("two_stale")
def test_folds_are_left_to_their_study(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "FOLDS", frozenset({"nih"}))
    with dg.instance_for_test() as instance:
        assert [request.partition_key for request in tick(instance)] == ["phantom"]
        monkeypatch.setattr(schedules, "FOLDS", frozenset({"nih", "phantom"}))
        assert isinstance(tick(instance), dg.SkipReason)


@pytest.mark.usefixtures("two_stale")
def test_a_cohort_that_is_being_rebuilt_is_not_asked_for() -> None:
    with dg.instance_for_test() as instance:
        for cohort, job, left in (("nih", "data", ["phantom"]), ("phantom", "everything", None)):
            instance.create_run_for_job(
                defs.resolve_job_def(job), status=dg.DagsterRunStatus.STARTED, tags={"dagster/partition": cohort}
            )
            result = tick(instance)
            if left:
                assert [request.partition_key for request in result] == left
        assert isinstance(result, dg.SkipReason)
        assert result.skip_message == "being rebuilt already: nih, phantom"


@pytest.mark.usefixtures("two_stale")
def test_a_cohort_that_the_command_runs_is_not_asked_for() -> None:
    with dg.instance_for_test() as instance:
        tags = {"dagster/partition": "nih/01", RUN_TAG: "the command"}
        job = defs.resolve_job_def("stage_segmentation")
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=tags)
        assert [request.partition_key for request in tick(instance)] == ["phantom"]


def test_schedules_are_off_until_turned_on_and_say_their_time_zone() -> None:
    for schedule in (weekly_retraining, daily_status):
        assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
        assert schedule.execution_timezone == "UTC"
    assert weekly_retraining.cron_schedule == "0 3 * * 1"
    assert weekly_retraining.job_name == everything.name


def test_its_time_can_be_set(tmp_path: Path) -> None:
    code = "from pipelines.schedules import weekly_retraining as w; print(w.cron_schedule, w.execution_timezone)"
    variables = {RETRAINING_VARIABLE: "30 4 * * 6", TIMEZONE_VARIABLE: "Asia/Seoul"}
    status, printed = Installation(tmp_path).python("-c", code, **variables).end()
    assert (status, printed.split()) == (0, ["30", "4", "*", "*", "6", "Asia/Seoul"])
