from typing import Any

from assets.image_scores.summary import above_by_arm


def row(arm: str | None, above: bool | None, domain: str = "normal", **change: Any) -> dict[str, Any]:  # noqa: ANN401
    told = {"arm": arm, "seed": 0, "best": arm == "a/b", "score_name": "score_mean", "score": 0.5, "threshold": 0.25}
    return {**told, "above": above, "domain": domain, "status": "ok", **change}


def test_images_above_the_threshold_are_counted_by_arm_and_class() -> None:
    rows = [
        *(row("a/b", True), row("a/b", False), row("a/b", True, "abnormal"), row("a/b", True, "other")),
        row("c/d", None, threshold=None),
        row("c/d", None, threshold=None, score=None),
        row("c/d", None, status="failed"),
        {"status": "rejected", "stage": "lung_masks", "domain": "normal"},
    ]
    first, second = above_by_arm(rows)
    assert first == {
        **{"arm": "a/b", "seed": 0, "best": True, "threshold": 0.25, "score": "score_mean"},
        **{"images": 4, "above": 3, "normals_above": 1, "abnormals_above": 1},
    }
    assert (second["images"], second["above"], second["normals_above"]) == (1, None, None)


def test_nothing_to_count() -> None:
    assert above_by_arm([]) == []
