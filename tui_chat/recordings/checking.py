"""Whether the fields of a value are what its class declares: who reads a file from elsewhere believes nothing of it."""

from collections.abc import Mapping
from dataclasses import is_dataclass
from functools import cache
from types import UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

_LARGEST: Final = 2**63  # nothing that was measured or counted comes near; it is neither infinite nor NaN below it
_hints = cache(get_type_hints)


def fits(value: object, declared: Any) -> bool:
    """Whether `value` is of the type `declared`, as annotations write it, all the way down, and a number that can be. Mappings are not looked into."""
    origin = get_origin(declared)
    if origin in (Union, UnionType):
        return any(fits(value, each) for each in get_args(declared))
    if origin is Literal:
        return isinstance(value, str) and value in get_args(declared)
    if origin is tuple:  # of any length
        return isinstance(value, tuple) and all(fits(each, get_args(declared)[0]) for each in value)
    if origin is Mapping:
        return isinstance(value, Mapping)
    if declared is float:
        return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _LARGEST
    if declared is int:
        return isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
    if isinstance(declared, type) and is_dataclass(declared):
        return isinstance(value, declared) and all(
            fits(getattr(value, name), each) for name, each in _hints(declared).items()
        )
    return isinstance(value, declared)
