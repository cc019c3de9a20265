"""Shortcut audit and leak control at the end of a whole run."""

import pytest

from tests.pipelines.installation import Installation

pytestmark = pytest.mark.timeout(600)
AUDIT, LEAKS = "shortcut_audit", "leak_control"


def test_a_finished_cohort_has_its_shortcuts(reference: Installation) -> None:
    rows = {row["name"]: row for row in reference.rows(AUDIT)}
    assert {"border", "mask_outline", "histogram", "lung_area_ratio", "jacobian_deviation_it_dpr"} <= set(rows)
    # Phantoms have no view, sex or age; what is drawn of them has an area.
    assert rows["view"]["status"] == "rejected"
    assert rows["lung_area_ratio"]["status"] == "ok"
    assert reference.pointer(AUDIT)["pictures"] == ["shortcuts"]


def test_a_finished_cohort_is_compared_by_other_masks(reference: Installation) -> None:
    rows = reference.rows(LEAKS)
    compared = {row["variant"] for row in rows if row["status"] == "ok"}
    assert {"used", "convex", "exact", "lesion_cut"} <= compared
    assert len({(row["positives"], row["negatives"]) for row in rows if row["scorer"]}) == 1
    assert reference.pointer(LEAKS)["pictures"] == ["areas", "masks"]
