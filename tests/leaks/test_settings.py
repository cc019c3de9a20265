import pytest
from pydantic import ValidationError

from assets.leaks.settings import LeakSettings


def test_the_masks_in_use_are_always_compared_and_none_twice() -> None:
    assert LeakSettings(variants=["used", "convex"]).variants == ["used", "convex"]
    for wrong in (["convex"], ["used", "convex", "convex"], []):
        with pytest.raises(ValidationError, match="variants must name used"):
            LeakSettings.model_validate({"variants": wrong})
    with pytest.raises(ValidationError):
        LeakSettings.model_validate({"variants": ["used", "guessed"]})
