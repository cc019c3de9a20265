import typing

import pytest
from pydantic import ValidationError

from assets.registration.settings import Reading, RefinementSettings, RegistrationSettings


@pytest.mark.parametrize("settings", [RegistrationSettings(), RefinementSettings()])
def test_settings_are_frozen_and_closed(settings: RegistrationSettings | RefinementSettings) -> None:
    first = next(iter(type(settings).model_fields))
    with pytest.raises(ValidationError, match="frozen"):
        setattr(settings, first, 3)
    with pytest.raises(ValidationError, match="Extra inputs"):
        type(settings).model_validate({"stepz": 3})


def test_settings_survive_storage() -> None:
    settings = RegistrationSettings(reading="R2", knots=[3], encoder_features=[4, 8], decoder_features=[8, 4])
    assert RegistrationSettings.model_validate_json(settings.model_dump_json()) == settings


def test_settings_refuse_unequal_levels() -> None:
    with pytest.raises(ValidationError, match="decoder_features has 1 levels and encoder_features 2"):
        RegistrationSettings(encoder_features=[8, 8], decoder_features=[8])


def test_settings_refuse_empty_features() -> None:
    with pytest.raises(ValidationError, match="at least 1"):
        RegistrationSettings(final_features=[0])


def test_settings_refuse_a_single_knot() -> None:
    with pytest.raises(ValidationError, match=r"knots must be at least 2, got \[1, 3\]"):
        RegistrationSettings(knots=[1, 3])


def test_settings_refuse_an_unknown_reading() -> None:
    with pytest.raises(ValidationError, match="'R1', 'R2' or 'R3'"):
        RegistrationSettings(reading="R4")  # type: ignore[arg-type]


@pytest.mark.parametrize("model", [RegistrationSettings, RefinementSettings])
def test_settings_are_flat(model: type[RegistrationSettings] | type[RefinementSettings]) -> None:
    for field in model.model_fields.values():
        # pydantic keeps the choices of a reading as they are written
        assert field.annotation in (int, float, bool, str, list[int]) or typing.get_args(
            field.annotation
        ) == typing.get_args(Reading)
        assert field.description
