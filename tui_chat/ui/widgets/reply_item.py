"""A reply in the log: thinking, markdown, footer.

A long reply is laid out in parts of a few milliseconds, so that neither a resize nor an opening stops the screen: the first time
room is kept free for it, later its old lines are shown until the new ones are complete.
"""

from typing import TYPE_CHECKING, Final

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.markdown.layout import segments, wrap
from tui_chat.ui.widgets.log_items import BLANK, INDENT, MARGIN, wrapped
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.wording import Footer

if TYPE_CHECKING:
    from tui_chat.ui.markdown import LiveDocument

SLICE: Final = 4_000  # characters that are laid out at once
THINKING_LINES: Final = 3  # of running thinking
THINKING_PIECES: Final = 400  # deltas that surely hold so many lines
_PAD: Final = Segment(" " * INDENT)


class ReplyItem:
    """A reply: its thinking in dim lines, its text as markdown, and its footer once it has ended."""

    def __init__(self, turn_id: str, text: str = "") -> None:
        self.turn_id, self.width = turn_id, 0
        self.document: LiveDocument | None = None
        self._coming: LiveDocument | None = (
            None  # for another width or theme; until it is complete the old one is shown
        )
        self._reserved = 0  # lines kept free while a long reply is laid out for the first time
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
        for document in self._documents():
            document.write(delta)

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
            for document in self._documents():
                document.finish()
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
        return len(self._before) + self._body + len(self._after) if self.document is not None else self._estimate

    @property
    def behind(self) -> bool:
        """Whether a part of it still has to be laid out."""
        return any(document.behind for document in self._documents())

    def layout(self, width: int, looks: Looks) -> None:
        """Begin to make the lines for `width` cells: of a long reply the first part."""
        from tui_chat.ui.markdown import LiveDocument  # here: the first paint has no reply and must not wait for it

        guess = self._estimate
        self.width, self._looks = width, looks
        document = LiveDocument(max(1, width - INDENT - MARGIN), looks.markdown)
        if self._pieces:
            document.write(self.source)
        if self._finished:
            document.finish()
        document.update(SLICE)
        if document.behind and self.document is not None:
            self._coming = document
        else:
            self._reserved = guess if document.behind else 0
            self.document, self._coming = document, None
        self._layout_before()
        self._layout_after()

    def update(self) -> int:
        """Take in what was written since, or a part of it; returns the first line that may have changed."""
        if self.document is None:
            return 0
        before, reserved = len(self._before), self._reserved
        if self._coming is None:
            first = self.document.update(SLICE)
        else:
            self._coming.update(SLICE)
            first = self.document.line_count
            if not self._coming.behind:
                first, self.document, self._coming = 0, self._coming, None
        if not self.document.behind:
            self._reserved = 0
        thinking = bool(self._thinking) and not self._thought and not self._finished
        if thinking:
            self._layout_before()
        changed, self._before_changed = self._before_changed, False
        self._layout_after()
        all_moved = changed or thinking or len(self._before) != before
        return 0 if all_moved else before + (min(first, self.document.line_count) if not reserved else 0)

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        if index < len(self._before):
            return self._before[index]
        index -= len(self._before)
        document = self.document
        if document is not None and index < document.line_count:
            return Strip([_PAD, *document.line(index)])
        return BLANK if index < self._body else self._after[index - self._body]

    @property
    def _estimate(self) -> int:
        return self._characters // 60 + 4

    @property
    def _body(self) -> int:
        """The lines of the text, with those that are kept free for it."""
        return max(self.document.line_count, self._reserved) if self.document is not None else 0

    def _documents(self) -> list["LiveDocument"]:
        return [document for document in (self.document, self._coming) if document is not None]

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
            self._before = [*wrapped(text, style, width, [_PAD], [_PAD]), BLANK]
        elif self._thought:
            self._before = [*wrapped(sanitise_line(self._thought), style, width, [_PAD], [_PAD]), BLANK]
        elif self._thinking:
            # Only the end is shown, so only the end is laid out: the cost does not grow with the thinking.
            tail = "".join(self._thinking[-THINKING_PIECES:])[-width * (THINKING_LINES + 1) :]
            text = "\n".join(line for line in sanitise(tail).splitlines() if line.strip())
            self._before = [*wrapped(text, style, width, [_PAD], [_PAD])[-THINKING_LINES:], BLANK]

    def _layout_after(self) -> None:
        looks, document = self._looks, self.document
        if looks is None or document is None:
            return
        gap = [BLANK] if document.line_count or self._footer is None else []
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
        self._after = [*gap, *(Strip(line) for line in lines), BLANK]


def _actions(footer: Footer, turn_id: str, looks: Looks) -> list[tuple[str, Style]]:
    """The footer's actions as text whose cells carry what a click on them means."""
    runs: list[tuple[str, Style]] = []
    for action in footer.actions:
        click = Style(meta={"action": action.name, "turn_id": turn_id})
        if runs:
            runs.append(("   ", Style()))
        runs += [(action.key, looks["action"] + click), (" ", click), (action.label, looks["footer"] + click)]
    return runs
