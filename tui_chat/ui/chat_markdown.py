"""A whole conversation as one markdown text, for the clipboard or a file. Pure: it knows texts, not turns.

Each message stands below a heading that says whose it is, verbatim and in order. A message that leaves a fence open (a reply that
was stopped in the middle of its code) gets it closed, else the next heading would be part of the code.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from tui_chat.exchange.markdown import closed


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
    body = f"\n{closed(message.text)}" if message.text else ""
    note = f"\n*{message.note}*\n" if message.note else ""
    return f"## {message.who}\n{body}{note}"
