from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from resources.variants import base_of, same_images

NAMES = ["a", "b", "c", "d", "e"]


def declare(home: Path, variants: dict[str, str | None]) -> None:
    (home / "cohorts").mkdir(parents=True, exist_ok=True)
    for name, above in variants.items():
        (home / "cohorts" / f"{name}.yaml").write_text(f"{{name: {name}, variant_of: {above or 'null'}}}")


def test_a_variant_of_a_variant_has_the_base_of_both(home: Path) -> None:
    declare(home, {"a": None, "b": "a", "c": "b", "d": "b", "e": None})
    assert [base_of(name) for name in NAMES] == ["a", "a", "a", "a", "e"]
    for name in "abcd":
        assert same_images(name) == set("abcd")
    assert same_images("e") == {"e"}
    assert same_images("not declared") == {"not declared"}


def test_a_base_may_have_lost_its_file(home: Path) -> None:
    declare(home, {"b": "gone", "c": "b"})
    assert base_of("c") == "gone"
    assert same_images("c") == same_images("gone") == {"gone", "b", "c"}


@pytest.mark.parametrize("shipped", ["rsna", "rsna_matched_tests"])
def test_the_shipped_variant_has_its_base(home: Path, shipped: str) -> None:
    assert same_images(shipped) == {"rsna", "rsna_matched_tests"}


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.fixed_dictionaries({name: st.sampled_from([None, *NAMES]) for name in NAMES}))
def test_cohorts_fall_into_families_whatever_they_name(home: Path, variants: dict[str, str | None]) -> None:
    declare(home, variants)
    for name, above in variants.items():
        assert base_of(name) == base_of(above or name)
        family = same_images(name)
        assert name in family
        assert all(same_images(other) == family for other in family)
