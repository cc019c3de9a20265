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


def test_everybody_may_be_tested_where_nothing_is_trained() -> None:
    assert RadiographSettings(test_share=1.0, validation_share=0.0).test_share == 1
    with pytest.raises(ValidationError, match="set the latter to 0"):
        RadiographSettings(test_share=1.0)


@pytest.mark.parametrize(("folds", "fold"), [(1, 0), (2, 2), (0, 1)])
def test_a_fold_that_there_is_not_is_refused(folds: int, fold: int) -> None:
    with pytest.raises(ValidationError, match="at least 2 folds"):
        RadiographSettings(folds=folds, fold=fold)


def test_with_folds_the_test_share_is_not_looked_at() -> None:
    settings = RadiographSettings(folds=2, fold=1, test_share=0.9, validation_share=0.2)
    assert (settings.folds, settings.fold) == (2, 1)
