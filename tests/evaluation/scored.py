"""Scored radiographs made up for tests."""

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from assets.evaluation.scored import ScoredArm, scored_arms
from assets.scoring.score import SCORE_NAMES


def row(number: int, domain: str, score: float | None, **other: object) -> dict[str, Any]:
    """One radiograph of a patient of its own, test, arm it_dpr/pca, seed 0, the same score under every name."""
    scored: dict[str, Any] = dict.fromkeys(map(str, SCORE_NAMES), score)
    arm = {"alignment": "it_dpr", "method": "pca", "seed": 0, "split": "test", "lesion_auc": None, "lesion_ap": None}
    return {"radiograph_id": f"{number:04d}", "patient": f"p{number}", "domain": domain, **scored, **arm, **other}


def table(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """As the manifest of the anomaly maps holds them."""
    kinds = {"seed": pa.int32()} | dict.fromkeys((*SCORE_NAMES, "lesion_auc", "lesion_ap"), pa.float64())
    names = list(row(0, "normal", 0.0))
    return pa.table({name: pa.array([item[name] for item in rows], kinds.get(name, pa.string())) for name in names})


def arm(rows: Sequence[dict[str, Any]], split: str = "test") -> ScoredArm:
    """The only arm of a split."""
    (found,) = scored_arms(table(rows), split, "max")
    return found
