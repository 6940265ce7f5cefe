"""A tiny application on our terminal driver that shows every key and paste it gets.

Run as `python -m tests.e2e.driver_app [stock]`; with `stock` on Textual's own driver, for comparison.
"""

import asyncio
import sys
import time

from textual import events
from textual.app import App, ComposeResult
from textual.widgets import Static

from tui_chat.ui.driver import driver_class, set_terminal_title


async def exit_when_cancelled() -> None:
    """Cut the end of the event loop short, so that Textual cannot clean up."""
    try:
        await asyncio.Event().wait()
    finally:
        sys.exit(4)


class DriverApp(App[None]):
    """Shows what arrives, newest first. F1 sets a title; F2 to F5 are ways to go wrong."""

    ENABLE_COMMAND_PALETTE = False

    def __init__(self, stock: bool) -> None:
        super().__init__(driver_class=None if stock else driver_class())
        self._shown: list[str] = []
        self._number = 0

    def compose(self) -> ComposeResult:
        yield Static("ready", markup=False)

    def on_key(self, event: events.Key) -> None:
        self.show(f"key {event.key} {event.character!r}")
        match event.key:
            case "f1":
                set_terminal_title(self, "a title\nwith \x1b]0;bad\x07 in it")
            case "f2":
                raise RuntimeError("a bug in a handler")
            case "f3":
                asyncio.get_running_loop().call_soon(sys.exit, 3)
            case "f4":
                assert self._driver is not None
                self._driver.write("\x1b]9;stuck\x07")  # not through a frame: there will be none
                time.sleep(60)  # the event loop is to answer nobody any more

            case "f5":
                # Many, because the order in which tasks are cancelled is random and one must come before Textual's.
                self._tasks = [asyncio.create_task(exit_when_cancelled()) for _ in range(50)]
                asyncio.get_running_loop().call_later(0.01, sys.exit, 3)

    def on_paste(self, event: events.Paste) -> None:
        text = event.text
        self.show(f"paste {len(text)} {text if len(text) < 80 else text[:20] + '...' + text[-20:]!r}")

    def show(self, what: str) -> None:
        """Number `what` and put it on top."""
        self._number += 1
        self._shown.insert(0, f"{self._number}: {what}.")
        self.query_one(Static).update("\n".join(["ready", *self._shown[:20]]))


if __name__ == "__main__":
    application = DriverApp(stock="stock" in sys.argv)
    application.run()
    sys.exit(application.return_code)
