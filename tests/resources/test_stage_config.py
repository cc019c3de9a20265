from typing import Any, Literal

import dagster as dg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.settings import STAGE_SETTINGS
from resources.stage_config import config_schema, resolve


class Example(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(default=10, ge=1, description="Optimizer steps.")
    rate: float = 0.5
    name: str = "a"
    mode: Literal["fast", "good"] = "fast"
    sizes: list[int] = Field(default=[1, 2], description="Sizes")
    limit: int | None = None
    on: bool = False


def launched(config: dict[str, Any]) -> tuple[bool, Any]:
    """Whether Dagster accepts a launch with this configuration, and what the asset then sees."""
    seen: list[Any] = []

    @dg.op(config_schema=config_schema(Example))
    def stage(context: dg.OpExecutionContext) -> None:
        seen.append(context.op_config)

    @dg.job(executor_def=dg.in_process_executor)
    def job() -> None:
        stage()

    try:
        job.execute_in_process(run_config={"ops": {"stage": {"config": config}}})
    except dg.DagsterInvalidConfigError:
        return False, None
    return True, seen[0]


def test_what_the_launch_leaves_out_is_absent() -> None:
    assert launched({}) == (True, {})


def test_every_type_passes_through_the_launchpad() -> None:
    config = {"steps": 3, "rate": 0.25, "name": "b", "mode": "good", "sizes": [], "limit": None, "on": True}
    assert launched(config) == (True, config)
    assert resolve(Example, {}, config).model_dump() == config


@pytest.mark.parametrize(
    "config",
    [
        {"stepz": 3},
        {"steps": "three"},
        {"mode": "slow"},
        {"sizes": 3},
        {"sizes": ["x"]},
        {"on": "yes"},
        {"steps": None},
    ],
)
def test_dagster_refuses_an_unknown_key_and_a_wrong_type(config: dict[str, Any]) -> None:
    assert launched(config) == (False, None)


def test_fields_are_documented_with_their_default() -> None:
    fields = config_schema(Example)
    assert list(fields) == list(Example.model_fields)
    assert fields["steps"].description == "Optimizer steps. (default: 10)"
    assert fields["rate"].description == "rate (default: 0.5)"
    assert not any(field.is_required for field in fields.values())


def test_a_setting_that_the_launchpad_cannot_show_is_refused() -> None:
    class Wrong(BaseModel):
        table: dict[str, int] = {}

    with pytest.raises(TypeError, match=r"Wrong_table.*use int, float, str, bool, Literal or a list"):
        config_schema(Wrong)


def test_a_setting_without_default_is_shown_as_required() -> None:
    class Needs(BaseModel):
        steps: int

    assert config_schema(Needs)["steps"].description == "steps (default: required)"


OPTIONAL = st.fixed_dictionaries(
    {}, optional={"steps": st.integers(1, 9), "rate": st.floats(0, 1), "on": st.booleans()}
)


@given(declared=OPTIONAL, launch=OPTIONAL)
@settings(max_examples=50, deadline=None)
def test_launch_before_cohort_before_default(declared: dict[str, Any], launch: dict[str, Any]) -> None:
    found = resolve(Example, declared, launch).model_dump()
    for name, default in Example().model_dump().items():
        assert found[name] == launch.get(name, declared.get(name, default))


def test_a_launch_wins_also_where_it_says_the_default() -> None:
    assert resolve(Example, {"steps": 3}, {"steps": 10}).steps == 10


def test_what_is_resolved_is_still_checked() -> None:
    with pytest.raises(ValidationError):
        resolve(Example, {"stepz": 1}, {})
    with pytest.raises(ValidationError):
        resolve(Example, {}, {"steps": 0})


@pytest.mark.parametrize("stage", list(STAGE_SETTINGS))
def test_every_stage_has_documented_launchpad_fields(stage: str) -> None:
    model = STAGE_SETTINGS[stage]
    fields = config_schema(model)
    assert fields.keys() == model.model_fields.keys()
    for name, info in model.model_fields.items():
        assert info.description, name
    assert resolve(model, {}, {}) == model()
