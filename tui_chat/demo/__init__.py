"""A Messages API on 127.0.0.1 over real HTTP and server-sent events, for people without a key and for every test.

Why it exists: because the demo is real HTTP, the chat has one code path and no fake in it. Its figures are known
exactly (`schedule`), it refuses what the API refuses (`legality`), and it fails in every way a stream can (`replies`).
What it must not know: anything of `tui_chat`. It stands on the standard library and h11 alone.

From a request to its bytes: `server` reads it with `connection`; `api` checks it with `legality` and `models`, picks a reply
in `replies` from what `asked` reads in the conversation, turns its `content` into events with `wire` and paces them with
`schedule`; `server` plays the result and keeps a record in `records`.
"""

from tui_chat.demo.cli import main
from tui_chat.demo.clock import Clock, MonotonicClock
from tui_chat.demo.legality import why_illegal
from tui_chat.demo.records import RequestRecord
from tui_chat.demo.replies import COMMANDS
from tui_chat.demo.schedule import Pacing
from tui_chat.demo.server import DemoServer

__all__ = ["COMMANDS", "Clock", "DemoServer", "MonotonicClock", "Pacing", "RequestRecord", "main", "why_illegal"]
