"""Several conversations in one window: each goes on by itself, only the one in front is painted, and none is lost."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.ui.conftest import Chat, OpenChat
from tui_chat.conversation import Outcome
from tui_chat.demo import DemoServer, Pacing
from tui_chat.session import ChatSession, State
from tui_chat.ui.screens.approval import ApprovalScreen
from tui_chat.ui.screens.chat import ChatScreen
from tui_chat.ui.screens.history import HistoryScreen
from tui_chat.ui.widgets.composer import Composer
from tui_chat.ui.widgets.tab_bar import TabBar


def session_of(screen: ChatScreen) -> ChatSession:
    assert screen.session is not None
    return screen.session


def outcomes(screen: ChatScreen) -> list[Outcome | None]:
    return [turn.outcome for turn in session_of(screen).conversation.turns]


def running(screen: ChatScreen) -> bool:
    return screen.session is not None and screen.session.state is State.RUNNING


def bar(chat: Chat) -> str:
    """The line of tabs; '' if there is none."""
    return chat.app.chat.tab_bar.text if chat.app.chat.tab_bar.display else ""


def words(chat: Chat) -> list[str]:
    """What the labels say of their conversations."""
    return [tab.label.word for tab in chat.app.tabs]


def place(chat: Chat) -> int:
    return chat.app.tabs.index(chat.app.front)


async def new_tab(chat: Chat) -> ChatScreen:
    tabs = len(chat.app.tabs)
    await chat.press("ctrl+t")
    await chat.until(lambda: place(chat) == tabs and chat.app.chat.session is not None)
    return chat.app.chat


@pytest.fixture
async def slow() -> AsyncIterator[DemoServer]:
    """Replies come at a pace at which several are seen to run."""
    async with DemoServer(pacing=Pacing(ttft=0.01, rate=150)) as demo:
        yield demo


async def test_the_line_of_tabs_comes_with_the_second_and_goes_with_it(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        first = chat.app.chat
        assert (bar(chat), first.log_widget.region.y) == ("", 0)
        await chat.say("hello there")
        second = await new_tab(chat)
        assert chat.app.chat is second is not first
        assert second.composer.has_focus
        await chat.until(lambda: second.log_widget.region.y == 1)
        assert bar(chat).split() == ["1", "hello", "there", "2", "new", "chat"]
        assert "Enter sends" in chat.log
        await chat.press("f6")
        await chat.until(lambda: chat.app.chat is first and first.log_widget.region.y == 1)
        assert "hello there" in chat.log
        await chat.press("f6")
        await chat.until(lambda: chat.app.chat is second)
        await chat.send("/close")
        await chat.until(lambda: chat.app.chat is first and bar(chat) == "" and first.log_widget.region.y == 0)
        assert first.composer.has_focus


async def test_two_replies_run_at_once_and_escape_stops_the_one_in_front(open_chat: OpenChat, slow: DemoServer) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        await chat.send("long 4000")
        second = await new_tab(chat)
        await chat.send("long 5000")
        await chat.until(lambda: all(running(each) and session_of(each).turn for each in (first, second)))
        await chat.until(lambda: words(chat) == ["streaming", "streaming"])
        one, other = (each for each in slow.requests if each.path == "/v1/messages")
        await chat.until(lambda: None not in (one.first_delta_sent, other.first_delta_sent))
        assert (one.closed, other.closed) == (None, None)  # the server answers both at this moment
        await chat.press("escape")
        await chat.until(lambda: outcomes(second) == [Outcome.CANCELLED])
        await chat.until(lambda: other.ended == "client_closed")
        before = one.deltas
        await chat.until(lambda: one.deltas > before + 3)
        assert (one.ended, outcomes(first)) == (None, [None])
        await chat.press("ctrl+pageup", "escape")
        await chat.until(lambda: outcomes(first) == [Outcome.CANCELLED])


async def test_what_ends_behind_is_marked_until_somebody_looks_and_is_whole(
    open_chat: OpenChat, slow: DemoServer
) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        second = await new_tab(chat)
        third = await new_tab(chat)
        first.submitted(Composer.Submitted("long 60"))  # as a queued message is: nobody looks
        second.submitted(Composer.Submitted("error"))
        await chat.until(lambda: words(chat) == ["done", "failed", ""])
        assert [tab.label.tone for tab in chat.app.tabs[:2]] == ["news", "error"]
        assert chat.app.chat is third
        await chat.press("alt+1")
        await chat.until(lambda: chat.app.chat is first and words(chat) == ["", "failed", ""])
        turn = session_of(first).conversation.turns[0]
        assert turn.text.strip()
        assert first.log_widget.source_of(turn.id).strip() == turn.text.strip()
        last = turn.text.strip().rsplit(maxsplit=1)[-1].strip("*`.")
        assert last in chat.log
        assert "end_turn" in chat.log
        assert "ready" in first.status_bar.text


async def test_behind_another_tab_nothing_is_painted_and_the_log_keeps_up(
    open_chat: OpenChat, slow: DemoServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        await chat.send("long 2000")
        await chat.until(lambda: running(first))
        await new_tab(chat)
        await chat.pilot.pause()
        shown: list[object] = []
        monkeypatch.setattr(
            chat.app, "_display", lambda _, update: shown.append(update)
        )  # headless, it is shown nowhere
        status, lines = first.status_bar.text, first.log_widget.total
        await chat.until(lambda: first.log_widget.total > lines + 4)
        assert [update for update in shown if update is not None] == []
        assert first.status_bar.text == status
        monkeypatch.undo()
        await chat.press("ctrl+pagedown")
        await chat.until(lambda: chat.app.chat is first)
        assert first.log_widget.settled
        await chat.until(lambda: "streaming" in first.status_bar.text and first.status_bar.text != status)


async def test_a_question_waits_in_its_own_tab(open_chat: OpenChat, slow: DemoServer) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        second = await new_tab(chat)
        session_of(first).tools_on = True
        first.submitted(Composer.Submitted("tools"))
        await chat.until(lambda: words(chat)[0] == "approval!")
        assert chat.app.tabs[0].label.tone == "warm"
        assert chat.app.screen is second
        await chat.press(*"y", "n", "enter")  # is typed here, and answers nothing there
        assert session_of(first).turn is not None
        assert any(call.waiting for call in session_of(first).turn.requests[-1].calls.values())  # type: ignore[union-attr]  # as above
        await chat.press("alt+1")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
        assert chat.app.chat is first
        await chat.press("alt+2")  # the dialog stays with its conversation
        await chat.until(lambda: chat.app.screen is second)
        await chat.press("alt+1")
        await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
        for _ in range(3):
            await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen) or outcomes(first) != [None])
            await chat.press("escape")
        await chat.until(lambda: outcomes(first) == [Outcome.COMPLETED] and chat.app.screen is first)


async def test_a_question_that_is_over_is_not_asked_any_more(open_chat: OpenChat, slow: DemoServer) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        second = await new_tab(chat)
        session_of(first).tools_on = True
        for seen in (False, True):
            first.submitted(Composer.Submitted("tools"))
            await chat.until(lambda: words(chat)[0] == "approval!")
            if seen:
                await chat.press("alt+1")
                await chat.until(lambda: isinstance(chat.app.screen, ApprovalScreen))
                await chat.press("alt+2")
                await chat.until(lambda: chat.app.screen is second)
            session_of(first).cancel()
            await chat.until(lambda: outcomes(first)[-1] is Outcome.CANCELLED and words(chat)[0] == "stopped")
            await chat.press("alt+1")
            await chat.until(lambda: chat.app.screen is first)
            await chat.press("alt+2")
            await chat.until(lambda: chat.app.screen is second)


async def test_a_conversation_is_open_once(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        first = chat.app.chat
        await chat.say("the only one")
        conversation = session_of(first).conversation
        second = await new_tab(chat)
        await chat.press("ctrl+r")
        await chat.until(lambda: isinstance(chat.app.screen, HistoryScreen) and chat.app.screen.settled)
        await chat.press("enter")
        await chat.until(lambda: chat.app.chat is first)
        assert chat.app.screen is first
        assert session_of(first).conversation is conversation
        await chat.press("f6")
        await chat.until(lambda: chat.app.screen is second)
        assert session_of(second).conversation is not conversation
        await chat.send(f"/resume {conversation.id}")
        await chat.until(lambda: chat.app.screen is first)


async def test_what_is_done_in_the_history_reaches_the_tab_behind(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        first = chat.app.chat
        await chat.say("once upon a time")
        conversation = session_of(first).conversation
        second = await new_tab(chat)
        await chat.app.rename_conversation(conversation.id, "a tale")
        assert "1 a tale" in bar(chat)
        await chat.app.delete_conversation(conversation.id, conversation.title)
        assert chat.app.chat is second
        assert outcomes(first) == []
        await chat.until(lambda: "1 new chat" in bar(chat))
        await chat.app.undo_delete()
        assert session_of(first).conversation.id == conversation.id
        assert outcomes(first) == [Outcome.COMPLETED]


async def test_each_tab_has_its_draft_and_its_queue_and_all_come_back(open_chat: OpenChat, slow: DemoServer) -> None:
    ids = []
    async with open_chat(base_url=slow.base_url) as chat:
        for number in range(3):
            screen = chat.app.chat if not number else await new_tab(chat)
            await chat.send(f"silence {number}")
            await chat.until(lambda screen=screen: running(screen) and session_of(screen).turn is not None)  # type: ignore[misc]  # the screen of this round
            await chat.send(f"queued {number}")
            await chat.press(*"draft", str(number))
            ids.append(session_of(screen).conversation.id)
        assert [tab.chat.composer.text for tab in chat.app.tabs] == ["draft0", "draft1", "draft2"]
        await chat.press("alt+2")
        await chat.until(lambda: place(chat) == 1)
        assert chat.draft == "draft1"
        await chat.press("ctrl+q")
        await chat.until(lambda: chat.app.return_code == 0)
    async with open_chat(base_url=slow.base_url) as chat:
        for number, conversation_id in enumerate(ids):
            loaded = await chat.app.runtime.store.load(conversation_id)
            assert loaded is not None
            assert (loaded.draft, loaded.queued) == (f"draft{number}", (f"queued {number}",))
            assert [turn.outcome for turn in loaded.turns] == [Outcome.CANCELLED]
            assert loaded.turns[0].text.strip()


async def test_the_queue_behind_goes_on(open_chat: OpenChat, slow: DemoServer) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        await chat.send("long 30")
        await chat.send("hello")
        await new_tab(chat)
        await chat.until(lambda: outcomes(first) == [Outcome.COMPLETED] * 2)
        await chat.until(lambda: words(chat) == ["done", ""])


async def test_a_closed_tab_is_saved_and_its_screen_used_again(open_chat: OpenChat, slow: DemoServer) -> None:
    async with open_chat(base_url=slow.base_url) as chat:
        first = chat.app.chat
        await chat.send("silence")
        await chat.until(lambda: running(first) and session_of(first).turn is not None)
        await chat.press(*"later")
        conversation_id = session_of(first).conversation.id
        second = await new_tab(chat)
        await chat.press("alt+1", "ctrl+p")
        await chat.until(lambda: chat.app.screen is not first)
        await chat.press(*"close", "enter")
        await chat.until(lambda: chat.app.screen is second)
        await chat.until(lambda: first.session is None and bar(chat) == "")
        loaded = await chat.app.runtime.store.load(conversation_id)
        assert loaded is not None
        assert (loaded.draft, [turn.outcome for turn in loaded.turns]) == ("later", [Outcome.CANCELLED])
        assert (await new_tab(chat)) is first
        assert (chat.draft, chat.turn_count, place(chat)) == ("", 0, 1)
        assert "Enter sends" in chat.log
        await chat.say("hello again")
        assert outcomes(first) == [Outcome.COMPLETED]


async def test_quitting_waits_for_a_tab_that_is_being_closed(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        conversation_id = session_of(chat.app.chat).conversation.id
        await new_tab(chat)
        await chat.press("alt+1", *"kept")
        await chat.until(lambda: chat.draft == "kept")
        await chat.app.action_close_tab()
        await chat.press("ctrl+q")
        await chat.until(lambda: chat.app.return_code == 0)
    async with open_chat() as chat:
        loaded = await chat.app.runtime.store.load(conversation_id)
        assert loaded is not None
        assert loaded.draft == "kept"


async def test_closing_the_last_leaves_an_empty_chat(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        await chat.say("hello")
        before = session_of(chat.app.chat)
        await chat.send("/close")
        await chat.until(lambda: chat.app.chat.session not in (None, before))
        assert (chat.turn_count, len(chat.app.tabs)) == (0, 1)


async def test_a_click_goes_to_a_tab_and_there_is_an_end(open_chat: OpenChat, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tui_chat.ui.tabs.MOST", 6)
    async with open_chat((50, 16)) as chat:
        screens = [chat.app.chat]
        screens += [await new_tab(chat) for _ in range(5)]
        await chat.press("ctrl+t")
        await chat.pilot.pause()
        assert (len(chat.app.tabs), [each.message for each in chat.app._notifications]) == (
            6,
            ["6 tabs are open; /close leaves one"],
        )
        assert bar(chat).split() == ["‹3", "4", "new", "ch…", "5", "new", "ch…", "6", "new", "ch…"]
        await chat.pilot.click(TabBar, offset=(8, 0))
        await chat.until(lambda: chat.app.chat is screens[3])
        assert bar(chat).split()[0] == "‹3"  # the labels stay where they are
        await chat.pilot.click(TabBar, offset=(1, 0))  # beyond the end
        await chat.until(lambda: chat.app.chat is screens[2])
        assert bar(chat).split() == ["‹2", "3", "new", "ch…", "4", "new", "ch…", "5", "new", "ch…", "1›"]
        await chat.pilot.click(TabBar, offset=(48, 0))
        await chat.until(lambda: chat.app.chat is screens[5])
        await chat.press("ctrl+pagedown")  # round the end
        await chat.until(lambda: chat.app.chat is screens[0])
        await chat.press("alt+9")  # there is none
        await asyncio.gather(*(chat.app.show_tab(chat.app.tabs[number]) for number in (3, 5, 2)))
        assert chat.app.chat is screens[2]


async def test_what_is_said_behind_says_where(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        first = chat.app.chat
        await chat.say("hello there")
        second = await new_tab(chat)
        second.say("in front")
        await chat.until(lambda: bool(chat.app._notifications))
        first.say("behind")
        await chat.until(lambda: len(chat.app._notifications) == 2)
        assert [(each.title, each.message) for each in chat.app._notifications] == [
            ("", "in front"),
            ("1 hello there", "behind"),
        ]


async def test_after_a_resize_a_tab_behind_fits_also_below_a_dialog(open_chat: OpenChat) -> None:
    async with open_chat((100, 30)) as chat:
        first = chat.app.chat
        await chat.say("list")
        await chat.press("f1")
        await chat.until(lambda: chat.app.screen is not first)
        await chat.press("alt+1")
        await chat.app.action_new_tab()
        await chat.until(lambda: place(chat) == 1)
        await chat.pilot.resize_terminal(60, 20)
        await chat.press("alt+1")
        await chat.until(lambda: chat.app.chat is first)
        assert chat.app.screen is not first
        await chat.until(lambda: first.size == chat.app.size)
        assert first.log_widget.size.width == 60
        await chat.press("escape")
        await chat.until(lambda: chat.app.screen is first and first.log_widget.settled)
        assert first.log_widget.size.width == 60
