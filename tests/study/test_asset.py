from dataclasses import replace
from pathlib import Path

import pytest

from assets.evaluation.settings import EvaluationSettings
from assets.study.analysis import analysed
from assets.study.asset import _declared
from assets.study.asset_pictures import arms_of_interest
from assets.study.cells import strength
from assets.study.entries import ALL
from assets.study.rows import study_rows
from resources.taken_models import Taken, take
from tests.study.made_up import members, study

STUDY = study()


def test_pictures_are_of_the_arm_that_the_text_calls_the_best() -> None:
    analysis = analysed(STUDY, members(STUDY), EvaluationSettings())
    weak, strong, pca = (
        next(e for e in analysis.entries if (e.protocol.name, e.arm, e.seed) == ("gan", arm, ALL))
        for arm in ("none/cut", "it_pr/cut", "it_pr/pca")
    )
    assert strong.found
    assert pca.found
    assert strong.found.auc.area > pca.found.auc.area
    # Its seeds are poor, only their ensemble is not.
    entries = [replace(entry, singly=weak.singly) if entry is strong else entry for entry in analysis.entries]
    poor = replace(analysis, entries=entries)
    rows = [row for row in study_rows(poor) if (row["protocol"], row["seed"]) == ("gan", ALL)]
    assert max(rows, key=strength)["arm"] == "it_pr/pca"
    assert arms_of_interest(poor, "gan")[0].arm == "it_pr/pca"
    assert arms_of_interest(analysis, "gan")[0].arm == "it_pr/cut"


def test_settings_are_of_the_cohorts_file_and_not_of_models_that_it_took(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PSEUDOPAIR_HOME", str(tmp_path))
    before = _declared(STUDY, "evaluation")
    take("phantom", Taken(model="rsna", fixed={"evaluation": {"specificity": 0.5, "borrow_from": "rsna"}}))
    assert _declared(STUDY, "evaluation") == before
    asked = STUDY.model_copy(update={"settings": {"evaluation": {"specificity": 0.8}}})
    assert _declared(asked, "evaluation") == {**before, "specificity": 0.8}
