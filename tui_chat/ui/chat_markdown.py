"""A whole conversation as one markdown text, for the clipboard or a file. Pure: it knows texts, not turns.

Each message stands below a heading that says whose it is, verbatim and in order. A message that leaves a fence open (a reply that
was stopped in the middle of its code) gets it closed, else the next heading would be part of the code.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

_FENCE: Final = re.compile(r"(`{3,})[^`]*|(~{3,}).*")


@dataclass(frozen=True, slots=True)
class Said:
    """One message: whose, its text verbatim, and what there is to say about it, such as how it ended."""

    who: str
    text: str
    note: str = ""


def chat_markdown(messages: Iterable[Said]) -> str:
    """The messages below each other; '' if there are none."""
    return "\n".join(_message(message) for message in messages)


def _message(message: Said) -> str:
    text = message.text
    if text and not text.endswith(("\n", "\r")):
        text += "\n"
    if fence := _open_fence(text):
        text += fence + "\n"
    body = f"\n{text}" if text else ""
    note = f"\n*{message.note}*\n" if message.note else ""
    return f"## {message.who}\n{body}{note}"


def _open_fence(text: str) -> str:
    """The fence at the beginning of a line that nothing closes, or ''."""
    fence = ""
    for line in text.splitlines():
        match = _FENCE.fullmatch(line)
        if not fence:
            fence = (match[1] or match[2]) if match else ""
        elif (marker := line.strip(" ")) == fence[0] * len(marker) and len(marker) >= len(fence):
            fence = ""
    return fence
