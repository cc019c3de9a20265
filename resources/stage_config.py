"""Launchpad configuration derived from a stage's settings: typed, documented, and absent where the user set nothing."""

from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import dagster as dg
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

S = TypeVar("S", bound=BaseModel)


def config_schema(settings: type[BaseModel]) -> dict[str, dg.Field]:
    """Optional Dagster fields, one a setting; a key that is no setting is refused by Dagster.

    A field left out takes the cohort's value, and where the cohort declares none, the setting's default
    (named in the description). So a launchpad entry always wins, also when it equals the default.

    Raises:
        TypeError: a setting has a type that Dagster's launchpad cannot show.
    """
    fields: dict[str, dg.Field] = {}
    for name, info in settings.model_fields.items():
        shown = "required" if info.default is PydanticUndefined else repr(info.get_default(call_default_factory=True))
        text = f"{info.description or name} (default: {shown})"
        fields[name] = dg.Field(
            _config_type(info.annotation, f"{settings.__name__}_{name}"), is_required=False, description=text
        )
    return fields


def _config_type(annotation: Any, name: str) -> Any:  # noqa: ANN401 (annotations have no common type)
    origin, args = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        inner = [arg for arg in args if arg is not NoneType]
        if len(inner) == 1:
            return dg.Noneable(_config_type(inner[0], name))
    if origin is Literal:
        return dg.Enum(name, [dg.EnumValue(str(arg)) for arg in args])
    if origin is list:
        return dg.Array(_config_type(args[0], name))
    if annotation in (bool, int, float, str):
        return annotation
    raise TypeError(f"setting {name!r} has type {annotation}; use int, float, str, bool, Literal or a list of them")


def resolve(settings: type[S], declared: dict[str, Any], launched: dict[str, Any]) -> S:
    """Settings of one run: defaults, then the cohort's declaration, then what the launch set."""
    return settings(**{**declared, **launched})
