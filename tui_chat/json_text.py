"""JSON from outside to values that every other reader and writer of JSON takes again.

Python's own parser takes NaN and 1e999, which are no JSON, and nesting just below its recursion limit, which its writer then
fails on. Here the first become null, and the second is no JSON at all.
"""

import json
import math
from typing import Any, Final

DEEPEST: Final = 200  # levels; what is meant to be read has a dozen

_decoder: Final = json.JSONDecoder(
    parse_constant=lambda _name: None,
    parse_float=lambda number: value if math.isfinite(value := float(number)) else None,
)


def decode(text: str) -> Any:
    """The JSON value that `text` is. ValueError: it is none, or nested too deeply."""
    try:
        value = _parsed(text)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if len(text) > 2 * DEEPEST and _is_too_deep(value):
        raise ValueError("nested too deeply")
    return value


def _parsed(text: str) -> Any:
    try:
        value, end = _decoder.raw_decode(text)
    except ValueError:
        end = -1
    # `decode` skips space around the value as well, and that takes as long as reading a delta.
    return value if end == len(text) else _decoder.decode(text)


def _is_too_deep(value: Any) -> bool:
    level = [value]
    for _ in range(DEEPEST):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return False
    return True
