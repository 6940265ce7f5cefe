"""Value types to JSON and back, checked: what a file says need not be what it ought to be.

Why it exists: a file may have been edited, cut or made by somebody else, and a wrong type that gets in shows itself far
away, in a column or on the screen. The fields and their types are those of the dataclasses, so a field that is added
there is written and read here without another line. It must not know what a conversation is.

A field that has its default is left out; one that is missing gets it.
"""

import dataclasses
import types
import typing
from collections.abc import Collection, Hashable, Mapping
from enum import StrEnum
from functools import cache
from typing import Any, Literal, TypeVar, Union

from tui_chat.usage import Usage

Value = TypeVar("Value")


class ShapeError(ValueError):
    """The JSON does not describe such a value; the message says where and why, in one line."""


def plain(value: Any, without: Collection[str] = ()) -> dict[str, Any]:
    """The fields of a dataclass as JSON, but for those named in `without` and those that have their default."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        content = getattr(value, field.name)
        if field.name not in without and not _is_default(field, content):
            found[field.name] = _plain(content)
    return found


def _plain(value: Any) -> Any:
    if isinstance(value, Usage):
        return value.fields
    if dataclasses.is_dataclass(value):
        return plain(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


def _is_default(field: "dataclasses.Field[Any]", value: Any) -> bool:
    if field.default is not dataclasses.MISSING:
        return type(value) is type(field.default) and bool(value == field.default)
    if field.default_factory is not dataclasses.MISSING:
        return bool(value == field.default_factory())
    return False


def build(cls: type[Value], data: object, **given: Any) -> Value:
    """A value of the dataclass `cls` from JSON; `given` fields are not read. Names nobody knows are ignored.

    Raises:
        ShapeError: a field is missing or of another type.

    """
    if not isinstance(data, Mapping):
        raise ShapeError(f"{cls.__name__} is no object")
    hints = _hints(typing.cast("Hashable", cls))
    values: dict[str, Any] = dict(given)
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]  # any dataclass; there is no bound for one
        if field.name in given:
            continue
        if field.name in data:
            values[field.name] = _checked(hints[field.name], data[field.name], f"{cls.__name__}.{field.name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ShapeError(f"{cls.__name__}.{field.name} is missing")
    return cls(**values)


@cache
def _hints(cls: Hashable) -> dict[str, Any]:
    return typing.get_type_hints(cls)


def _checked(hint: Any, value: Any, where: str) -> Any:
    """`value` as the type `hint`, or ShapeError."""
    if hint is Any or hint is object:
        return value
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (Union, types.UnionType):
        return _of_union(inner, value, where)
    if origin is Literal:
        fits = value in inner
    elif origin in (tuple, list):
        if not isinstance(value, list):
            raise ShapeError(f"{where} is no list")
        return origin(_checked(inner[0], each, where) for each in value)
    elif hint is Usage:
        fits, value = isinstance(value, Mapping), Usage(value) if isinstance(value, Mapping) else value
    elif dataclasses.is_dataclass(hint) and isinstance(hint, type):
        return build(hint, value)
    elif isinstance(hint, type) and issubclass(hint, StrEnum):
        fits = value in tuple(hint)
        value = hint(value) if fits else value
    elif hint is float:
        fits = isinstance(value, int | float) and not isinstance(value, bool)
    elif hint is int:
        fits = isinstance(value, int) and not isinstance(value, bool)
    else:
        fits = isinstance(value, origin or hint)
    if not fits:
        raise ShapeError(f"{where} has a value it cannot take")
    return value


def _of_union(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    if value is None and types.NoneType in hints:
        return None
    others = [each for each in hints if each is not types.NoneType]
    for each in others[:-1]:
        try:
            return _checked(each, value, where)
        except ShapeError:
            continue
    return _checked(others[-1], value, where)
