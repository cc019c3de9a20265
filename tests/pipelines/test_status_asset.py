import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines import status_asset
from pipelines.definitions import defs
from pipelines.stages import STAGE_NAMES
from pipelines.status import StatusRow
from pipelines.status_asset import CHECK, store_status
from resources.object_store import ObjectStore
from resources.stage_run import Store


def row(stage: str, partition: str, state: str, why: str = "") -> StatusRow:
    return StatusRow(stage, partition, state, "", "", "", why)  # type: ignore[arg-type]


def looked_at(
    rows: list[StatusRow], store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> tuple[dg.AssetCheckEvaluation, dict[str, Any]]:
    monkeypatch.setattr(status_asset, "rows_of", lambda store: rows)
    result = dg.materialize([store_status], resources={"store": Store(root=store.root)})
    (check,) = result.get_asset_check_evaluations()
    (materialization,) = result.asset_materializations_for_node("store_status")
    return check, dict(materialization.metadata)


def test_partitions_are_counted_by_state_with_a_reason(
    local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row("radiographs", "nih/00", "stale", "its files changed"),
        row("radiographs", "nih/01", "fresh"),
        row("radiographs", "nih/02", "failed", "no lung"),
        row("lung_segmenter", "nih", "missing", "never completed"),
        row("radiographs", "phantom/0", "fresh"),
        row("study_table", "tried", "fresh"),
    ]
    check, metadata = looked_at(rows, local_store, monkeypatch)
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)
    assert check.metadata["not_fresh"].value == 3
    assert {state: metadata[state].value for state in ("fresh", "stale", "failed", "missing")} == {
        "fresh": 3,
        "stale": 1,
        "failed": 1,
        "missing": 1,
    }
    records = [record.data for record in metadata["states"].records]
    assert [(record["cohort"], record["stage"]) for record in records] == [
        ("nih", "radiographs"),
        ("nih", "lung_segmenter"),
        ("phantom", "radiographs"),
        ("tried", "study_table"),
    ]
    counts = {"fresh": 1, "stale": 1, "failed": 1, "missing": 0}
    assert records[0] == {"cohort": "nih", "stage": "radiographs", **counts, "why": "its files changed"}
    assert json.dumps(records)


def test_the_check_passes_where_everything_is_fresh(local_store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    check, _ = looked_at([row("radiographs", "phantom/0", "fresh")], local_store, monkeypatch)
    assert check.passed


def test_an_empty_store_is_fresh(home: Path, local_store: ObjectStore) -> None:
    result = dg.materialize([store_status], resources={"store": Store(root=local_store.root)})
    assert result.get_asset_check_evaluations()[0].passed


def test_it_alone_has_a_freshness_policy_and_it_is_no_stage() -> None:
    graph = defs.resolve_asset_graph()
    timed = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy}
    assert timed == {"store_status"}
    assert "store_status" not in STAGE_NAMES
    node = graph.get(dg.AssetKey("store_status"))
    assert (node.group_name, node.partitions_def, node.parent_keys) == ("store", None, set())
