"""The formats of an export by their names, and a conversation as the pieces of a file in one of them."""

from collections.abc import Callable, Iterator
from typing import Final

from tui_chat.conversation import Conversation, Tree, Turn
from tui_chat.exchange.document import document
from tui_chat.exchange.markdown import markdown
from tui_chat.exchange.names import safe_name
from tui_chat.exchange.plain_text import plain_text
from tui_chat.meter import Figures

FORMATS: Final = ("md", "json", "html", "txt")
NAMES: Final = {"markdown": "md", "text": "txt", "htm": "html"}  # what else they are called


def format_of(name: str) -> str | None:
    """The format that `name` means, by its own name, another, or as the ending of a file; None: no such format."""
    word = name.lower().removeprefix(".")
    word = NAMES.get(word, word)
    return word if word in FORMATS else None


def readable(conversation: Conversation, format: str, figures: Callable[[Turn], Figures]) -> Iterator[str]:
    """The current path of a conversation as md, html or txt."""
    if format == "html":
        from tui_chat.exchange.page import page  # here: the parser and the colours are for pages only

        return page(conversation, figures)
    return markdown(conversation, figures) if format == "md" else plain_text(conversation, figures)


def lossless(tree: Tree | None, conversation: Conversation) -> Iterator[str]:
    """A conversation as json: the stored tree, and what memory knows better; its current path alone without a tree."""
    turns = {turn.id: turn for turn in tree.turns} if tree is not None else {}
    turns |= {turn.id: turn for turn in conversation.turns}
    current = conversation.turns[-1].id if conversation.turns else tree.current_turn_id if tree is not None else None
    return document(Tree(conversation, list(turns.values()), current))


def file_name(title: str, format: str) -> str:
    """The name of the file when none is given."""
    return f"{safe_name(title)}.{format}"
