from typing import Any

import numpy as np

from assets.leaks.brought import Brought
from assets.leaks.settings import LeakSettings, Variant
from assets.leaks.sides import Sides, sides

VARIANTS: list[Variant] = ["used", "convex", "pbtseg", "lesion_cut"]
SETTINGS = LeakSettings(variants=VARIANTS)


def one(value: float) -> Brought:
    return Brought(np.zeros((1, 2, 2), np.uint16), np.zeros((1, 2, 2), np.uint8), np.zeros(2, np.float32), value, value)


def case(has: list[set[Variant]], normals: int, settings: LeakSettings = SETTINGS) -> Sides:
    """Radiograph i has the variants given; in test normals and abnormals take turns."""
    brought = [{variant: one(position) for variant in some} for position, some in enumerate(has)]
    rows: list[dict[str, Any]] = [
        {"radiograph_id": str(i), "domain": "abnormal" if i >= normals and i % 2 else "normal"} for i in range(len(has))
    ]
    return sides(brought, rows, normals, settings)


ALL: set[Variant] = {"used", "convex", "pbtseg"}


def test_the_same_radiographs_in_every_variant() -> None:
    found = case([ALL, ALL, ALL - {"pbtseg"}, ALL, ALL, ALL - {"convex"}, ALL, ALL], 4)
    assert list(found.normals) == list(found.asked) == ["used", "convex", "pbtseg"]
    for variant in found.normals:
        assert [item.log_jacobian_mean for item in found.normals[variant]] == [0, 1, 3]
        assert [item.log_jacobian_mean for item in found.asked[variant]] == [4, 6, 7]
    assert [row["radiograph_id"] for row in found.tested] == ["4", "6", "7"]
    assert found.missing == {"used": 0, "convex": 1, "pbtseg": 1, "lesion_cut": 8}
    # What nobody has is no finding.
    assert found.left_out == {}


def test_a_variant_that_one_class_lacks_is_left_out_and_decides_nothing() -> None:
    sick_lack = [ALL] * 4 + [ALL, ALL - {"pbtseg"}] * 4
    found = case(sick_lack, 4)
    assert found.left_out == {"pbtseg": "only 0 of 4 abnormal test radiographs have such a mask, so it is not compared"}
    assert len(found.asked["used"]) == 8
    training_lacks = [ALL - {"pbtseg"}] * 3 + [ALL] * 9
    assert "1 of 4 normal training radiographs" in case(training_lacks, 4).left_out["pbtseg"]
    assert "1 of 4 normal training radiographs" not in str(
        case(training_lacks, 4, LeakSettings(variants=VARIANTS, smallest_share=0.25)).left_out
    )


def test_the_masks_in_use_are_never_left_out() -> None:
    only: set[Variant] = {"used"}
    none: set[Variant] = set()
    found = case([only, none, none, none, only, none, none, none], 4)
    assert (list(found.asked), found.left_out) == (["used"], {})
    assert (len(found.normals["used"]), len(found.asked["used"])) == (1, 1)


def test_no_normals_no_test_radiographs_and_nothing_at_all() -> None:
    assert len(case([ALL] * 4, 0).normals["used"]) == 0
    assert len(case([ALL] * 4, 4).asked["used"]) == 0
    empty = case([], 0)
    assert (empty.asked, empty.tested) == ({"used": []}, [])
