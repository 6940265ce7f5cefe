"""What reading a file gives: conversations and problems, one by one."""

from dataclasses import dataclass

from tui_chat.beginnings import title_of
from tui_chat.conversation import Tree


@dataclass(frozen=True, slots=True)
class Item:
    """A conversation that was read, or what is wrong with a record; `where` names the record, `kind` the format.

    `share` is how much of the file has been read, 0 to 1.
    """

    where: str
    kind: str
    share: float
    tree: Tree | None = None
    problem: str = ""


def named(tree: Tree) -> Tree:
    """`tree`, with the beginning of its first prompt as its title if it has none."""
    conversation = tree.conversation
    if not conversation.title:
        texts = (turn.prompt.text for turn in tree.turns if not turn.prompt.continues)
        conversation.title, conversation.title_from = title_of(next(texts, "")), "prompt"
    return tree
