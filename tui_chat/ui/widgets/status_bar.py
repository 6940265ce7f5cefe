"""One line at the bottom: what runs, since when, how fast, at what cost. It shows the fields it is given, as many as fit."""

from collections.abc import Sequence
from typing import ClassVar

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.ui.widgets.direct import RowWidget, terminal_of
from tui_chat.ui.widgets.looks import component_style
from tui_chat.ui.wording import Field

GAP = 2  # columns between fields


def fit(fields: Sequence[Field], right: str, width: int) -> list[Field]:
    """The fields that fit beside `right` in `width` cells; the one with the lowest `keep` goes first, the last one stays."""
    kept = list(fields)
    free = width - 2 - (cell_len(right) + 1 if right else 0)
    while len(kept) > 1 and _cells(kept) > free:
        # Of two equal ones the later goes first.
        kept.remove(min(reversed(kept), key=lambda field: field.keep))
    return kept


def _cells(fields: Sequence[Field]) -> int:
    padded = sum(cell_len(field.text) for field in fields[:-1])
    return padded + cell_len(fields[-1].text.rstrip()) + GAP * (len(fields) - 1)


class StatusBar(RowWidget):
    """Call `show` with fields; nothing here runs on a timer."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "status--model",
        "status--state",
        "status--dim",
        "status--warm",
        "status--error",
        "status--hint",
    }
    DEFAULT_CSS = "StatusBar { height: 1; }"

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._fields: Sequence[Field] = ()
        self._right = ""
        self._said: Field | None = None
        self._tones: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._tones.clear()

    def say(self, text: str | None, tone: str = "dim") -> None:
        """Show `text` instead of the fields, for a moment; None shows them again."""
        self._said = Field(text, 0, tone) if text else None
        self.paint([0], self.region, terminal_of(self))

    def show(self, fields: Sequence[Field], right: str) -> None:
        """Show `fields` from the left and `right` at the right edge."""
        if (fields, right) != (self._fields, self._right):
            self._fields, self._right = fields, right
            if self.is_attached:
                self.paint([0], self.region, terminal_of(self))

    @property
    def text(self) -> str:
        """The line as it is shown now."""
        return self._line(self.size.width).text

    def render_line(self, y: int) -> Strip:
        """The one line."""
        return Strip(self.own(self._line(self.size.width)), self.size.width)

    def _line(self, width: int) -> Strip:
        fields = [self._said] if self._said is not None else fit(self._fields, self._right, width)
        segments = [Segment(" ")]
        used = 1
        for place, field in enumerate(fields):
            gap = " " * GAP if place else ""
            text = field.text if place < len(fields) - 1 else field.text.rstrip()
            parts = field.parts if field.parts and text == field.text else ((text, field.tone),)
            segments.append(Segment(gap + parts[0][0], self._style(parts[0][1])))
            segments += [Segment(part, self._style(tone)) for part, tone in parts[1:]]
            used += len(gap) + cell_len(text)
        room = width - used - 1
        if self._right and cell_len(self._right) <= room:
            segments.append(Segment(" " * (room - cell_len(self._right))))
            segments.append(Segment(self._right, self._style("hint")))
            return Strip([*segments, Segment(" ")])
        hint = cell_len(self._right) + GAP + 1 if self._right else 0
        if used + hint > width:  # the last field alone is too long: it is cut, the hint stays
            free = max(1, width - hint - 1)
            text = set_cell_size("".join(segment.text for segment in segments), free) + "…"
            end = Segment(" " * (GAP - 1) + self._right + " ", self._style("hint")) if hint else Segment("")
            return Strip([Segment(text, segments[-1].style), end]).adjust_cell_length(width)
        return Strip(segments).adjust_cell_length(width)

    def _style(self, tone: str) -> Style:
        if tone not in self._tones:  # asking the stylesheet is most of the cost of a tick of the clock
            self._tones[tone] = component_style(self, f"status--{tone}") if tone else Style()
        return self._tones[tone]
