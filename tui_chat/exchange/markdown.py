"""A conversation as markdown, to be read, kept in a repository or given to somebody. Pure.

Each message stands below a heading that says whose it is. Thinking and tool calls are quoted, so that nothing in them can
be taken for what was said. A text that leaves a fence open gets it closed, else the next heading would be part of its code.
"""

import re
from collections.abc import Callable, Iterator
from typing import Final

from tui_chat.conversation import Conversation, Turn
from tui_chat.exchange.parts import (
    Called,
    Noted,
    Part,
    Said,
    conversation_facts,
    facts,
    heading,
    parts_of,
    speaker,
)
from tui_chat.meter import Figures
from tui_chat.text import sanitise

_SIGNS: Final = re.compile(r"([\\`*_\[\]<>#|~])")


def markdown(conversation: Conversation, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    """The current path of `conversation` in pieces, a turn each."""
    yield f"# {escaped(heading(conversation))}\n\n*{_joined(conversation_facts(conversation, conversation.turns))}*\n"
    if conversation.system:
        yield f"\n## System prompt\n\n{closed(sanitise(conversation.system))}"
    for turn in conversation.turns:
        yield "".join(_turn(turn, conversation, figures))


def _turn(turn: Turn, conversation: Conversation, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    if not turn.prompt.continues:
        yield f"\n## You\n\n{closed(sanitise(turn.prompt.text))}"
        yield f"\n## {escaped(speaker(turn))}\n"
    for part in parts_of(turn):
        yield "\n" + _part(part)
    yield f"\n*{_joined(facts(turn, figures(turn), conversation.versions))}*\n"


def _part(part: Part) -> str:
    match part:
        case Said("text"):
            sources = "".join(f"- {_source(title, url)}\n" for title, url in part.sources)
            return closed(part.text) + (f"\n{sources}" if sources else "")
        case Said():
            return quoted(f"**Thinking**\n\n{closed(part.text)}")
        case Called():
            end = f" ({escaped(part.end)})" if part.end else ""
            given = f"\n{fenced(part.input, 'json')}" if part.input else ""
            result = f"\n{fenced(part.result)}" if part.result else ""
            return quoted(f"**Tool** {code(part.name)}{end}\n{given}{result}")
        case Noted():
            return f"*{escaped(part.text)}*\n"


def escaped(text: str) -> str:
    """`text` with nothing in it that markdown would act on, for one line."""
    return _SIGNS.sub(r"\\\1", text)


def _joined(found: list[str]) -> str:
    return escaped(" · ".join(found))


def _source(title: str, url: str) -> str:
    if not url or re.search(r"[\s<>()\\]", url) or not url.startswith(("http://", "https://")):
        return escaped(f"{title} {url}" if url and url != title else title)
    return f"[{escaped(title)}](<{url}>)"


def code(text: str) -> str:
    """`text` as code within a line."""
    ticks = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{ticks}{pad}{text}{pad}{ticks}"


def fenced(text: str, language: str = "") -> str:
    """`text` as a block of code, with a fence that it does not hold."""
    fence = "`" * max(3, max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence}{language}\n{text.rstrip(chr(10))}\n{fence}\n"


def quoted(text: str) -> str:
    """`text` as a block quote."""
    return "".join(f"> {line}".rstrip() + "\n" for line in text.rstrip("\n").split("\n"))


def closed(text: str) -> str:
    """`text` ending in a newline, and with the fence that it leaves open closed."""
    if text and not text.endswith("\n"):
        text += "\n"
    fence = open_fence(text)
    return text + (f"{fence}\n" if fence else "")


def open_fence(text: str) -> str:
    """The fence that is open where `text` ends and would take in what follows, or ''. One in a list or a quote ends with it."""
    from markdown_it import MarkdownIt  # here: its import is felt where nothing is copied

    if "```" not in text and "~~~" not in text:
        return ""
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    last = next(iter(parser.parse(text)[-1:]), None)
    if last is None or last.type != "fence" or last.level or last.map is None:
        return ""
    start, stop = last.map
    end = text.split("\n")[stop - 1].strip(" \t\r")
    closed_there = stop - start > 1 and len(end) >= len(last.markup) and not end.strip(last.markup[0])
    return "" if closed_there else last.markup
