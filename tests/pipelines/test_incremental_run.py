from typing import Any

import pytest

from tests.pipelines.installation import Installation, stages

pytestmark = pytest.mark.timeout(600)
REGISTERED = "registered_radiographs"


def test_an_unchanged_cohort_computes_nothing_and_is_fresh(finished: Installation) -> None:
    before, first = finished.digests(), [finished.pointer(stage)["seconds"] for stage in stages("registration_report")]
    assert sum(finished.computed().values()) > 0
    finished.run("tiny")
    assert set(finished.computed().values()) == {0}
    assert finished.digests() == before
    assert sum(finished.pointer(stage)["seconds"] for stage in stages("registration_report")) < sum(first)
    status, printed = finished.call("status", "tiny")
    assert (status, printed.count(" fresh "), printed.count(" stale ")) == (0, len(stages("registration_report")), 0)


def test_added_subjects_alone_are_computed(finished: Installation, tiny: dict[str, Any]) -> None:
    before = finished.digests(REGISTERED)
    tiny["phantom"]["subjects"] += 5
    finished.declare(tiny)
    finished.run("tiny", "--until", REGISTERED)
    assert finished.computed(REGISTERED) == {
        "radiographs": 5,
        "lung_segmenter": 0,
        "lung_masks": 5,
        "reference_lung": 0,
        "prealigned_radiographs": 5,
        "registration_model": 0,
        "registered_radiographs": 5,
    }
    after = finished.digests(REGISTERED)
    assert {stage for stage in after if after[stage] == before[stage]} == {
        "lung_segmenter",
        "reference_lung",
        "registration_model",
    }
    assert finished.pointer(REGISTERED)["reused"] == tiny["phantom"]["subjects"] - 5


def test_a_setting_computes_its_stage_and_what_follows_but_nothing_before(
    finished: Installation, tiny: dict[str, Any]
) -> None:
    tiny["settings"]["registration_model"]["steps"] += 1
    finished.declare(tiny)
    _, printed = finished.call("status", "tiny")
    assert "settings differ from the declaration: steps" in printed
    finished.run("tiny", "--until", REGISTERED)
    computed = finished.computed(REGISTERED)
    assert computed.pop("registration_model") == 1
    assert computed.pop(REGISTERED) == tiny["phantom"]["subjects"]
    assert set(computed.values()) == {0}


def test_a_launch_setting_wins_over_the_cohorts(finished: Installation) -> None:
    finished.run("tiny", "--until", "reference_lung", "--set", "reference_lung.candidates=2")
    assert finished.pointer("reference_lung")["settings"]["candidates"] == 2
    assert finished.rows("reference_lung")[0]["candidates"] == 2


def test_lost_artefacts_alone_are_computed_again(finished: Installation) -> None:
    before = finished.digests(REGISTERED)
    for stage in ("lung_masks", REGISTERED):
        finished.store.delete(finished.rows(stage)[7]["artifact"])
    finished.run("tiny", "--until", REGISTERED)
    computed = finished.computed(REGISTERED)
    assert (computed.pop("lung_masks"), computed.pop(REGISTERED)) == (1, 1)
    assert set(computed.values()) == {0}
    assert finished.digests(REGISTERED) == before


def test_an_altered_artefact_stops_what_reads_it_until_it_is_deleted(finished: Installation) -> None:
    damaged = finished.rows("lung_masks")[3]["artifact"]
    data = finished.store.read(damaged)
    finished.store.write(damaged, data[:-1] + bytes([data[-1] ^ 1]))
    anew = ("--until", "prealigned_radiographs", "--set", "prealigned_radiographs.row_smoothing=0.01")
    status, printed = finished.call("run", "tiny", *anew)
    assert status == 1
    assert "prealigned_radiographs [tiny/0] failed: " in printed
    assert f"{damaged} was altered after it was written; delete it and run its stage again" in printed
    finished.store.delete(damaged)
    finished.run("tiny", *anew)
    assert {row["status"] for row in finished.rows("prealigned_radiographs")} == {"ok"}
    assert finished.store.read(damaged) == data
