import pytest
from pydantic import ValidationError

from assets.radiographs.settings import RadiographSettings


def test_defaults_leave_most_patients_to_train_on() -> None:
    settings = RadiographSettings()
    assert settings.test_share + settings.validation_share == pytest.approx(0.4)


def test_shares_that_leave_nobody_to_train_on_are_refused() -> None:
    with pytest.raises(ValidationError, match="keep it below 1"):
        RadiographSettings(test_share=0.6, validation_share=0.4)


def test_settings_are_frozen_and_know_their_fields() -> None:
    with pytest.raises(ValidationError):
        RadiographSettings().size = 512
    with pytest.raises(ValidationError):
        RadiographSettings(sise=512)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        RadiographSettings(size=250)
