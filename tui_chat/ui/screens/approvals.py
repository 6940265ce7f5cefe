"""The calls that wait for the user: asked one after the other, each in a dialog of its own.

The engine decides what an answer means, and how long it waits; here an answer is only taken from a dialog to the session,
with the id and the hash of the input that was shown.
"""

from typing import TYPE_CHECKING, Any

from tui_chat.conversation import ToolCall
from tui_chat.session import ChatSession

if TYPE_CHECKING:
    from textual.screen import Screen

    from tui_chat.ui.screens.approval import ApprovalScreen


class Approvals:
    """The dialogs of one chat screen."""

    def __init__(self, screen: "Screen[Any]") -> None:
        self._screen = screen
        self._waiting: list[tuple[ChatSession, ToolCall]] = []  # the first one is shown
        self._dialog: ApprovalScreen | None = None

    def ask(self, session: ChatSession, call: ToolCall) -> None:
        """Have `call` approved when those before it are."""
        self._waiting.append((session, call))
        if self._dialog is None:
            self._show()
        else:
            self._dialog.waiting(len(self._waiting) - 1)

    def answered(self, tool_use_id: str) -> None:
        """The call was answered, here or by a time-out or the turn's end."""
        shown = self._waiting[0][1].tool_use_id if self._waiting else None
        self._waiting = [each for each in self._waiting if each[1].tool_use_id != tool_use_id]
        if self._dialog is not None and shown == tool_use_id:
            self._dialog.withdraw()
        elif self._dialog is not None:
            self._dialog.waiting(len(self._waiting) - 1)

    def _show(self) -> None:
        from tui_chat.ui.screens.approval import ApprovalScreen  # here: dialogs are not needed for the first paint

        session, call = self._waiting[0]
        what = next((tool.description.partition(". ")[0] for tool in session.tools if tool.name == call.name), "")
        self._dialog = dialog = ApprovalScreen(
            call.name, call.input, what, more=len(self._waiting) - 1, timeout=session.approval_limit
        )

        def done(allow: bool | None) -> None:
            self._dialog = None
            session.answer(call.tool_use_id, call.input_hash, allow=bool(allow))
            self._waiting = [each for each in self._waiting if each[1] is not call]
            if self._waiting:
                self._show()

        self._screen.app.push_screen(dialog, done)
