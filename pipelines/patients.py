"""What a person means who names a patient."""

import re

from assets.radiographs.identity import pseudonym


def pseudonyms(given: str, key: bytes) -> list[str]:
    """Pseudonyms that an id may stand for: itself where it has the form of one, then that of the source's id.

    Args:
        given: a source's id, or a pseudonym.
        key: the installation's secret.

    Raises:
        ValueError: no id.
    """
    itself = [given] if re.fullmatch(r"[0-9a-f]{24}", given) else []
    return [*itself, pseudonym(given, key)]
