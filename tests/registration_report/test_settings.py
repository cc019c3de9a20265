import pytest
from pydantic import ValidationError

from assets.registration_report.arms import ARM_NAMES
from assets.registration_report.settings import ReportSettings


def test_every_arm_can_be_asked_for_and_no_other() -> None:
    assert ReportSettings(arms=list(ARM_NAMES)).arms == list(ARM_NAMES)
    with pytest.raises(ValidationError, match="it_xpr"):
        ReportSettings.model_validate({"arms": ["it_xpr"]})


def test_a_setting_that_is_none_is_refused() -> None:
    with pytest.raises(ValidationError, match="radiograph"):
        ReportSettings.model_validate({"radiograph": 3})
