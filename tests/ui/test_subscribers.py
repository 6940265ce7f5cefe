"""Subscribers of the session on the screen: told as they are without one, and no harm to what is shown."""

from tests.ui.conftest import OpenChat
from tui_chat.conversation import Turn
from tui_chat.events import TurnEnded


async def test_the_screen_and_a_subscriber_hear_the_same(open_chat: OpenChat) -> None:
    async with open_chat() as chat:
        session = chat.app.chat.session
        assert session is not None
        texts: list[str] = []
        ends: list[tuple[TurnEnded, Turn]] = []

        @session.on_event
        def broken(_event: object) -> None:
            raise RuntimeError("a subscriber of somebody else")

        session.on_text(lambda piece, _snapshot: texts.append(piece))
        session.on_end(lambda *values: ends.append(values))
        await chat.say("limit")
        assert "This reply ends where" in chat.log
        assert session.turn is not None
        assert "".join(texts) == session.turn.text
        assert [turn for _, turn in ends] == [session.turn]
