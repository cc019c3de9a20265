import copy
from typing import Any

import pytest

from assets.study.settings import StudyError, StudyFile, parse_study
from tests.study.made_up import STUDY


def test_fold_cohorts_are_named_by_study_folds_and_fold() -> None:
    found = parse_study(STUDY)
    assert [found.fold_cohorts(protocol) for protocol in found.protocols] == [
        ["made_up-2-0", "made_up-2-1"],
        ["made_up-3-0", "made_up-3-1", "made_up-3-2"],
    ]


def test_what_is_left_out_has_defaults() -> None:
    found = parse_study({"name": "a", "cohort": "b", "protocols": [{"name": "p", "folds": 2, "arms": ["none/pca"]}]})
    assert found == StudyFile.model_validate(found.model_dump())
    assert (found.title, found.settings, found.hours) == ("", {}, None)
    assert (found.protocols[0].seeds, found.protocols[0].compare_to) == ([0], "none")


@pytest.mark.parametrize(
    ("field", "value", "told"),
    [
        ("name", "Made Up", "name: "),
        ("name", "a" * 29, "name: "),
        ("hours", 0, "hours: "),
        ("protocols", [], "protocols: "),
        ("settings", {"translator": 3}, "settings.translator: "),
        ("size", 128, "size: "),
    ],
)
def test_a_wrong_field_is_named(field: str, value: object, told: str) -> None:
    with pytest.raises(StudyError, match=f"^{told}"):
        parse_study({**STUDY, field: value})


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"folds": 1}, r"protocols\.1\.folds: "),
        ({"folds": 2}, "two protocols have folds 2"),
        ({"name": "gan"}, "two protocols have name gan"),
        ({"arms": []}, r"protocols\.1\.arms: "),
        ({"arms": ["none/pca", "none/pca"]}, "none/pca is named twice"),
        ({"arms": ["sideways/pca"]}, "is not of the form alignment/method"),
        ({"seeds": [0, 0]}, "0 is named twice"),
        ({"seeds": []}, r"protocols\.1\.seeds: "),
        ({"compare_to": "cut"}, r"protocols\.1\.compare_to: "),
    ],
)
def test_a_wrong_protocol_is_told_in_one_line(changes: dict[str, Any], told: str) -> None:
    mapping: dict[str, Any] = copy.deepcopy(STUDY)
    mapping["protocols"][1].update(changes)
    with pytest.raises(StudyError, match=told) as found:
        parse_study(mapping)
    assert "\n" not in str(found.value)


def test_no_mapping_is_no_study() -> None:
    with pytest.raises(StudyError, match="study: "):
        parse_study(["name"])
