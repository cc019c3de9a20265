from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from assets.evaluation.comparison import paired_delong
from assets.evaluation.roc import Undefined, auc
from assets.leaks.compared import Compared, table_rows
from assets.leaks.scorers import Scores
from assets.leaks.settings import LeakSettings, Variant
from assets.tables.scores import LEAK_CONTROL

SETTINGS = LeakSettings()
LABELS = np.arange(40) % 2 == 1
RNG = np.random.default_rng(0)
GOOD, FAIR = LABELS + 0.8 * RNG.normal(size=40), LABELS + 1.6 * RNG.normal(size=40)


def compared(
    scores: dict[Variant, Scores],
    labels: npt.ArrayLike = LABELS,
    *,
    patients: list[str] | None = None,
    missing: dict[Variant, int] | None = None,
    left_out: dict[Variant, str] | None = None,
) -> Compared:
    own = patients or [str(i) for i in range(len(np.asarray(labels)))]
    return Compared(own, labels, scores, missing or dict.fromkeys(scores, 0), left_out or {})


def by_name(found: Compared) -> dict[tuple[str, str], dict[str, Any]]:
    rows = table_rows(found, SETTINGS)
    pa.Table.from_pylist(rows, schema=LEAK_CONTROL)
    return {(row["variant"], row["scorer"]): row for row in rows}


def test_areas_and_paired_differences_to_the_masks_in_use() -> None:
    rows = by_name(compared({"used": {"pca_mean": GOOD}, "convex": {"pca_mean": FAIR}}))
    used, convex = rows["used", "pca_mean"], rows["convex", "pca_mean"]
    assert used["auc"] == auc(GOOD, LABELS).area
    assert (used["difference"], used["p"]) == (None, None)
    expected = paired_delong(FAIR, GOOD, LABELS)
    assert (convex["difference"], convex["p"]) == (expected.difference, expected.p_value)
    assert convex["difference"] == pytest.approx(convex["auc"] - used["auc"])
    assert convex["difference_low"] < convex["difference"] < convex["difference_high"]
    assert (used["positives"], used["negatives"], used["status"]) == (20, 20, "ok")
    assert used["low"] < used["auc"] < used["high"]


def test_masks_that_change_nothing_differ_by_nothing() -> None:
    row = by_name(compared({"used": {"pca_mean": GOOD}, "convex": {"pca_mean": 2 * GOOD + 1}}))["convex", "pca_mean"]
    assert (row["difference"], row["p"]) == (0, 1)


def test_what_is_undefined_says_why() -> None:
    why = Undefined("needs 8 training normals, got 3")
    rows = by_name(compared({"used": {"a": why, "b": GOOD}, "convex": {"a": why, "b": np.full(40, np.nan)}}))
    assert rows["used", "a"]["reason"] == "needs 8 training normals, got 3"
    assert rows["used", "a"]["status"] == "rejected"
    assert "not finite" in rows["convex", "b"]["reason"]
    assert (rows["convex", "b"]["auc"], rows["convex", "b"]["difference"]) == (None, None)
    assert rows["used", "b"]["status"] == "ok"


@pytest.mark.parametrize("labels", [np.ones(40), np.zeros(40)])
def test_one_class_has_no_areas(labels: npt.NDArray[np.float64]) -> None:
    rows = by_name(compared({"used": {"a": GOOD}, "convex": {"a": FAIR}}, labels > 0))
    assert {row["status"] for row in rows.values()} == {"rejected"}
    assert all("needs abnormal and normal cases" in row["reason"] for row in rows.values())


def test_constant_scores() -> None:
    rows = by_name(compared({"used": {"a": np.ones(40)}, "convex": {"a": np.ones(40)}}))
    assert rows["used", "a"]["auc"] == 0.5
    assert rows["used", "a"]["low"] is None
    assert rows["used", "a"]["reason"] == "all scores are equal"
    assert rows["convex", "a"]["difference"] == 0


def test_nobody() -> None:
    rows = by_name(compared({"used": {"a": np.zeros(0)}}, np.zeros(0, np.bool_)))
    assert rows["used", "a"]["status"] == "rejected"
    assert (rows["used", "a"]["positives"], rows["used", "a"]["negatives"]) == (0, 0)


def test_a_patient_counts_once_by_what_speaks_for_it() -> None:
    patients = [str(i // 2) for i in range(40)]
    labels = np.arange(40) // 2 % 2 == 1
    found = compared({"used": {"a": GOOD}, "convex": {"a": FAIR}}, labels, patients=patients)
    mean, convex = by_name(found)["used", "a"], by_name(found)["convex", "a"]
    assert (mean["positives"], mean["negatives"]) == (10, 10)
    assert mean["auc"] == auc(GOOD.reshape(20, 2).mean(axis=1), labels[::2]).area
    assert convex["difference"] == pytest.approx(convex["auc"] - mean["auc"])
    highest = {(row["variant"], row["scorer"]): row for row in table_rows(found, SETTINGS, "max")}
    assert highest["used", "a"]["auc"] == auc(GOOD.reshape(20, 2).max(axis=1), labels[::2]).area
    assert highest["convex", "a"]["difference"] == pytest.approx(
        highest["convex", "a"]["auc"] - highest["used", "a"]["auc"]
    )


def test_a_variant_that_is_left_out_has_a_row_that_says_so() -> None:
    found = compared(
        {"used": {"a": GOOD}}, missing={"used": 0, "pbtseg": 31}, left_out={"pbtseg": "only 3 of 20 have one"}
    )
    row = by_name(found)["pbtseg", ""]
    assert (row["status"], row["reason"], row["missing"]) == ("rejected", "only 3 of 20 have one", 31)


def test_keys_tell_rows_apart() -> None:
    rows = table_rows(compared({"used": {"a": GOOD, "b": FAIR}, "convex": {"a": GOOD, "b": FAIR}}), SETTINGS)
    assert len({row["key"] for row in rows}) == 4


def test_a_higher_confidence_widens_every_interval() -> None:
    found = compared({"used": {"a": GOOD}, "convex": {"a": FAIR}})
    narrow, wide = (table_rows(found, LeakSettings(confidence=level))[1] for level in (0.8, 0.99))
    for low, high in (("low", "high"), ("difference_low", "difference_high")):
        assert wide[low] < narrow[low] < narrow[high] < wide[high]
