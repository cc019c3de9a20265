"""YAML text as plain values, by the parser written in C where PyYAML has it: some thirty times faster than its own."""

from typing import Any

import yaml

LOADER: type[yaml.SafeLoader] | type[yaml.CSafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def from_yaml(text: str) -> Any:  # noqa: ANN401 (whatever the text holds)
    """Mappings, lists and scalars of a text; nothing else is made from it.

    Args:
        text: one YAML document.

    Raises:
        yaml.YAMLError: it is none.
    """
    return yaml.load(text, Loader=LOADER)
