"""The commands that show the stream: a turn in detail, statistics, streaming against not, a race.

A part of the app that stands alone. Each screen is imported when it is asked for: the first paint needs none.
"""

from typing import TYPE_CHECKING

from tui_chat.ui.painted_app import PaintedApp

if TYPE_CHECKING:
    from tui_chat.runtime import Runtime
    from tui_chat.ui.screens.chat import ChatScreen


class StreamCommands(PaintedApp):
    """The app's actions around the stream."""

    runtime: "Runtime"

    @property
    def chat(self) -> "ChatScreen":
        """The chat screen in front."""
        raise NotImplementedError
