"""A conversation as plain text: what was said, and little else. Pure.

Thinking is left out and a tool call is one line: who wants these takes markdown, HTML or JSON.
"""

from collections.abc import Callable, Iterator
from typing import Final

from tui_chat.conversation import Conversation, Turn
from tui_chat.exchange.parts import Called, Noted, Said, conversation_facts, facts, heading, parts_of, speaker
from tui_chat.meter import Figures
from tui_chat.text import sanitise

_WIDTH: Final = 72


def plain_text(conversation: Conversation, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    """The current path of `conversation` in pieces, a turn each."""
    title = heading(conversation)
    yield f"{title}\n{'=' * min(len(title), _WIDTH)}\n"
    yield f"{' · '.join(conversation_facts(conversation, conversation.turns))}\n"
    if conversation.system:
        yield f"\n{_rule('System prompt')}\n{_ended(sanitise(conversation.system))}"
    for turn in conversation.turns:
        yield "".join(_turn(turn, conversation, figures))


def _turn(turn: Turn, conversation: Conversation, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    if not turn.prompt.continues:
        yield f"\n{_rule('You')}\n{_ended(sanitise(turn.prompt.text))}"
        yield f"\n{_rule(speaker(turn))}\n"
    for part in parts_of(turn):
        match part:
            case Said("text"):
                yield _ended(part.text)
                yield "".join(f"  source: {title} {url}".rstrip() + "\n" for title, url in part.sources)
            case Called():
                yield f"[tool: {part.name}{', ' + part.end if part.end else ''}]\n"
            case Noted():
                yield f"[{part.text}]\n"
            case _:
                pass
    yield f"\n({' · '.join(facts(turn, figures(turn), conversation.versions))})\n"


def _rule(name: str) -> str:
    return f"--- {name} ".ljust(_WIDTH, "-")


def _ended(text: str) -> str:
    return text if text.endswith("\n") or not text else text + "\n"
