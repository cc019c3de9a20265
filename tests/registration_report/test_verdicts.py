from typing import Any

import pytest

from assets.registration_report.mean_images import ALL, SHARPER, UNSEEN
from assets.registration_report.verdicts import lesions_preserved, no_folds, sharper_mean


def gain(of: str, arm: str, over: str, low: float) -> dict[str, Any]:
    return {"of": of, "arm": arm, "over": over, "low": low}


def test_one_folded_pixel_of_it_dpr_is_one_too_many() -> None:
    rows = [{"arm": "demons", "folded_share": 0.1}, {"arm": "it_dpr", "folded_share": 0.0}]
    assert no_folds(rows).passed
    folded = no_folds([*rows, {"arm": "it_dpr", "folded_share": 1e-5}])
    assert (folded.passed, folded.figures["largest_folded_share"]) == (False, 1e-5)


def test_what_it_dpr_never_registered_is_not_passed() -> None:
    for verdict in (no_folds([{"arm": "it_pr", "folded_share": 0.0}]), lesions_preserved({"it_pr": {}})):
        assert not verdict.passed
        assert "it_dpr" in verdict.figures["note"]


@pytest.mark.parametrize(("area", "passed"), [(0.98, True), (0.9, False), (None, True)])
def test_lesions_are_judged_where_their_true_map_is_known(area: float | None, passed: bool) -> None:
    verdict = lesions_preserved({"it_dpr": {"lesion_area_ratio": area, "lesion_contrast_ratio": None}})
    assert verdict.passed is passed
    expected = {"note": "no lesion masks with a known true map"} if area is None else {"lesion_area_ratio": area}
    assert verdict.figures == expected


@pytest.mark.parametrize(("low", "passed"), [(1.01, True), (0.99, False)])
def test_every_step_must_sharpen_the_mean_of_unseen_normals(low: float, passed: bool) -> None:
    seen = [gain(ALL, arm, over, 0.5) for arm, over in SHARPER]
    unseen = [gain(UNSEEN, *SHARPER[0], 1.2), gain(UNSEEN, *SHARPER[1], low), gain(UNSEEN, "it_pr", "none", 0.5)]
    verdict = sharper_mean([*seen, *unseen])
    assert verdict.passed is passed
    assert verdict.figures == {"it_pr over lung_box": 1.2, "it_dpr over it_pr": low}


def test_without_two_unseen_normals_nothing_is_known_to_be_sharper() -> None:
    verdict = sharper_mean([gain(ALL, arm, over, 2.0) for arm, over in SHARPER])
    assert not verdict.passed
    assert "fewer than two normals not trained on" in verdict.figures["note"]
