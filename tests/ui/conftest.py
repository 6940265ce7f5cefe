"""The whole app under Textual's pilot, against the embedded demo at full speed and a real database."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tui_chat.config import Flags, load
from tui_chat.demo import DemoServer, Pacing
from tui_chat.session import State
from tui_chat.ui.app import TuiChatApp

Size = tuple[int, int]


class Chat:
    """The app and what a person does with it."""

    def __init__(self, app: TuiChatApp, pilot: Pilot[int]) -> None:
        self.app, self.pilot = app, pilot

    @property
    def log(self) -> str:
        """The log's lines in view."""
        log = self.app.chat.log_widget
        return "\n".join(log.text_at(log.top + y) for y in range(log.size.height))

    @property
    def status(self) -> str:
        """The status bar's text."""
        self.app.chat.refresh_status()
        return self.app.chat.status_bar.text

    @property
    def below(self) -> str:
        """The lines under the composer."""
        return self.app.chat.prompt.below

    @property
    def draft(self) -> str:
        """What stands in the composer."""
        return self.app.chat.composer.text

    @property
    def turn_count(self) -> int:
        """Turns of the conversation, running ones included."""
        session = self.app.chat.session
        return len(session.conversation.turns) if session else 0

    @property
    def idle(self) -> bool:
        """Whether nothing runs."""
        session = self.app.chat.session
        return session is not None and session.state is State.IDLE

    async def until(self, condition: Callable[[], bool], seconds: float = 8.0) -> None:
        """Wait for `condition`; the failure shows the screen."""
        deadline = asyncio.get_running_loop().time() + seconds
        while not condition():
            if asyncio.get_running_loop().time() > deadline:
                raise AssertionError(f"not reached; log:\n{self.log}\nstatus: {self.status}")
            await self.pilot.pause(0.01)

    async def press(self, *keys: str) -> None:
        """Press keys."""
        await self.pilot.press(*keys)

    async def send(self, text: str) -> None:
        """Write a prompt and press Enter, without waiting for the reply."""
        self.app.chat.composer.insert(text)
        await self.pilot.press("enter")

    async def say(self, text: str) -> None:
        """One whole turn."""
        before = self.turn_count
        await self.send(text)
        await self.until(lambda: self.turn_count > before and self.idle and self.app.chat.log_widget.settled)
        await self.pilot.pause()


@pytest.fixture(autouse=True)
def nobodys_clipboard(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests must not write on the clipboard of the person who runs them."""
    monkeypatch.setattr("tui_chat.ui.clipboard.tools", lambda *_: [])


OpenChat = Callable[..., AbstractAsyncContextManager[Chat]]


@pytest.fixture
async def server() -> AsyncIterator[DemoServer]:
    """A demo server without delays; a test may slow single requests down with a pacing of its own."""
    async with DemoServer(pacing=Pacing(ttft=0.0, rate=0)) as demo:
        yield demo


@pytest.fixture
def open_chat(server: DemoServer, tmp_path: Path) -> OpenChat:
    """Open the app on the server; the data directory is the same each time, so a second one can resume."""

    @asynccontextmanager
    async def open_(
        size: Size = (100, 30),
        *,
        prompt: str | None = None,
        continue_last: bool = False,
        base_url: str | None = None,
        model: str | None = None,
    ) -> AsyncIterator[Chat]:
        flags = Flags(base_url=base_url or server.base_url, data_dir=tmp_path / "data", model=model)
        app = TuiChatApp(load(flags, {}), prompt=prompt, continue_last=continue_last)
        async with app.run_test(size=size) as pilot:
            chat = Chat(app, pilot)
            await chat.until(lambda: app.chat.session is not None)
            yield chat

    return open_
