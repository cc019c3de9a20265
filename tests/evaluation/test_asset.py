"""The stage itself on made-up maps: what is drawn again, and what its check says where there is nothing to judge."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from assets.evaluation import asset
from assets.evaluation.asset import evaluation
from assets.tables.scores import SHORTCUTS
from assets.tables.translation import ANOMALY_MAPS
from resources.manifests import Place, publish, read_manifest
from resources.stage_run import Store
from tests.pairing.made_up import MadeUp, person
from tests.scoring.made_up_arms import Scored

Row = dict[str, Any]
COUNTS = dict.fromkeys(("ok", "needs_review", "rejected", "failed"), 0) | {
    "created_at": "2026-01-02",
    "seconds": 1,
    "version": "1",
}


@pytest.fixture
def scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scored:
    people = [person(number) | {"split": "test" if number % 4 < 2 else "validation"} for number in range(24)]
    found = Scored(MadeUp(tmp_path / "store", people).use(monkeypatch))
    found.publish()
    store = found.cohort.store
    for path in store.find("stages"):
        if path.endswith("CURRENT.json"):
            store.write(path, json.dumps({**json.loads(store.read(path)), **COUNTS}).encode())
    maps(found)
    shortcuts(found, [{"name": "border", "strength": 0.6, "auc": 0.6, "positives": 5, "negatives": 5}])
    return found


def maps(scored: Scored, labelled: bool = True, schema: pa.Schema = ANOMALY_MAPS) -> None:
    """Scores that tell the classes apart, and no pixels."""
    for shard in scored.cohort.shards:
        rows: list[Row] = []
        for number, each in enumerate(scored.cohort.people):
            score = number / 100 + (each["domain"] == "abnormal")
            told = {name: each[name] for name in ("radiograph_id", "patient", "label", "split", "domain")}
            told |= {} if labelled else {"domain": "other"}
            named = {"arm": "none/pca", "alignment": "none", "method": "pca", "seed": 0}
            values = {name: score for name in ANOMALY_MAPS.names if name.startswith("score_")}
            rows.append({**told, **named, **values, "key": f"{number}", "status": "ok", "reason": ""})
        mine = rows if shard == scored.cohort.shards[0] else []
        put(scored, "anomaly_maps", shard, mine, schema)


def shortcuts(scored: Scored, rows: list[Row]) -> None:
    named = {"kind": "plain", "status": "ok", "reason": "", "key": "k", "crossfitted": False}
    put(scored, "shortcut_audit", scored.cohort.cohort, [{**named, **row} for row in rows], SHORTCUTS)


def put(scored: Scored, stage: str, partition: str, rows: list[Row], schema: pa.Schema) -> None:
    table = pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in rows], schema=schema)
    publish(scored.cohort.store, Place(stage, partition), table, {"parents": {}, "settings": {}, **COUNTS})


def checked(scored: Scored, **config: Any) -> dg.AssetCheckEvaluation:  # noqa: ANN401 (settings)
    result = dg.materialize(
        [evaluation],
        partition_key=scored.cohort.cohort,
        resources={"store": Store(root=str(scored.cohort.root))},
        run_config={"ops": {"evaluation": {"config": {"resamples": 100, **config}}}},
    )
    (found,) = result.get_asset_check_evaluations()
    return found


def published(scored: Scored) -> pa.Table:
    table = read_manifest(scored.cohort.store, Place("evaluation", scored.cohort.cohort))
    assert table is not None
    return table


def test_arms_are_measured_and_figures_drawn_again_only_where_something_has_changed(
    scored: Scored, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: Counter[str] = Counter()

    def count(name: str) -> None:
        real = getattr(asset, name)

        def counted(*given: Any) -> Any:  # noqa: ANN401 (passed on)
            made[name] += 1
            return real(*given)

        monkeypatch.setattr(asset, name, counted)

    for name in ("figures_of", "evaluation_rows"):
        count(name)
    checked(scored)
    first = published(scored)
    assert first.num_rows > 0
    checked(scored)
    assert made == {"figures_of": 1, "evaluation_rows": 1}
    assert published(scored).equals(first)
    checked(scored, specificity=0.8)
    assert made == {"figures_of": 2, "evaluation_rows": 2}
    shortcuts(scored, [])
    checked(scored, specificity=0.8)
    assert made == {"figures_of": 3, "evaluation_rows": 3}


def test_the_check_compares_the_best_arm_with_the_strongest_shortcut(scored: Scored) -> None:
    for strength, passed in ((0.6, True), (1.0, False)):
        shortcuts(scored, [{"name": "border", "strength": strength, "auc": strength, "positives": 5, "negatives": 5}])
        found = checked(scored)
        assert found.passed is passed
        assert "note" not in found.metadata


def test_the_check_judges_nothing_without_an_area_or_a_shortcut(scored: Scored) -> None:
    shortcuts(scored, [])
    found = checked(scored)
    assert found.passed
    assert found.metadata["note"].value == "not judged: no shortcut is defined"
    maps(scored, labelled=False)
    found = checked(scored)
    assert found.passed
    assert found.metadata["note"].value == "not judged: no arm has an area on test patients"


def test_maps_of_before_a_score_was_thought_of_are_evaluated_by_the_others(scored: Scored) -> None:
    older = pa.schema([field for field in ANOMALY_MAPS if "_contrast" not in field.name])
    assert len(older) < len(ANOMALY_MAPS)
    maps(scored, schema=older)
    checked(scored)
    table = published(scored)
    assert {row["score"] for row in table.to_pylist() if row["headline"]} <= set(older.names)
    assert [row["auc"] for row in table.to_pylist() if row["headline"] and row["split"] == "test"] == [1.0]


def test_patients_are_condensed_as_beside_the_arms(scored: Scored) -> None:
    with pytest.raises(dg.Failure, match="patient_score is max in this launch and mean in the cohort's declaration"):
        checked(scored, patient_score="max")
