"""The texts of a message that can be searched, as they are shown.

Why it exists: the index and the snippets must see the same text, and blocks hold much that nobody reads (ids, signatures,
pictures). Text blocks that stand side by side are one passage, since citations cut sentences into blocks. It must not
know SQL.
"""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

from tui_chat.text import sanitise

_RESULTS: Final = "_result"  # tool_result, web_search_tool_result, bash_code_execution_tool_result, ...
_HIDDEN: Final = frozenset(
    {"type", "id", "tool_use_id", "encrypted_content", "signature", "data", "media_type", "file_id"}
)


Kind = Literal["text", "thinking", "tool"]


class Passage(NamedTuple):
    """A text of a message. Every word of what a `tool` was given or gave counts as a word of code."""

    text: str
    kind: Kind = "text"


def passages(blocks: Sequence[Any]) -> list[Passage]:
    """The passages of a message as they are shown, in order."""
    return [Passage(as_shown(text), kind) for text, kind in verbatim(blocks)]


def verbatim(blocks: Sequence[Any]) -> list[Passage]:
    """The passages of a message as they are stored, in order."""
    found: list[tuple[list[str], Kind]] = []
    for block in blocks:
        if not isinstance(block, Mapping):
            continue
        kind = block.get("type")
        if kind == "text" and isinstance(text := block.get("text"), str):
            if found and found[-1][1] == "text":
                found[-1][0].append(text)
            else:
                found.append(([text], "text"))
        elif kind == "thinking" and isinstance(text := block.get("thinking"), str):
            found.append(([text], "thinking"))
        elif isinstance(kind, str) and (kind.endswith((_RESULTS, "tool_use"))):
            wanted = (block.get("name"), block.get("input"), block.get("partial_json"), block.get("content"))
            found.append((["\n".join(_strings(wanted))], "tool"))
    return [Passage(joined, kind) for texts, kind in found if (joined := "".join(texts))]


def as_shown(text: str) -> str:
    """`text` sanitised, each letter and its accents one character where there is one."""
    return text if text.isascii() and text.isprintable() else unicodedata.normalize("NFC", sanitise(text))


def _strings(value: Any) -> Iterator[str]:
    """The texts within a JSON value, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            if name not in _HIDDEN:
                yield from _strings(inner)
    elif isinstance(value, Iterable):
        for inner in value:
            yield from _strings(inner)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
