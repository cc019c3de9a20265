import pytest
from pydantic import ValidationError

from assets.registration.settings import RegistrationSettings


def test_settings_are_frozen_and_closed() -> None:
    settings = RegistrationSettings()
    with pytest.raises(ValidationError):
        settings.steps = 3
    with pytest.raises(ValidationError, match="Extra inputs"):
        RegistrationSettings(stepz=3)  # type: ignore[call-arg]


def test_settings_refuse_unequal_levels() -> None:
    with pytest.raises(ValidationError, match="decoder_features has 1 levels and encoder_features 2"):
        RegistrationSettings(encoder_features=[8, 8], decoder_features=[8])


def test_settings_refuse_empty_features() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        RegistrationSettings(final_features=[0])


def test_settings_are_flat() -> None:
    for field in RegistrationSettings.model_fields.values():
        assert field.annotation in (int, float, bool, list[int])
        assert field.description
