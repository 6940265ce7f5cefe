"""One line at the top: the open conversations, each with what it is doing.

All labels are equally wide, and the state has a place of its own in each, so nothing moves while conversations run. Where they do
not all fit, a part of them is shown, with the one in front, and the ends count the rest. It knows neither sessions nor screens.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.message import Message
from textual.strip import Strip

from tui_chat.ui.widgets.direct import RowWidget, terminal_of
from tui_chat.ui.widgets.looks import component_style

WIDEST: Final = 36  # cells of a label
NARROWEST: Final = 12
END: Final = 5  # cells of a count at an end
_WITH_WORD: Final = 26  # cells from which on the state is a word and not a mark
_WORD: Final = 9  # cells of the longest of these words


@dataclass(frozen=True, slots=True)
class TabLabel:
    """What stands for a conversation: its title, and its state as a word and as one character."""

    title: str
    word: str = ""
    mark: str = ""
    tone: str = "dim"  # of the state: dim, news, warm or error


@dataclass(frozen=True, slots=True)
class Part:
    """The labels that are shown: `count` of them from `first` on, each `width` cells wide, behind `left` cells."""

    first: int
    count: int
    width: int
    left: int


def part_of(tabs: int, front: int, width: int, first: int = 0) -> Part:
    """Which labels of so many tabs fit into `width` cells: that of `front` is among them, and if it can be `first` is the first."""
    if tabs * NARROWEST <= width:
        return Part(0, tabs, min(WIDEST, width // max(1, tabs)), 0)
    end = END if width >= NARROWEST + 2 * END else 0
    room = width - 2 * end
    count = max(1, room // NARROWEST)
    first = max(front - count + 1, min(first, front), 0)
    return Part(min(first, tabs - count), count, min(WIDEST, max(1, room // count)), end)


class TabBar(RowWidget):
    """Call `show` with labels; hidden while there is only one."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "tabs--front",
        "tabs--behind",
        "tabs--dim",
        "tabs--news",
        "tabs--warm",
        "tabs--error",
    }
    DEFAULT_CSS = "TabBar { height: 1; display: none; }"

    @dataclass
    class Chosen(Message):
        """The tab at `place` (from 0) was clicked."""

        place: int

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._labels: Sequence[TabLabel] = ()
        self._front = 0
        self._first = 0
        self._shown = False  # `display` does not know it before the stylesheet was applied
        self._looks: dict[str, Style] = {}

    def notify_style_update(self) -> None:
        """The colours may have changed."""
        super().notify_style_update()
        self._looks.clear()

    def show(self, labels: Sequence[TabLabel], front: int, first: int = 0) -> None:
        """Show `labels`, of which the one at `front` is in front; from the one at `first` on where they do not all fit."""
        if (labels, front, first) == (self._labels, self._front, self._first):
            return
        self._labels, self._front, self._first = labels, front, first
        shown = len(labels) > 1
        if shown != self._shown:
            self.display = self._shown = shown
        elif shown and self.is_attached and self.region:
            self.paint([0], self.region, terminal_of(self))

    @property
    def text(self) -> str:
        """The line as it is shown now."""
        return self.render_line(0).text

    def render_line(self, y: int) -> Strip:
        """The one line."""
        width, count = self.size.width, len(self._labels)
        part = part_of(count, self._front, width, self._first)
        segments: list[Segment] = []
        if part.left:
            segments.append(self._end("‹", range(part.first)))
        for place in range(part.first, part.first + part.count):
            segments += self._label(place, part.width)
        if part.left:
            segments.append(self._end("›", range(part.first + part.count, count)))
        used = sum(cell_len(segment.text) for segment in segments)
        segments.append(Segment(" " * (width - used), self._look("behind")))
        return Strip(self.own(segments)).adjust_cell_length(width)

    def _label(self, place: int, width: int) -> list[Segment]:
        """` 2 the title   streaming `, exactly `width` cells wide."""
        label = self._labels[place]
        ground = self._look("front" if place == self._front else "behind")
        tone = self._look(label.tone)
        # The ground is the label's; of the tone only what it says about the text is taken.
        state_style = ground + Style(color=tone.color, bold=bool(tone.bold))
        with_word = width >= _WITH_WORD
        room, gap = (_WORD, 2) if with_word else (1, 1)
        state = label.word if with_word else label.mark
        number = f" {place + 1} "
        title = max(0, width - len(number) - 1 - room - gap)
        named = cut(label.title, title)
        return [
            Segment(f"{number}{named} ", ground),
            Segment(state.rjust(room), state_style),
            Segment(" " * gap, ground),
        ]

    def _end(self, arrow: str, hidden: range) -> Segment:
        """How many tabs are beyond an end; in the tone of what is most urgent there."""
        tones = [self._labels[place].tone for place in hidden]
        tone = next((each for each in ("warm", "error", "news") if each in tones), "dim")
        text = f"{arrow}{len(hidden)}" if arrow == "‹" else f"{len(hidden)}{arrow}"
        ground, look = self._look("behind"), self._look(tone)
        style = ground + Style(color=look.color, bold=bool(look.bold))
        return Segment(f" {text if hidden else '':^{END - 2}} ", style)

    def _look(self, name: str) -> Style:
        if name not in self._looks:
            self._looks[name] = component_style(self, f"tabs--{name}")
        return self._looks[name]

    def on_click(self, event: events.Click) -> None:
        """The label that was clicked, or what is next beyond an end."""
        part = part_of(len(self._labels), self._front, self.size.width, self._first)
        last = part.first + part.count - 1
        if event.x < part.left:
            place = part.first - 1
        elif (place := part.first + (event.x - part.left) // part.width) > last:
            if not part.left or event.x < self.size.width - part.left:
                return
            place = last + 1
        if 0 <= place < len(self._labels):
            self.post_message(self.Chosen(place))


def cut(text: str, cells: int) -> str:
    """`text` in exactly so many cells."""
    if cell_len(text) > cells > 0:
        text = set_cell_size(text, cells - 1).rstrip() + "…"
    return set_cell_size(text, cells)
