from tui_chat import events
from tui_chat.config import Timeouts
from tui_chat.conversation import Conversation, Message, Outcome, Request, Turn
from tui_chat.engine.tools import Tool, ToolError
from tui_chat.errors import Failure, StoreError, TuiChatError, UsageError
from tui_chat.events import Event
from tui_chat.library import Options, open_runtime, open_session
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession, NotSavedError, State
from tui_chat.subscribers import final_message

__all__ = [
    "ChatSession",
    "Conversation",
    "Event",
    "Failure",
    "Message",
    "NotSavedError",
    "Options",
    "Outcome",
    "Request",
    "Runtime",
    "State",
    "StoreError",
    "Timeouts",
    "Tool",
    "ToolError",
    "TuiChatError",
    "Turn",
    "UsageError",
    "events",
    "final_message",
    "open_runtime",
    "open_session",
]
__version__: str
