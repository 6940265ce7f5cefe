"""Conversations to SQLite and back: nothing acknowledged is ever lost.

`Store` is all that the rest of the program sees. It must not know the network, the screen or the engine.
"""

from tui_chat.store.repository import Store

__all__ = ["Store"]
