"""/export: what is on the screen goes to a file, also while a reply runs and while the store fails."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.ui.conftest import Chat, OpenChat
from tests.ui.test_turn_actions import session_of, toasts
from tui_chat.conversation import Tree
from tui_chat.demo import DemoServer, Pacing
from tui_chat.errors import StoreError
from tui_chat.exchange.document import tree_of
from tui_chat.ui.screens.exporting import parse


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def files(folder: Path) -> set[Path]:
    """The files that are whole."""
    return {path for path in folder.rglob("*") if path.is_file() and not path.name.startswith(".")}


async def exported(chat: Chat, command: str, here: Path) -> Path:
    """Run an /export and return the new file."""
    before = files(here)
    await chat.send(command)
    await chat.until(lambda: files(here) > before)
    (path,) = files(here) - before
    await chat.until(lambda: path.name in toasts(chat))
    return path


async def test_a_file_named_after_the_title(open_chat: OpenChat, here: Path) -> None:
    async with open_chat() as chat:
        await chat.say("code please")
        reply = session_of(chat).conversation.turns[0].text
        for name in ("code please.md", "code please-2.md"):
            path = await exported(chat, "/export", here)
            assert path.name == name
            assert stat.S_IMODE(path.stat().st_mode) == 0o600
            assert reply in path.read_text()


async def test_a_format_and_a_file(open_chat: OpenChat, here: Path) -> None:
    async with open_chat() as chat:
        await chat.say("code please")
        reply = session_of(chat).conversation.turns[0].text
        page = await exported(chat, "/export html 'two words'", here)
        assert page.name == "two words"
        assert page.read_text().startswith("<!DOCTYPE html>")
        tree = tree_of(json.loads((await exported(chat, "/export notes.json", here)).read_text()))
        assert [turn.text for turn in tree.turns] == [reply]


async def test_json_has_the_versions_that_are_not_shown(open_chat: OpenChat, here: Path) -> None:
    async with open_chat() as chat:
        await chat.say("tour")
        chat.app.chat.log_widget.focus()
        await chat.press("r")
        await chat.until(lambda: chat.idle and len(session_of(chat).conversation.versions) == 1)
        await chat.until(lambda: not chat.app.chat.busy)
        tree = tree_of(json.loads((await exported(chat, "/export json", here)).read_text()))
        assert len(tree.turns) == 2
        assert tree.current_turn_id == session_of(chat).conversation.turns[-1].id


async def test_a_running_reply_goes_in_as_far_as_it_has_come(open_chat: OpenChat, here: Path) -> None:
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=50)) as slow, open_chat(base_url=slow.base_url) as chat:
        await chat.send("long")
        await chat.until(lambda: chat.turn_count == 1 and len(session_of(chat).conversation.turns[0].text) > 20)
        text = (await exported(chat, "/export md", here)).read_text()
        assert "still running" in text
        assert session_of(chat).conversation.turns[0].text[:20] in text
        await chat.press("escape")
        await chat.until(lambda: chat.idle)


async def test_a_failing_store_is_no_reason_not_to_export(
    open_chat: OpenChat, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_chat() as chat:
        await chat.say("tour")

        async def fail(*_: Any) -> Tree | None:
            raise StoreError("the disk is gone")

        monkeypatch.setattr(chat.app.runtime.store.library, "tree", fail)
        tree = tree_of(json.loads((await exported(chat, "/export json", here)).read_text()))
        assert [turn.id for turn in tree.turns] == [turn.id for turn in session_of(chat).conversation.turns]
        assert "other versions could not be read" in toasts(chat)


async def test_what_goes_wrong_is_said(open_chat: OpenChat, here: Path) -> None:
    async with open_chat() as chat:
        await chat.send("/export")
        await chat.until(lambda: "nothing to export" in toasts(chat))
        await chat.say("tour")
        await chat.send("/export missing/folder/a.md")
        await chat.until(lambda: "not exported: No such file" in toasts(chat))
        assert files(here) == set()


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("", ("md", "")),
        ("json", ("json", "")),
        ("HTML", ("html", "")),
        ("markdown", ("md", "")),
        ("text  a b.txt ", ("txt", "a b.txt")),
        ("a.html", ("html", "a.html")),
        ("notes", ("md", "notes")),
        ("~/x.json", ("json", "~/x.json")),
        ("html out.page", ("html", "out.page")),
        ("'my file.txt'", ("txt", "my file.txt")),
        ("md.json", ("json", "md.json")),
    ],
)
def test_arguments(argument: str, expected: tuple[str, str]) -> None:
    assert parse(argument) == expected
