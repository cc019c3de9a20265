import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from assets.evaluation.arms import evaluated, evaluation_rows
from assets.evaluation.scored import SCORED_COLUMNS
from assets.evaluation.settings import EvaluationSettings
from assets.study import asset_members, asset_reading
from assets.study.asset_members import read_member
from assets.study.member import Aside
from assets.tables.alignment import LUNG_MASKS as MASKS
from assets.tables.alignment import PEER_REGISTERED, PREALIGNED, RADIOGRAPHS, REGISTERED
from assets.tables.localisation import LOCALISATION
from assets.tables.scores import EVALUATION, LEAK_CONTROL, SHORTCUTS
from assets.tables.translation import ANOMALY_MAPS, TRANSLATOR
from assets.translation.settings import TranslationSettings
from resources.manifests import Place, publish, read_manifest, read_pointer
from resources.object_store import ObjectStore
from resources.study_run import StudyRun
from tests.evaluation.scored import row as scored_row

COHORT, SHARDS = "made_up-2-0", ["made_up-2-0/0", "made_up-2-0/1"]
ARM = ("it_dpr/pca", 0)
TRANSLATION = TranslationSettings(steps=300, batch=4)


class Made:
    """A fold cohort's manifests, written one by one."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore(str(folder))
        self.run = StudyRun(
            store=self.store,
            stage="study_table",
            version="1",
            partition="made_up",
            cohort="made_up",
            mapping={},
            launched={},
            run_id="r",
            progress=lambda line: None,
            members=(COHORT,),
        )

    def write(
        self, stage: str, partition: str, schema: pa.Schema, rows: list[dict[str, Any]], **record: object
    ) -> None:
        filled = [{"status": "ok", "reason": "", **row} for row in rows]
        table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in filled], schema=schema)
        publish(self.store, Place(stage, partition), table, {"parents": {}, "settings": {}, **record})

    def digest(self, place: Place) -> str:
        pointer = read_pointer(self.store, place)
        assert pointer is not None
        return str(pointer["digest"])

    def whole(self, **settings: object) -> None:
        rng = np.random.default_rng(0)
        for shard, key in enumerate(SHARDS):
            scored = [
                scored_row(
                    1000 * shard + number,
                    "abnormal" if number % 2 else "normal",
                    float(rng.normal() + number % 2),
                    split="validation" if number < 12 else "test",
                )
                for number in range(40)
            ]
            self.write("anomaly_maps", key, ANOMALY_MAPS, scored)
            self.tell_stages(key)
        self.write("translator", COHORT, TRANSLATOR, [_trained("it_dpr/pca"), _trained("none/cut", steps=300)])
        self.write(
            "shortcut_audit",
            COHORT,
            SHORTCUTS,
            [
                {
                    "name": "border",
                    "kind": "supervised",
                    "auc": 0.6,
                    "strength": 0.6,
                    "low": 0.5,
                    "high": 0.7,
                    "se": 0.05,
                    "positives": 28,
                    "negatives": 28,
                }
            ],
        )
        self.evaluate(**settings)

    def tell_stages(self, key: str) -> None:
        """Eight images; one is set aside by the masks, one by the first alignment."""
        image = {"domain": "abnormal", "split": "test"}
        aside = {"status": "needs_review", "reason": "quality"}
        self.write("radiographs", key, RADIOGRAPHS, [image] * 8)
        self.write("lung_masks", key, MASKS, [image] * 7 + [{**image, **aside, "split": "train"}])
        self.write("prealigned_radiographs", key, PREALIGNED, [image] * 6 + [{**image, **aside}])
        self.write("registered_radiographs", key, REGISTERED, [image] * 6)

    def evaluate(self, **settings: object) -> None:
        """As the stage does, from what is there."""
        kind = EvaluationSettings.model_validate({"resamples": 100, **settings})
        maps = [Place("anomaly_maps", key) for key in SHARDS]
        scored = pa.concat_tables([asset_reading.ok(self.run, place, SCORED_COLUMNS) for place in maps])
        rows = evaluation_rows(evaluated(scored, kind))
        parents = {str(place): self.digest(place) for place in [*maps, Place("translator", COHORT)]}
        self.write("evaluation", COHORT, EVALUATION, rows, parents=parents, settings=kind.model_dump())

    def forget_scores(self, part: str) -> None:
        """As a version left the maps that did not have these scores yet."""
        for key in SHARDS:
            table = read_manifest(self.store, Place("anomaly_maps", key))
            assert table is not None
            names = [name for name in table.column_names if part in name]
            publish(self.store, Place("anomaly_maps", key), table.drop_columns(names), {"parents": {}, "settings": {}})

    def mark(self, place: Place, **fields: object) -> None:
        pointer = read_pointer(self.store, place) or {}
        self.store.write(f"{place.folder}/CURRENT.json", json.dumps({**pointer, **fields}).encode())


def _trained(arm: str, **columns: object) -> dict[str, Any]:
    alignment, _, method = arm.partition("/")
    told = {"arm": arm, "alignment": alignment, "method": method, "seed": 0, "seconds": 12.5}
    return {**told, "trained_normal": 40, "trained_abnormal": 20, "settings": TRANSLATION.model_dump_json(), **columns}


@pytest.fixture
def made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Made:
    monkeypatch.setattr(asset_members, "SHARDS_BY_COHORT", {COHORT: SHARDS})
    return Made(tmp_path)


def test_maps_of_a_version_that_had_fewer_scores_count(made: Made) -> None:
    made.whole()
    made.forget_scores("_contrast")
    made.evaluate()
    member = read_member(made.run, COHORT)
    assert member.problem == ""
    assert np.isfinite(member.arms[ARM].test.scores).all()


def test_what_a_peer_could_not_register_is_told_for_its_own_frame_alone(made: Made) -> None:
    made.whole()
    made.write("peer_registered", SHARDS[0], PEER_REGISTERED, [])
    read_member(made.run, COHORT)
    assert f"peer_registered@{SHARDS[0]}" not in made.run.parents
    image = {"domain": "abnormal", "split": "test", "arm": "affine"}
    folded = {**image, "status": "needs_review", "reason": "folded"}
    rows = [image, folded, folded, {**folded, "split": "train"}, {**image, "arm": "voxelmorph"}]
    made.write("peer_registered", SHARDS[1], PEER_REGISTERED, rows)
    found = read_member(made.run, COHORT)
    assert found.aside[1:] == (Aside("peer_registered", "abnormal", 2, "affine"),)
    assert [item.concerns("affine") for item in found.aside] == [True, True]
    assert [item.concerns("voxelmorph") for item in found.aside] == [True, False]
    assert f"peer_registered@{SHARDS[1]}" in made.run.parents


def test_a_whole_member_has_what_its_stages_made(made: Made) -> None:
    made.whole()
    found = read_member(made.run, COHORT)
    assert found.problem == ""
    fold = found.arms[ARM]
    # two shards with 28 test and 12 validation radiographs each
    assert (len(fold.test.patients), len(fold.validation.patients)) == (56, 24)
    assert fold.score == "score_mean"
    assert found.tested == {"abnormal": 12}
    assert found.aside == (Aside("prealigned_radiographs", "abnormal", 2),)
    assert [(item.name, item.strength) for item in found.shortcuts] == [("border", 0.6)]
    assert found.localised is None
    # three hundred steps see four images of each class, of sixty
    assert (found.costs["none/cut", 0].passes, found.costs["none/cut", 0].steps) == (40, 300)
    assert (found.costs[ARM].images, found.costs[ARM].passes, found.costs[ARM].seconds) == (60, None, 12.5)
    assert found.why_absent("none/cut", 0) == "trained, not scored yet"
    assert found.why_absent("none/cut", 1) == "not trained yet"


def test_the_score_is_the_headline_of_its_evaluation(made: Made) -> None:
    made.whole()
    rows = asset_reading.read(made.run, Place("evaluation", COHORT)).to_pylist()
    other = [{**row, "headline": row["score"] == "score_top5"} for row in rows]
    pointer = read_pointer(made.store, Place("evaluation", COHORT)) or {}
    made.write("evaluation", COHORT, EVALUATION, other, parents=pointer["parents"], settings=pointer["settings"])
    assert read_member(made.run, COHORT).arms[ARM].score == "score_top5"


def test_all_that_was_read_is_recorded_whether_it_counts_or_not(made: Made) -> None:
    made.whole()
    read_member(made.run, COHORT)
    whole = set(made.run.parents)
    assert {f"{stage}@{COHORT}" for stage in ("translator", "evaluation", "shortcut_audit")} <= whole
    assert {f"anomaly_maps@{shard}" for shard in SHARDS} <= whole
    made.run.parents.clear()
    made.mark(Place("evaluation", COHORT), must_retrain="a patient was removed")
    read_member(made.run, COHORT)
    assert made.run.parents[f"evaluation@{COHORT}"] == made.digest(Place("evaluation", COHORT))


def test_what_is_not_there_or_not_current_is_a_problem_and_no_error(made: Made) -> None:
    def problem() -> str:
        found = read_member(made.run, COHORT)
        assert found.arms == {}
        return found.problem

    assert read_member(made.run, "made_up-2-1").problem == "not begun"
    assert problem() == "not evaluated yet"
    made.whole()
    assert read_member(made.run, COHORT).problem == ""
    made.mark(Place("evaluation", COHORT), must_retrain="a patient was removed")
    assert problem() == "to be trained again: a patient was removed"
    made.evaluate()
    made.write("anomaly_maps", SHARDS[1], ANOMALY_MAPS, [scored_row(1, "normal", 0.1)])
    assert problem() == f"evaluated from an older anomaly_maps@{SHARDS[1]}"
    made.store.write(f"{Place('evaluation', COHORT).folder}/FAILED.json", b'{"error": "x"}')
    assert problem() == "its evaluation failed, see `pseudopair status`"


def test_a_training_that_failed_says_why(made: Made) -> None:
    made.whole()
    failed = _trained("none/cut", status="failed", reason="the loss was no number", trained_normal=None)
    made.write("translator", COHORT, TRANSLATOR, [_trained("it_dpr/pca"), failed])
    made.evaluate()
    found = read_member(made.run, COHORT)
    assert found.why_absent("none/cut", 0) == "the loss was no number"
    assert set(found.costs) == {ARM}


def test_localisation_counts_where_it_is_of_the_maps_of_now(made: Made) -> None:
    made.whole()
    for key in SHARDS:
        parents = {f"anomaly_maps@{key}": made.digest(Place("anomaly_maps", key))}
        made.write("localisation", key, LOCALISATION, [{"arm": "it_dpr/pca", "seed": 0}], parents=parents)
    found = read_member(made.run, COHORT)
    assert found.localised is not None
    assert found.localised.num_rows == 2
    made.write("localisation", SHARDS[0], LOCALISATION, [], parents={f"anomaly_maps@{SHARDS[0]}": "older"})
    found = read_member(made.run, COHORT)
    assert found.localised is None
    place = f"localisation@{SHARDS[0]}"
    assert found.left_out[1] == f"{place}: measured from an older anomaly_maps@{SHARDS[0]}"
    # nothing is drawn in a shard: no map was looked at
    made.write("localisation", SHARDS[0], LOCALISATION, [])
    found = read_member(made.run, COHORT)
    assert found.localised is not None
    assert found.localised.num_rows == 1


def test_shards_between_two_versions_of_localisation_count_together(made: Made) -> None:
    made.whole()
    older = LOCALISATION.remove(LOCALISATION.get_field_index("by_sigma"))
    for key, schema in zip(SHARDS, (older, LOCALISATION), strict=True):
        made.write("localisation", key, schema, [{"arm": "it_dpr/pca", "seed": 0}])
    found = read_member(made.run, COHORT)
    assert found.localised is not None
    assert found.localised.num_rows == 2


def test_a_leak_control_that_is_not_of_now_is_left_out_and_told(made: Made) -> None:
    made.whole()
    assert read_member(made.run, COHORT).left_out[0] == f"leak_control@{COHORT}: not made yet"
    mask = {"variant": "used", "scorer": "pca", "auc": 0.6}
    place, upstream = Place("leak_control", COHORT), Place("lung_masks", SHARDS[0])
    made.write("leak_control", COHORT, LEAK_CONTROL, [mask], parents={str(upstream): made.digest(upstream)})
    found = read_member(made.run, COHORT)
    assert [row["auc"] for row in found.leaks] == [0.6]
    assert not any("leak_control" in why for why in found.left_out)
    made.mark(place, must_retrain="a patient was removed")
    found = read_member(made.run, COHORT)
    assert (found.leaks, found.left_out[0]) == ([], f"{place}: to be trained again: a patient was removed")
    made.write("leak_control", COHORT, LEAK_CONTROL, [mask], parents={str(upstream): "older"})
    found = read_member(made.run, COHORT)
    assert (found.leaks, found.left_out[0]) == ([], f"{place}: made from an older {upstream}")


def test_quality_of_registration_and_translation_is_read_by_arm(made: Made) -> None:
    made.whole()
    image = {"domain": "abnormal", "split": "test"}
    for key, dice in zip(SHARDS, (0.8, 0.9), strict=True):
        aligned = {**image, "dice_reference": dice, "folded_share": 0.001}
        rows = [aligned, {**aligned, "split": "train", "dice_reference": 0.1}, {**aligned, "status": "needs_review"}]
        made.write("registered_radiographs", key, REGISTERED, rows)
        peer = {**aligned, "arm": "affine", "dice_reference": dice - 0.1}
        made.write("peer_registered", key, PEER_REGISTERED, [peer])
    made.write("translator", COHORT, TRANSLATOR, [_trained("it_dpr/pca", normal_preservation=0.02)])
    made.evaluate()
    found = read_member(made.run, COHORT)
    assert found.registration["it_dpr"] == pytest.approx({"dice_reference": 0.85, "folded_share": 0.001})
    assert found.registration["affine"]["dice_reference"] == pytest.approx(0.75)
    assert found.registration["it_pr"] == {}
    assert found.translation[ARM]["normal_preservation"] == 0.02
    assert found.translation[ARM]["kid"] is None


def test_no_normals_and_no_validation_are_borne(made: Made) -> None:
    made.whole()
    for key in SHARDS:
        only = [scored_row(i, "abnormal", float(i)) for i in range(4)]
        made.write("anomaly_maps", key, ANOMALY_MAPS, only if key == SHARDS[0] else [])
    made.evaluate()
    fold = read_member(made.run, COHORT).arms[ARM]
    assert (len(fold.test.patients), len(fold.validation.patients)) == (4, 0)
    assert fold.test.labels.all()
