import math

import pyarrow as pa
import pytest

from assets.study.settings import StudyFile, parse_study
from assets.tables.translation import TRANSLATOR
from assets.translation.settings import TranslationSettings
from pipelines.status import StatusRow
from pipelines.study import members
from pipelines.study.members import measured_seconds, seconds_of, settled
from pipelines.study.step_time import SHORTEST_SECONDS, training_seconds
from resources.manifests import Place, publish
from resources.object_store import ObjectStore

STUDY: StudyFile = parse_study(
    {
        "name": "tried",
        "cohort": "phantom",
        "protocols": [
            {"name": "gan", "folds": 2, "arms": ["none/cut", "it_pr/cyclegan"]},
            {"name": "more", "folds": 3, "arms": ["none/cut"]},
        ],
    }
)
SMALL = TranslationSettings(
    size=32,
    steps=200,
    batch=1,
    generator_width=2,
    generator_blocks=2,
    discriminator_width=2,
    nce_patches=4,
    nce_width=4,
)


def lay_out(store: ObjectStore, cohort: str, *rows: tuple[str, int, int, float | None, str]) -> None:
    named = ("arm", "seed", "steps", "seconds", "status")
    known = [dict(zip(named, row, strict=True)) for row in rows]
    full = [{name: row.get(name) for name in TRANSLATOR.names} for row in known]
    for row in full:
        row["reason"] = "" if row["status"] == "ok" else "it diverged"
        row["method"] = str(row["arm"]).partition("/")[2]
    table = pa.Table.from_pylist(full, schema=TRANSLATOR)
    publish(store, Place("translator", cohort), table, {"parents": {}, "seconds": 5.0})


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every fold cohort trains 100 steps."""
    monkeypatch.setattr(members, "translation", lambda cohort: TranslationSettings(steps=100))


@pytest.mark.usefixtures("steps")
def test_what_trainings_took_in_any_fold_is_the_estimate_for_as_many_steps_as_now(local_store: ObjectStore) -> None:
    assert measured_seconds(local_store, STUDY, "cut") is None
    lay_out(local_store, "tried-2-0", ("none/cut", 0, 100, 40.0, "ok"), ("it_pr/cyclegan", 0, 100, 90.0, "ok"))
    assert measured_seconds(local_store, STUDY, "cut") == 40.0
    # Trained with half of the steps, before they were raised.
    lay_out(local_store, "tried-3-1", ("none/cut", 0, 50, 30.0, "ok"), ("none/cut", 1, 3, 1.0, "failed"))
    assert measured_seconds(local_store, STUDY, "cut") == 50.0
    assert measured_seconds(local_store, STUDY, "cyclegan") == 90.0
    assert measured_seconds(local_store, STUDY, "pix2pix") is None
    lay_out(local_store, "tried-2-1", ("it_pr/cyclegan", 0, 100, None, "ok"))
    assert measured_seconds(local_store, STUDY, "cyclegan") == 90.0, "one that was taken up tells no time"


@pytest.mark.parametrize(
    ("state", "expected"), [("fresh", {"none/cut/0": "", "none/cut/1": "it diverged"}), ("stale", {}), ("failed", {})]
)
def test_only_trainings_that_stand_on_what_is_there_now_count(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch, state: str, expected: dict[str, str]
) -> None:
    asked: list[bool] = []

    def rows(cohort: str, store: ObjectStore, *, in_part: bool) -> list[StatusRow]:
        asked.append(in_part)
        found = StatusRow("translator", cohort, state, "1", "1", "5.0", "")  # type: ignore[arg-type]
        return [StatusRow("pseudo_pairs", cohort, "fresh", "1", "0", "1.0", ""), found]

    monkeypatch.setattr(members, "status_rows", rows)
    assert settled(local_store, "tried-2-0") == {}
    lay_out(local_store, "tried-2-0", ("none/cut", 0, 1, 1.0, "ok"), ("none/cut", 1, 1, 1.0, "failed"))
    assert settled(local_store, "tried-2-0") == expected
    assert asked == [True, True], "a launch for some arms leaves the translator fresh"


def test_the_time_that_stages_took_is_added_up(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def rows(cohort: str, store: ObjectStore) -> list[StatusRow]:
        names = ("translator", "evaluation")
        return [StatusRow(name, cohort, "fresh", "1", "0", "5.0", "") for name in names]

    monkeypatch.setattr(members, "status_rows", rows)
    for cohort in ("tried-2-0", "tried-2-1"):
        lay_out(local_store, cohort, ("none/cut", 0, 1, 1.0, "ok"))
    assert seconds_of(local_store, ["tried-2-0", "tried-2-1", "tried-3-0"], ["translator"]) == 10.0
    assert seconds_of(local_store, ["tried-2-0"], ["evaluation"]) == 0.0, "what never ran took no time"


@pytest.mark.parametrize("method", ["cut", "pix2pix"])
def test_a_trainings_time_is_told_from_a_few_of_its_steps(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PSEUDOPAIR_DEVICE", "cpu")
    short = training_seconds(method, SMALL, 1)  # type: ignore[arg-type]
    assert math.isfinite(short)
    assert short >= SHORTEST_SECONDS
    # A thousand times the steps, up to what the machine is disturbed by.
    longer = SMALL.model_copy(update={"steps": 200_000})
    assert training_seconds(method, longer, 1) > 10 * short  # type: ignore[arg-type]
