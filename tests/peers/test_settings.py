import pytest
from pydantic import ValidationError

from assets.peers.settings import PeerSettings


def test_settings_are_frozen_and_closed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        PeerSettings().steps = 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        PeerSettings(epochs=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"decoder_features": [8]}, "same number of entries"),
        ({"final_features": [0]}, "at least 1"),
        ({"ncc_window": 8}, "odd side"),
    ],
)
def test_misfit_settings_say_what_to_change(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        PeerSettings.model_validate(wrong)
