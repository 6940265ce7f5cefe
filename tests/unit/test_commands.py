"""Which texts are commands, and which only look like one."""

import pytest

from tui_chat.ui.app import TuiChatApp
from tui_chat.ui.commands import COMMANDS, SLASH, completions, parse
from tui_chat.ui.screens.chat import ChatScreen

ASKED_FOR = {"new", "quit", "help", "model", "system", "theme", "copy", "resume"}


def test_every_command_of_the_program_is_there_once() -> None:
    names = [command.name for command in COMMANDS]
    assert len(names) == len(set(names))
    assert set(SLASH) >= ASKED_FOR
    assert len({command.title for command in COMMANDS}) == len(COMMANDS)
    assert all(command.help and command.action and command.title for command in COMMANDS)


OF_THE_LAST_TURN = frozenset(ChatScreen.LOG_KEYS.values())  # what its footer offers; `ChatScreen.act` does them


def test_every_action_is_one_of_the_screen_or_the_app() -> None:
    for command in COMMANDS:
        if command.action in OF_THE_LAST_TURN:
            continue
        name = f"action_{command.action}"
        assert callable(getattr(ChatScreen, name, None) or getattr(TuiChatApp, name, None)), command.name


@pytest.mark.parametrize(
    ("text", "name", "argument"),
    [
        ("/new", "new", ""),
        ("/NEW", "new", ""),
        ("/new  ", "new", ""),
        ("/model claude-opus-5-5", "model", "claude-opus-5-5"),
        ("/system  be brief, please ", "system", "be brief, please"),
        ("/system", "system", ""),
    ],
)
def test_commands(text: str, name: str, argument: str) -> None:
    assert parse(text) == (SLASH[name], argument)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        " /new",
        "/",
        "//new",
        "/etc/hosts",
        "/newer",
        "/new chat please",  # takes no argument, so it is a prompt
        "/copy that",
        "/model\nis a word",
        "/system one\ntwo",
        "/stop",  # has no slash name
    ],
)
def test_prompts_that_begin_like_a_command(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("/", list(SLASH)),
        ("/S", ["system", "stats"]),
        ("/quit", ["quit"]),
        ("/x", []),
        ("/model ", []),
        ("/model a", []),
        ("", []),
        ("new", []),
        (" /new", []),
    ],
)
def test_completions(text: str, names: list[str]) -> None:
    assert [command.name for command in completions(text)] == names
