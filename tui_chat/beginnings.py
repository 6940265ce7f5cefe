"""What conversations, turns and messages begin with: an id, a title, the settings of the run."""

import time
from typing import Final

from tui_chat.config import Config
from tui_chat.conversation import Conversation
from tui_chat.ids import new_id
from tui_chat.text import sanitise_line

TITLE_LENGTH: Final = 60


def new_conversation(config: Config) -> Conversation:
    """An empty conversation with the configured model and system prompt; it is stored with its first turn."""
    return Conversation(
        id=new_id(), created_at=time.time(), model=config.model, system=config.system, effort=config.effort
    )


def title_of(text: str) -> str:
    """A title from the first prompt: its first line, shortened at a word."""
    line = sanitise_line(text.strip().partition("\n")[0])
    if len(line) <= TITLE_LENGTH:
        return line
    return (
        line[:TITLE_LENGTH].rpartition(" ")[0].rstrip() + "…"
        if " " in line[:TITLE_LENGTH]
        else line[:TITLE_LENGTH] + "…"
    )
