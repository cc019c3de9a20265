import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from pipelines.launches import Interrupted, Launch, Launcher, RunFailed
from pipelines.lenders import stages_of
from pipelines.rebuild import rebuild
from pipelines.stages import JOBS, STAGE_NAMES, STAGES, Stage
from pipelines.status import sources_now, status_rows
from pipelines.versions import VERSIONS
from resources.catalogue import entry_named
from resources.home import store_url
from resources.manifests import Place, publish, read_pointer
from resources.object_store import ObjectStore
from resources.partitions import cohort_of

# What the audit and the leak control take from the evaluation.
BESIDE = {stage: {"patient_score": "mean"} for stage in ("shortcut_audit", "leak_control")}
COUNTS = {"ok": 3, "needs_review": 1, "rejected": 2, "failed": 4, "seconds": 1.25}
SHARDED = "three_shards"


def complete(stage: str, partition: str, content: int = 0, **changed: Any) -> None:  # noqa: ANN401
    """Publish a stage as a run would that reads the present manifests of its parents."""
    store, found = ObjectStore(store_url()), next(item for item in STAGES if item.name == stage)
    cohort = cohort_of(partition)
    parents = {}
    # By default no peer's frame is made, and nothing is read for it.
    for name in found.reads if stage != "peer_registered" else ():
        parent = next(item for item in STAGES if item.name == name)
        keys = parent.partitions(cohort) if (found.level, parent.level) == ("cohort", "shard") else [partition]
        for key in keys if parent.level == "shard" else [cohort]:
            pointer = read_pointer(store, Place(name, key))
            parents[f"{name}@{key}"] = pointer["digest"] if pointer else ""
    declared = entry_named(cohort).mapping.get("settings", {}).get(stage, {})
    record = {
        "version": VERSIONS[stage],
        "settings": found.settings(**declared).model_dump() | BESIDE.get(stage, {}),
        "parents": parents,
        "partition": partition,
        "source": (sources_now(cohort) or {})[partition] if stage == "radiographs" else "",
        **COUNTS,
        **changed,
    }
    publish(store, Place(stage, partition), pa.table({"stage": [stage], "content": [content]}), record)


@dataclass(frozen=True)
class Recorder(Launcher):
    """Publishes what a run would; some of its runs fail.

    Attributes:
        ran: stage and partition of every launch.
        contents: what a stage makes, where that is new.
        failing: partitions that fail, by stage; `ended` ends there.
    """

    ran: list[str] = field(default_factory=list)
    contents: dict[str, int] = field(default_factory=dict)
    failing: Sequence[str] = ()
    ended: str = ""

    def run(self, launch: Launch, settings: dict[str, dict[str, Any]]) -> None:
        assert settings == {}
        for stage in launch.stages:
            name = f"{stage} {launch.partition}"
            self.ran.append(name)
            if name == self.ended:
                raise Interrupted("ended")
            if name in self.failing:
                failure = json.dumps({"run_id": "x", "error": "no lung"}).encode()
                ObjectStore(store_url()).write(f"{Place(stage, launch.partition).folder}/FAILED.json", failure)
                raise RunFailed(f"{name} failed: /a/file.png", f"{name} failed: OSError")
            complete(stage, launch.partition, self.contents.get(stage, 0))


@pytest.fixture
def instance(home: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


def by_job(cohort: str) -> list[list[Stage]]:
    """The stages of each job, in the order of the cohort."""
    stages = stages_of(entry_named(cohort).mapping.get("settings", {}), STAGES)
    return [list(grouped) for _, grouped in groupby(stages, key=lambda stage: stage.job)]


def silent(line: str) -> None:
    assert line


def brought(instance: dg.DagsterInstance, cohort: str, **given: Any) -> list[str]:  # noqa: ANN401
    """Stage and partition of every launch of a rebuild of everything."""
    recorder = Recorder(instance, "tag", **given)
    count = rebuild(cohort, STAGES, recorder, silent)
    assert count <= len(recorder.ran)
    return recorder.ran


@pytest.mark.parametrize("cohort", ["phantom", SHARDED])
def test_a_rebuild_launches_everything_once_and_then_nothing(instance: dg.DagsterInstance, cohort: str) -> None:
    ran = brought(instance, cohort)
    # Stages of one job go through a partition together.
    groups = by_job(cohort)
    assert ran == [f"{each.name} {key}" for group in groups for key in group[0].partitions(cohort) for each in group]
    assert {row.state for row in status_rows(cohort)} == {"fresh"}
    assert brought(instance, cohort) == []


def test_what_comes_out_the_same_leaves_the_rest_fresh(instance: dg.DagsterInstance) -> None:
    brought(instance, SHARDED)
    complete("lung_masks", f"{SHARDED}/1", content=5)
    # The masks' readers run: a shard's own, and every model of the cohort; none of them came out new.
    ran = brought(instance, SHARDED)
    assert f"prealigned_radiographs {SHARDED}/1" in ran
    assert f"reference_lung {SHARDED}" in ran
    assert not [name for name in ran if name.endswith(("/0", "/2"))]
    assert not [name for name in ran if name.startswith(("radiographs", "lung_segmenter", "lung_masks"))]


def test_what_comes_out_new_is_followed_everywhere(instance: dg.DagsterInstance) -> None:
    brought(instance, SHARDED)
    complete("lung_masks", f"{SHARDED}/1", content=5)
    ran = brought(instance, SHARDED, contents={"reference_lung": 5})
    assert [name for name in ran if name.startswith("prealigned")] == [
        f"prealigned_radiographs {SHARDED}/{shard}" for shard in range(3)
    ]


def test_a_failure_is_tried_once_a_rebuild_and_what_does_not_read_it_goes_on(instance: dg.DagsterInstance) -> None:
    brought(instance, SHARDED)
    for stage in ("registration_model", "registration_peers"):
        complete(stage, SHARDED, must_retrain="a patient was withdrawn")
    recorder = Recorder(instance, "tag", failing=[f"registration_model {SHARDED}"])
    with pytest.raises(RunFailed, match="failed: /a/file") as failed:
        rebuild(SHARDED, STAGES, recorder, silent)
    assert failed.value.told == f"registration_model {SHARDED} failed: OSError"
    assert recorder.ran == [f"registration_model {SHARDED}", f"registration_peers {SHARDED}"]
    # Tried again at the next one, and then there is nothing left to do but what waited for it.
    assert brought(instance, SHARDED)[0] == f"registration_model {SHARDED}"
    assert {row.state for row in status_rows(SHARDED)} == {"fresh"}


def test_one_shards_failure_lets_the_other_shards_finish(instance: dg.DagsterInstance) -> None:
    recorder = Recorder(instance, "tag", failing=[f"radiographs {SHARDED}/0"])
    with pytest.raises(RunFailed):
        rebuild(SHARDED, STAGES, recorder, silent)
    assert recorder.ran == [f"radiographs {SHARDED}/{shard}" for shard in range(3)]


def test_nothing_is_launched_after_an_end_from_outside(instance: dg.DagsterInstance) -> None:
    recorder = Recorder(instance, "tag", ended=f"radiographs {SHARDED}/1")
    with pytest.raises(Interrupted):
        rebuild(SHARDED, STAGES, recorder, silent)
    assert recorder.ran[-1] == f"radiographs {SHARDED}/1"


def test_recheck_launches_what_is_fresh(instance: dg.DagsterInstance) -> None:
    first = brought(instance, "phantom")
    recorder = Recorder(instance, "tag")
    assert rebuild("phantom", STAGES, recorder, silent, recheck=True) == len(JOBS)
    assert recorder.ran == first


def test_only_the_wanted_stages_are_launched(instance: dg.DagsterInstance) -> None:
    recorder = Recorder(instance, "tag")
    rebuild("phantom", STAGES[:3], recorder, silent)
    assert recorder.ran == [f"{stage.name} {stage.partitions('phantom')[0]}" for stage in STAGES[:3]]


def test_a_lender_comes_first_up_to_its_segmenter(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = {**entry_named("phantom").mapping}
    named["settings"] = {**named["settings"], "lung_segmenter": {"borrow_from": SHARDED}}
    recorder = Recorder(instance, "tag", failing=[f"radiographs {SHARDED}/2"])
    original = entry_named

    def declared(name: str) -> Any:  # noqa: ANN401
        entry = original(name)
        return entry if name != "phantom" else type(entry)(entry.path, name, named)

    monkeypatch.setattr("pipelines.lenders.entry_named", declared)
    with pytest.raises(RunFailed):
        rebuild("phantom", STAGES[:2], recorder, silent)
    lent = [f"radiographs {SHARDED}/{shard}" for shard in range(3)]
    # The lender's failure is no failure of the borrower: it may have lent a model before.
    assert recorder.ran == [*lent, "radiographs phantom/0", "lung_segmenter phantom"]


def test_a_lender_of_several_models_comes_up_to_the_last_of_them(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    borrowed = {"lung_segmenter": {"borrow_from": SHARDED}, "translator": {"borrow_from": f"{SHARDED}@{'0' * 64}"}}
    borrowed["reference_lung"] = {"borrow_from": SHARDED}
    original = entry_named

    def declared(name: str) -> Any:  # noqa: ANN401
        entry = original(name)
        return entry if name != "phantom" else type(entry)(entry.path, name, {**entry.mapping, "settings": borrowed})

    monkeypatch.setattr("pipelines.lenders.entry_named", declared)
    recorder = Recorder(instance, "tag")
    rebuild("phantom", STAGES[:1], recorder, silent)
    assert recorder.ran == ["radiographs phantom/0"], "nothing that is asked for is borrowed"
    recorder.ran.clear()
    rebuild("phantom", STAGES, recorder, silent)
    lent = [name.split()[0] for name in recorder.ran if cohort_of(name.split()[1]) == SHARDED]
    assert list(dict.fromkeys(lent)) == list(STAGE_NAMES[: STAGE_NAMES.index("reference_lung") + 1])
    assert cohort_of(recorder.ran[len(lent)].split()[1]) == "phantom"


def test_a_fold_that_lends_is_left_to_its_study(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    brought(instance, SHARDED)
    pointer = read_pointer(ObjectStore(store_url()), Place("translator", SHARDED))
    assert pointer is not None
    complete("translator", SHARDED, settings={**pointer["settings"], "only": ["none/pca/0"]})
    original = entry_named
    borrowed = {"translator": {"borrow_from": SHARDED}}

    def declared(name: str) -> Any:  # noqa: ANN401
        entry = original(name)
        return entry if name != "phantom" else type(entry)(entry.path, name, {**entry.mapping, "settings": borrowed})

    monkeypatch.setattr("pipelines.lenders.entry_named", declared)
    for folds, trained in ((frozenset({SHARDED}), False), (frozenset(), True)):
        monkeypatch.setattr("pipelines.rebuild.FOLDS", folds)
        recorder = Recorder(instance, "tag")
        rebuild("phantom", STAGES, recorder, silent)
        assert (f"translator {SHARDED}" in recorder.ran) is trained


def test_it_says_what_it_leaves_alone_and_why_it_launches_what(instance: dg.DagsterInstance) -> None:
    brought(instance, SHARDED)
    complete("lung_segmenter", SHARDED, version="0")
    said: list[str] = []
    rebuild(SHARDED, STAGES, Recorder(instance, "tag"), said.append)
    assert said[0] == "radiographs: 3 of 3 partitions are fresh"
    assert said[1] == f"lung_segmenter  [{SHARDED}]: algorithm version 0 → {VERSIONS['lung_segmenter']}"
    groups = by_job(SHARDED)[2:]
    assert said[2:] == [
        f"{' → '.join(stage.name for stage in group)}: {count} of {count} partitions are fresh"
        for group in groups
        for count in [len(group[0].partitions(SHARDED))]
    ]
