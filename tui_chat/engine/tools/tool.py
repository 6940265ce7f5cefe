"""What a tool is, and what all tools share: checked inputs, an error the model can read, a limit on results, a hash.

Why it exists: an input comes from a model and may be anything, so it is checked in one place, against the schema the
model was given; and what goes back must be text that a request can carry.
What it must not know: any particular tool, or who calls it.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, Protocol

from tui_chat.errors import TuiChatError
from tui_chat.text import storable

RESULT_LIMIT: Final = 100_000
"""Characters of one result that go back to the model, the note about a cut included."""

_LONGEST_QUOTE: Final = 100  # characters of a model's own words in an error


class ToolError(TuiChatError):
    """A call that cannot be answered: `str(error)` goes back to the model as an `is_error` result.

    It says what was wrong and what the tool wants instead, so that the model can call again.
    """

    def __init__(self, message: str) -> None:
        super().__init__(cut_result(message))


class Tool(Protocol):
    """Something a model may call. Attributes are what the request's `tools` parameter says; they never change.

    A tool that stays within one place has one more, `place` (a string): who is asked to allow a call is shown it.
    """

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str:
        """Written for the model: what it does, what it takes, what it refuses."""

    @property
    def input_schema(self) -> Mapping[str, Any]: ...
    @property
    def timeout(self) -> float:
        """Seconds after which the caller cancels `run`."""

    async def run(self, input: Mapping[str, Any]) -> str:
        """The result for the model. ToolError for anything wrong with `input` or with what it names.

        May be cancelled at any moment and then ends at once.
        """


def definitions(tools: Iterable[Tool]) -> list[dict[str, Any]]:
    """What the request's `tools` parameter takes."""
    return [
        {"name": tool.name, "description": tool.description, "input_schema": dict(tool.input_schema)} for tool in tools
    ]


def cut_result(text: str) -> str:
    """`text` as a request can carry it: at most RESULT_LIMIT characters with a note if it was cut, no lone surrogates."""
    text = storable(text)
    if len(text) <= RESULT_LIMIT:
        return text
    note = f"\n[Cut here: the result has {len(text):,} characters, only the first part is shown.]"
    return text[: RESULT_LIMIT - len(note)] + note


def quoted(text: str) -> str:
    """A model's own words in a message to it: in quotes, on one line, and not too long."""
    shown = text if len(text) <= _LONGEST_QUOTE else text[:_LONGEST_QUOTE] + "…"
    return json.dumps(storable(shown), ensure_ascii=False)


def checked_input(schema: Mapping[str, Any], input: Mapping[str, Any]) -> dict[str, Any]:
    """The known fields of `input`, each of its type and within its limits; ToolError says what the tool takes.

    `schema` is an object of strings and integers, with `required` and `minimum`: no more than our tools use. An optional
    field that is null counts as missing, and 3.0 is an integer, as JSON Schema has it.
    """
    if not isinstance(input, Mapping):
        raise ToolError(f"The input must be an object. {_takes(schema)}")
    properties, required = schema["properties"], schema.get("required", ())
    for key in input:
        if key not in properties:
            raise ToolError(f"Unknown input {quoted(str(key))}. {_takes(schema)}")
    fields: dict[str, Any] = {}
    for name, rule in properties.items():
        value = input.get(name)
        if value is None:
            if name in required:
                raise ToolError(f'The input "{name}" is missing. {_takes(schema)}')
            continue
        if rule["type"] == "integer" and isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, str if rule["type"] == "string" else int) or isinstance(value, bool):
            raise ToolError(f'"{name}" must be {_A_TYPE[rule["type"]]}. {_takes(schema)}')
        if rule["type"] == "integer" and value < rule["minimum"]:
            raise ToolError(f'"{name}" must be at least {rule["minimum"]}.')
        fields[name] = value
    return fields


_A_TYPE: Final = {"string": "a string", "integer": "an integer"}


def _takes(schema: Mapping[str, Any]) -> str:
    required = schema.get("required", ())
    fields = (
        f'"{name}" ({rule["type"]}, {"required" if name in required else "optional"})'
        for name, rule in schema["properties"].items()
    )
    return f"This tool takes {', '.join(fields)}."


def input_hash(name: str, input: Mapping[str, Any]) -> str:
    """What an approval is bound to: the SHA-256, in hexadecimal, of the canonical JSON of `[name, input]`.

    Canonical: keys sorted, no spaces, everything but ASCII escaped, so lone surrogates are no trouble. Equal JSON has equal
    hashes whatever the order of keys; 1, 1.0 and true are different. No input that was parsed can make it fail.
    """
    try:
        canonical = json.dumps([name, input], sort_keys=True, separators=(",", ":"))
    except (ValueError, TypeError, RecursionError):  # integers too long for decimal, other mappings, too deep
        canonical = _canonical([name, input])
    return hashlib.sha256(canonical.encode()).hexdigest()


def _canonical(value: Any) -> str:
    """The same text as `json.dumps` gives, without recursion and without its limits; ten times slower."""
    written: list[str] = []
    rest: list[Any] = [value]  # a stack: the next part is the last
    while rest:
        part = rest.pop()
        if isinstance(part, _Written):
            written.append(part)
        elif isinstance(part, Mapping):
            rest.append(_Written("}"))
            for number, key in enumerate(sorted(part, key=str, reverse=True), 1):
                comma = "," if number < len(part) else ""
                rest += [part[key], _Written(f"{comma}{_scalar(key)}:")]
            rest.append(_Written("{"))
        elif isinstance(part, list | tuple):
            rest.append(_Written("]"))
            for number, item in enumerate(reversed(part), 1):
                rest += [item, _Written("," if number < len(part) else "")]
            rest.append(_Written("["))
        else:
            written.append(_scalar(part))
    return "".join(written)


class _Written(str):
    """A part of the canonical JSON, as opposed to a string in the input."""

    __slots__ = ()


def _scalar(value: object) -> str:
    try:
        return json.dumps(value, default=repr)
    except ValueError:
        return hex(value) if isinstance(value, int) else repr(value)
