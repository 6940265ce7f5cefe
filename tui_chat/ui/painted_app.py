"""An app whose terminal is written as differences, and row by row where a widget asks for it.

It joins Textual's App with the `Painter`; what is painted is not its business.
"""

from collections.abc import Mapping
from typing import Any

from textual._ansi_sequences import SYNC_END, SYNC_START
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App
from textual.screen import Screen
from textual.strip import Strip

from tui_chat.ui.painter import Painter


class PaintedApp(App[int]):
    """Sends the terminal only what differs from what it shows. `widgets/direct.py` says who may paint rows."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._painter = Painter()
        self._scrolled = ""  # a scroll that goes out with the rows that complete it

    def on_resize(self) -> None:
        """Each new size may have changed what the terminal shows, also one that Textual skips because another follows at once."""
        self._painter.forget()
        self.screen.refresh()

    def action_redraw(self) -> None:
        """Paint everything again: something else may have written on the terminal."""
        self._painter.forget()
        self.screen.refresh(layout=True)

    def scroll_rows(self, top: int, bottom: int, lines: int) -> bool:
        """Move the terminal's rows from `top` up to `bottom` by `lines` upwards, together with the next `paint_rows`.

        False if what those rows show is not known.
        """
        self._painter.fit((self.size.width, self.size.height))
        self._scrolled = self._painter.scroll(top, bottom, lines)
        return bool(self._scrolled)

    def paint_rows(self, x: int, rows: Mapping[int, Strip]) -> None:
        """Show each strip in its row of the terminal from column `x` on."""
        self._painter.fit((self.size.width, self.size.height))
        scrolled, self._scrolled = self._scrolled, ""
        data = scrolled + self._painter.rows({y: {x: strip} for y, strip in rows.items()}, self.console)
        if not data or self._driver is None:
            return
        cursor = self.screen.outer_size.clamp_offset(self.cursor_position)
        data = f"{data}\x1b[{cursor.y + 1};{cursor.x + 1}H"
        self._driver.write(f"{SYNC_START}{data}{SYNC_END}" if scrolled and self._sync_available else data)

    def _display(self, screen: Screen[Any], renderable: Any) -> None:
        if isinstance(renderable, LayoutUpdate | ChopsUpdate):
            renderable = self._painter.wrap(renderable, (self.size.width, self.size.height))
        super()._display(screen, renderable)
