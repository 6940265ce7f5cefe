"""What stands in the log: prompts, replies, notices. Each holds its source and, once it was laid out, its lines.

An item that was never near the screen has only an estimate of its height; the log lays it out when it comes into view. Items
know nothing of scrolling; they turn text into Strips of a given width.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.markdown.layout import segments, wrap
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.wording import Footer

if TYPE_CHECKING:
    from tui_chat.ui.markdown import LiveDocument

INDENT: Final = 3  # column where text starts
MARGIN: Final = 2  # columns left free at the right
THINKING_LINES: Final = 3  # of running thinking
THINKING_PIECES: Final = 400  # deltas that surely hold so many lines
_BLANK: Final = Strip([])


class LogItem(Protocol):
    """One message of the log, or a notice."""

    turn_id: str
    width: int  # the width it was laid out for; 0: not yet

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""

    def line(self, index: int) -> Strip:
        """The line at `index`, at most `width` cells; needs a layout."""

    @property
    def source(self) -> str:
        """What copying it gives."""


def _estimate(text: str, width: int = 90) -> int:
    return text.count("\n") + len(text) // width + 3


def _wrapped(text: str, style: Style, width: int, first: Sequence[Segment], rest: Sequence[Segment]) -> list[Strip]:
    """`text` wrapped, with `first` before its first line and `rest` before the others."""
    rows: list[Sequence[Segment]] = []
    for line in text.split("\n"):
        indent = min(len(line) - len(line.lstrip(" ")), width // 2)
        pad = [Segment(" " * indent)] if indent else []
        rows += [[*pad, *segments(row.fragments)] for row in wrap([(line.strip(), style)], width - indent)] or [()]
    return [Strip([*(rest if place else first), *row]) for place, row in enumerate(rows)]


class PromptItem:
    """What the user said: plain text behind the accent bar."""

    def __init__(self, turn_id: str, text: str) -> None:
        self.turn_id, self.source, self.width = turn_id, text, 0
        self._lines: list[Strip] = []
        self._guess = _estimate(text)

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        return len(self._lines) if self.width else self._guess

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        bar = [Segment(" "), Segment("▌", looks["user_bar"]), Segment(" ")]
        text = sanitise(self.source).expandtabs(4).strip("\n")
        self._lines = [*_wrapped(text, looks["user_text"], width - INDENT - MARGIN, bar, bar), _BLANK]
        self.width = width

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        return self._lines[index]


class NoticeItem:
    """A quiet line of the program's own: a note, the first screen's hints."""

    def __init__(self, text: str, style: str = "footer") -> None:
        self.turn_id, self.source, self.width = "", text, 0
        self._style = style
        self._lines: list[Strip] = []

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        return len(self._lines) if self.width else _estimate(self.source)

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        pad = [Segment(" " * INDENT)]
        text = sanitise(self.source)
        self._lines = [*_wrapped(text, looks[self._style], width - INDENT - MARGIN, pad, pad), _BLANK]
        self.width = width

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        return self._lines[index]


class ReplyItem:
    """A reply: its thinking in dim lines, its text as markdown, and its footer once it has ended."""

    def __init__(self, turn_id: str, text: str = "") -> None:
        self.turn_id, self.width = turn_id, 0
        self.document: LiveDocument | None = None
        self._looks: Looks | None = None
        self._pieces: list[str] = [text] if text else []
        self._characters = len(text)
        self._finished = False
        self._thinking: list[str] = []
        self._thought = ""
        self._thinking_shown = False
        self._footer: Footer | None = None
        self._before: list[Strip] = []
        self._before_changed = False
        self._after: list[Strip] = []

    # Values down ---------------------------------------------------------------------------------------------------

    def write(self, delta: str) -> None:
        """Append to the text."""
        self._pieces.append(delta)
        self._characters += len(delta)
        if self.document is not None:
            self.document.write(delta)

    def think(self, delta: str) -> None:
        """Append to the thinking, of which the last lines are shown while no text has come."""
        self._thinking.append(delta)

    def thought(self, summary: str) -> None:
        """Thinking is over: one line takes its place."""
        self._thought = summary
        self._layout_before()

    def show_thinking(self, *, shown: bool | None = None) -> None:
        """Show all the thinking, or hide it again (None: the other way round)."""
        self._thinking_shown = not self._thinking_shown if shown is None else shown
        self._layout_before()

    def end(self, footer: Footer | None) -> None:
        """The reply is over; `footer` may be set again later."""
        self._footer = footer
        if not self._finished:
            self._finished = True
            if self.document is not None:
                self.document.finish()
        self._layout_after()

    def code(self, number: int) -> str | None:
        """The code block with that number, from 1, verbatim; None if there is none."""
        blocks = self.document.code_blocks if self.document is not None else ()
        return blocks[number - 1].code if 0 < number <= len(blocks) else None

    def code_at(self, index: int) -> str | None:
        """The code block whose label stands in the line at `index`."""
        index -= len(self._before)
        blocks = self.document.code_blocks if self.document is not None else ()
        return next((block.code for block in blocks if block.first_line == index), None)

    # Lines up ------------------------------------------------------------------------------------------------------

    @property
    def source(self) -> str:
        """The text, verbatim."""
        return "".join(self._pieces)

    @property
    def height(self) -> int:
        """Its lines; an estimate until it was laid out."""
        if self.document is None:
            return self._characters // 60 + 4
        return len(self._before) + self.document.line_count + len(self._after)

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells: the whole source once."""
        from tui_chat.ui.markdown import LiveDocument  # here: the first paint has no reply and must not wait for it

        self.width, self._looks = width, looks
        document = LiveDocument(max(1, width - INDENT - MARGIN), looks.markdown)
        if self._pieces:
            document.write(self.source)
        if self._finished:
            document.finish()
        document.update()
        self.document = document
        self._layout_before()
        self._layout_after()

    def update(self) -> int:
        """Take in what was written since; returns the first line that may have changed."""
        if self.document is None:
            return 0
        before = len(self._before)
        first = self.document.update()
        thinking = bool(self._thinking) and not self._thought and not self._finished
        if thinking:
            self._layout_before()
        changed, self._before_changed = self._before_changed, False
        self._layout_after()
        return 0 if changed or thinking or len(self._before) != before else before + first

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        if index < len(self._before):
            return self._before[index]
        index -= len(self._before)
        document = self.document
        if document is not None and index < document.line_count:
            return Strip([_PAD, *document.line(index)])
        return self._after[index - (document.line_count if document else 0)]

    def _layout_before(self) -> None:
        looks = self._looks
        if looks is None:
            return
        self._before_changed = True
        self._before = []
        style, width = looks["thinking"], self.width - INDENT - MARGIN
        if self._thinking_shown and self._thinking:
            self._thinking = ["".join(self._thinking)]
            text = sanitise(self._thinking[0]).strip()
            self._before = [*_wrapped(text, style, width, [_PAD], [_PAD]), _BLANK]
        elif self._thought:
            self._before = [*_wrapped(sanitise_line(self._thought), style, width, [_PAD], [_PAD]), _BLANK]
        elif self._thinking:
            # Only the end is shown, so only the end is laid out: the cost does not grow with the thinking.
            tail = "".join(self._thinking[-THINKING_PIECES:])[-width * (THINKING_LINES + 1) :]
            text = "\n".join(line for line in sanitise(tail).splitlines() if line.strip())
            self._before = [*_wrapped(text, style, width, [_PAD], [_PAD])[-THINKING_LINES:], _BLANK]

    def _layout_after(self) -> None:
        looks, document = self._looks, self.document
        if looks is None or document is None:
            return
        gap = [_BLANK] if document.line_count or self._footer is None else []
        if self._footer is None:
            self._after = gap
            return
        tone = {"dim": "footer", "warm": "footer_warm", "error": "footer_error"}[self._footer.tone]
        runs = [(sanitise_line(self._footer.text), looks[tone])]
        width = self.width - INDENT - MARGIN
        actions = _actions(self._footer, self.turn_id, looks)
        rows = wrap(runs, width)
        actions_cells = sum(cell_len(text) for text, _ in actions)
        lines = [[_PAD, *segments(row.fragments)] for row in rows]
        if actions:
            if rows[-1].cells + 3 + actions_cells <= width:
                lines[-1] += [Segment("   "), *segments(actions)]
            else:
                lines += [[_PAD, *segments(row.fragments)] for row in wrap(actions, width)]
        self._after = [*gap, *(Strip(line) for line in lines), _BLANK]


_PAD: Final = Segment(" " * INDENT)


def _actions(footer: Footer, turn_id: str, looks: Looks) -> list[tuple[str, Style]]:
    """The footer's actions as text whose cells carry what a click on them means."""
    runs: list[tuple[str, Style]] = []
    for action in footer.actions:
        click = Style(meta={"action": action.name, "turn_id": turn_id})
        if runs:
            runs.append(("   ", Style()))
        runs += [(action.key, looks["action"] + click), (" ", click), (action.label, looks["footer"] + click)]
    return runs


def plain(strips: Iterable[Strip]) -> str:
    """The text of some lines, without trailing spaces."""
    return "\n".join(strip.text.rstrip() for strip in strips)
