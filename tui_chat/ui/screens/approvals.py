"""The calls that wait for the user: asked one after the other, each in a dialog of its own, while their chat is in front.

The engine decides what an answer means, and how long it waits; here an answer is only taken from a dialog to the session,
with the id and the hash of the input that was shown.
"""

import os
import time
from typing import TYPE_CHECKING

from tui_chat.conversation import ToolCall
from tui_chat.session import ChatSession

if TYPE_CHECKING:
    from tui_chat.ui.screens.approval import ApprovalScreen
    from tui_chat.ui.screens.log_screen import LogScreen


class Approvals:
    """The dialogs of one chat screen."""

    def __init__(self, screen: "LogScreen") -> None:
        self._screen = screen
        self._waiting: list[tuple[ChatSession, ToolCall, float]] = []  # and since when; the first one is shown
        self._dialog: ApprovalScreen | None = None

    def ask(self, session: ChatSession, call: ToolCall) -> None:
        """Have `call` approved when those before it are."""
        self._waiting.append((session, call, time.monotonic()))
        if self._dialog is None:
            self.show()
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

    def show(self) -> None:
        """Ask the next question. Behind another tab it waits: a dialog must not come up over another conversation."""
        if self._dialog is not None or not self._waiting or not self._screen.is_current:
            return
        from tui_chat.ui.screens.approval import ApprovalScreen  # here: dialogs are not needed for the first paint

        session, call, since = self._waiting[0]
        limit = session.approval_limit
        tool = next((tool for tool in session.tools if tool.name == call.name), None)
        self._dialog = dialog = ApprovalScreen(
            call.name,
            call.input,
            tool.description.partition(". ")[0] if tool is not None else "",
            place=_brief(getattr(tool, "place", "")),  # not every tool has one
            more=len(self._waiting) - 1,
            timeout=None if limit is None else max(0.0, limit - (time.monotonic() - since)),
            below=self._screen,
        )

        def done(allow: bool | None) -> None:
            self._dialog = None
            if dialog.stops:
                session.cancel(asked_at=getattr(self._screen.app, "input_at", None))  # when its key was read
                self._waiting = []  # they end with the turn
            session.answer(call.tool_use_id, call.input_hash, allow=bool(allow))
            self._waiting = [each for each in self._waiting if each[1] is not call]
            self.show()
            if self._dialog is None:
                self._screen.log_widget.leave_free(0)

        self._screen.app.push_screen(dialog, done)


def _brief(folder: str) -> str:
    """A folder with `~` for the user's own."""
    home = os.path.realpath(os.path.expanduser("~"))  # noqa: PTH111 - Path's raises where there is no home
    inside = folder == home or folder.startswith(home.rstrip(os.sep) + os.sep)
    return f"~{folder[len(home) :]}" if inside and len(home) > 1 else folder
