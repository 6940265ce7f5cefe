"""JSON from outside: what comes out can be written again, or it is no JSON."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.conversation import Block
from tui_chat.json_text import DEEPEST, decode


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (' {"a": 1} ', {"a": 1}),
        ("[NaN, Infinity, -Infinity, 1e999, 1.5]", [None, None, None, None, 1.5]),
        ('"\\ud83d"', "\ud83d"),
        ("18446744073709551616", 2**64),
        ("[" * DEEPEST + "]" * DEEPEST, None),
    ],
)
def test_what_can_be_read(text: str, value: Any) -> None:
    assert decode(text) == value or value is None
    json.dumps(decode(text), allow_nan=False)


@pytest.mark.parametrize("depth", [DEEPEST + 1, 990, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a":', "}")])
def test_what_is_nested_too_deeply(depth: int, opening: str, closing: str) -> None:
    text = opening * depth + "1" + closing * depth
    with pytest.raises(ValueError, match="deeply"):
        decode(text)
    block = Block(0, {"type": "tool_use", "id": "a", "name": "b", "input": {}})
    block.add("partial_json", text)
    assert block.content()["partial_json"] == text


@pytest.mark.parametrize("text", ["", " ", "{", '{"a": 1} x', "nan", "1 2"])
def test_what_is_no_json(text: str) -> None:
    with pytest.raises(ValueError):
        decode(text)


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=8))
def test_as_json_reads_it(value: Any) -> None:
    assert decode(json.dumps(value)) == value
