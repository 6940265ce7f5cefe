"""A demo server at full speed and a session on it, for the tests below the screen; a module may have a server of its own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.e2e.sessions import Chat, demo_server, open_chat
from tui_chat.demo import DemoServer


@pytest.fixture
def server() -> Iterator[DemoServer]:
    with demo_server() as running:
        yield running


@pytest.fixture
async def chat(server: DemoServer, tmp_path: Path) -> AsyncIterator[Chat]:
    async with open_chat(server.base_url, tmp_path) as opened:
        yield opened
