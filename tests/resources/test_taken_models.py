from pathlib import Path

import pytest

from resources.catalogue import CatalogueError, entries, entry_named
from resources.taken_models import Settings, Taken, TakenError, give_back, take, taken, taken_path

NOTED = Taken(
    model="shenzhen@0123abcd",
    fixed={"radiographs": {"size": 128}, "translator": {"borrow_from": "shenzhen@0123abcd"}},
    proposed={"lung_masks": {"sources": ["trained"], "gate": 0.8}},
)


def test_what_is_declared_yields_to_what_models_need_and_goes_before_what_is_proposed() -> None:
    declared: Settings = {
        "radiographs": {"size": 512, "max_pixels": 9},
        "lung_masks": {"gate": 0.5},
        "evaluation": {"resamples": 100},
    }
    assert NOTED.over(declared) == {
        "radiographs": {"size": 128, "max_pixels": 9},
        "lung_masks": {"sources": ["trained"], "gate": 0.5},
        "evaluation": {"resamples": 100},
        "translator": {"borrow_from": "shenzhen@0123abcd"},
    }
    assert NOTED.over({}) == {**NOTED.proposed, **NOTED.fixed}


def test_a_note_is_kept_replaced_and_given_back(home: Path) -> None:
    assert taken("tbx11k") is None
    take("tbx11k", NOTED)
    assert taken("tbx11k") == NOTED
    take("tbx11k", NOTED.model_copy(update={"model": "rsna"}))
    assert (taken("tbx11k") or NOTED).model == "rsna"
    for _ in range(2):
        give_back("tbx11k")
        assert taken("tbx11k") is None


def test_declarations_are_read_with_the_notes(home: Path) -> None:
    before = {entry.name: entry for entry in entries()}
    take("tbx11k", NOTED)
    for entry in entries():
        assert (entry == before[entry.name]) is (entry.name != "tbx11k")
    assert entry_named("tbx11k").mapping["settings"] == NOTED.over(before["tbx11k"].mapping["settings"])


@pytest.mark.parametrize("text", ["a: [", "- a", "model: 3", "{model: a, fixed: {}, other: 1}"])
def test_a_note_that_cannot_be_read_keeps_its_cohort_out_and_says_so(home: Path, text: str) -> None:
    take("tbx11k", NOTED)
    taken_path("tbx11k").write_text(text)
    with pytest.raises(TakenError, match=r"models/tbx11k.yaml: cannot be read .*; delete it"):
        taken("tbx11k")
    with pytest.raises(CatalogueError, match=r"models/tbx11k.yaml: cannot be read"):
        entry_named("tbx11k")
    assert entry_named("shenzhen").problem == ""


def test_what_is_no_settings_is_left_to_whoever_refuses_it(home: Path) -> None:
    path = home / "cohorts" / "odd.yaml"
    path.parent.mkdir(parents=True)
    path.write_text("{name: odd, settings: {radiographs: 3}}")
    take("odd", NOTED)
    assert entry_named("odd").mapping["settings"] == {"radiographs": 3}
