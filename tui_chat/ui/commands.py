"""Every command once: its slash name, its palette title, its help and its key. Palette, `/` completion and help read this.

`action` is the name of an action of the chat screen; a command that takes an argument passes it on.
"""

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Command:
    """One thing the user can ask for. `argument` names what may follow the slash name, '' for nothing."""

    name: str
    title: str
    help: str
    action: str
    argument: str = ""
    key: str = ""
    slash: bool = True
    palette: bool = True
    only: str = ".*"  # what the argument has to look like; else the text is a prompt


COMMANDS: Final = (
    Command("new", "New chat", "start an empty conversation", "new_chat", key="Ctrl+N"),
    Command(
        "history",
        "History",
        "all conversations: find by title or by what was said, open, rename, pin, delete",
        "history",
        "text or id",
        key="Ctrl+R",
    ),
    Command("model", "Model", "choose the model of the next request", "model", "name"),
    Command("system", "System prompt", "change what the model is told before the conversation", "system", "text"),
    Command(
        "effort",
        "Effort",
        "choose how hard the model thinks",
        "effort",
        "level",
        only=r"[a-z]*",
    ),
    Command(
        "tools", "Tools", "let the model use tools, each call approved by you", "tools", "on or off", only=r"on|off|"
    ),
    Command("theme", "Theme", "choose the colours", "theme", "name"),
    Command(
        "copy",
        "Copy reply",
        "copy the last reply, its nth code block, or the whole chat",
        "copy",
        "n or chat",
        only=r"\d*|chat",
    ),
    Command("chat", "Copy chat", "copy the whole chat as markdown", "copy_chat", slash=False),
    Command(
        "export",
        "Export",
        "write this conversation to a file: md, json (all of it), html or txt",
        "export",
        "format and file",
    ),
    Command("find", "Find", "find text in this conversation", "find", "text", key="Ctrl+F"),
    Command(
        "find_next", "Next match", "go to the next match of what was found last", "find_next", key="F3", slash=False
    ),
    Command("find_previous", "Previous match", "go to the match before", "find_previous", key="Shift+F3", slash=False),
    Command("wrap", "Wrap code", "wrap long lines of code, or cut them", "wrap_code", key="w in the log"),
    Command("mouse", "Mouse", "leave the mouse to the terminal, for its own selecting, or take it back", "mouse"),
    Command("stop", "Stop", "stop the running reply", "stop", key="Esc", slash=False),
    Command("continue", "Go on", "ask the model to go on from a reply that broke off", "go_on", key="g in the log"),
    Command("again", "Again", "another reply to the last prompt; the one before stays", "again", key="r in the log"),
    Command("again_with", "Again with another model", "the same, by a model of your choice", "again_with", slash=False),
    Command(
        "context",
        "In or out of context",
        "leave the last prompt and its reply out of the next requests, or take them in",
        "toggle_context",
        slash=False,
    ),
    Command("edit", "Edit prompt", "say the last prompt in other words; the one before stays", "edit_prompt"),
    Command("version_before", "Version before", "go to the version before this one", "previous_version", slash=False),
    Command("version_after", "Version after", "go to the version after this one", "next_version", slash=False),
    Command("fork", "Fork", "go on from here in a new conversation", "fork", key="n in the log"),
    Command(
        "delete_version",
        "Delete version",
        "delete this version of a reply and all that follows it",
        "delete_version",
        slash=False,
    ),
    Command(
        "undelete_version",
        "Undelete version",
        "bring back the version that was deleted last",
        "undelete_version",
        slash=False,
    ),
    Command("back", "Go back", "go on from before the turn that the API refuses", "go_back", slash=False),
    Command(
        "details",
        "Thinking and tools",
        "show what the last reply thought, and its calls",
        "toggle_thinking",
        slash=False,
    ),
    Command("resume", "Resume", "open an earlier conversation", "resume", "text or id", palette=False),
    Command("title", "Title", "name this conversation", "title", "text"),
    Command("duplicate", "Duplicate", "copy this conversation and go on in the copy", "duplicate"),
    Command("delete", "Delete conversation", "delete this conversation; /undelete brings it back", "delete"),
    Command("undelete", "Undelete", "bring back the conversation that was deleted last", "undelete"),
    Command(
        "turn",
        "Turn in detail",
        "how the wait of the last turn was made up, and all its figures",
        "turn_details",
        key="i in the log",
    ),
    Command("wire", "Wire", "every server-sent event as it came, beside the log", "wire", key="F2"),
    Command("record", "Record", "write the last turn to a file that replays it, byte by byte", "record", "folder"),
    Command("stats", "Statistics", "TTFT, speed and cost over all that is stored", "stats"),
    Command("compare", "Compare", "the same prompt with streaming and without, side by side", "compare", "prompt"),
    Command("race", "Race", "two to four models answer the same prompt side by side", "race", "models"),
    Command("tab", "New tab", "another conversation beside this one; both go on", "new_tab", key="Ctrl+T"),
    Command("close", "Close tab", "leave this conversation, saved", "close_tab"),
    Command("help", "Keys and words", "all keys, all commands, what the numbers mean", "help", key="F1"),
    Command("quit", "Quit", "save everything and leave", "quit", key="Ctrl+Q"),
)
SLASH: Final = {command.name: command for command in COMMANDS if command.slash}


def completions(text: str) -> list[Command]:
    """The slash commands that `text` may become: only while its first word is being typed."""
    if not text.startswith("/") or any(character.isspace() for character in text):
        return []
    return [command for name, command in SLASH.items() if name.startswith(text[1:].lower())]


def looks_like_one(text: str) -> bool:
    """Whether `text` was meant as a command: one word behind the slash, unlike a path."""
    return re.match(r"/[A-Za-z-]+(?:\s|$)", text) is not None and "\n" not in text.strip()


def why_not(text: str) -> str:
    """Why `text`, which looks like a command, is none."""
    command = SLASH.get(text[1:].split(maxsplit=1)[0].lower())
    if command is None:
        return "no such command"
    return f"/{command.name} takes {command.argument or 'nothing'} behind it"


def parse(text: str) -> tuple[Command, str] | None:
    """The command and argument that `text` is, or None if it is a prompt (unknown names are prompts: `/etc/hosts`)."""
    if not text.startswith("/"):
        return None
    name, _, argument = text[1:].partition(" ")
    command = SLASH.get(name.strip().lower())
    if command is None or "\n" in text.strip():
        return None
    argument = argument.strip()
    fits = re.fullmatch(command.only, argument, re.DOTALL) if command.argument else not argument
    return (command, argument) if fits else None
