import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from resources.yaml_text import LOADER, from_yaml

# PyYAML itself does not read again what it writes of some control characters.
words = st.text(st.characters(exclude_categories=("C", "Zl", "Zp")), max_size=20)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | words
values = st.recursive(scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4))


@given(value=values)
def test_what_is_written_is_read_and_as_the_other_parser_reads_it(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True)
    assert from_yaml(text) == yaml.safe_load(text) == value


def test_the_fast_parser_is_the_one_in_use() -> None:
    assert LOADER is yaml.CSafeLoader


def test_nothing_but_plain_values_is_made() -> None:
    with pytest.raises(yaml.YAMLError, match="could not determine a constructor"):
        from_yaml("!!python/object/apply:os.getcwd []")
