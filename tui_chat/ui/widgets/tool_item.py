"""A tool call in the log: one line that says what was called and what came of it; opened, the whole input and the result.

Everything here is text from outside: the name and the input are the model's, the result is a file's or a server's.
"""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.widgets.log_items import BLANK, INDENT, MARGIN, cut, wrapping
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.wording import clock

if TYPE_CHECKING:
    from tui_chat.ui.selection.stretch import Place

ToolState = Literal["proposed", "waiting", "running", "ended", "denied", "cancelled", "failed"]

Part = tuple[int, str, Sequence[Strip] | None]

LONGEST: Final = 200  # lines of a result, and of an input, that are shown
INNER: Final = INDENT + 2  # the column of input and result
_SHOWN_FROM: Final = 1.0  # seconds; a shorter run is not worth a figure
_OUTCOME: Final = 15  # cells that it has at least: "waits for you"
_REASON: Final = 24  # cells, the least in which the reason of a failure is begun
_FIRST_LINE: Final = re.compile(r"\S[^\r\n]{0,400}")


class ToolItem:
    """One call. What is known of it comes down with `update_call`, all of it each time."""

    def __init__(self, turn_id: str, key: str) -> None:
        self.turn_id, self.key, self.width = turn_id, key, 0
        self.shown = False
        self._last = True  # nothing stands directly below it
        self._looks: Looks | None = None
        self._changed = False
        self._name = ""
        self._input: Mapping[str, Any] | None = None
        self._partial = ""
        self._summary = "…"
        self._state: ToolState = "proposed"
        self._result = ""
        self._first_line = ""
        self._is_error = False
        self._seconds: float | None = None
        self._reason = ""
        self._lines: list[Strip] = []
        self._text = ""  # what the lines below the first one show
        self._parts: list[Part] | None = None

    # Values down ---------------------------------------------------------------------------------------------------

    def update_call(
        self,
        name: str,
        input: Mapping[str, Any] | None,
        state: ToolState,
        *,
        partial: str = "",
        result: str = "",
        is_error: bool = False,
        seconds: float | None = None,
        reason: str = "",
    ) -> None:
        """What is known now. `input` is None while it is still coming, and where it never came whole: then `partial` is what came.

        `result` is what goes back to the model, verbatim; `seconds` is how long it took; `reason` says in a few words why it
        was not run, or not to its end.
        """
        if input is not self._input or partial != self._partial:
            from tui_chat.ui.tool_text import input_line  # here: the first paint has no tool and must not wait for it

            self._input, self._partial = input, partial
            self._summary = input_line(input) if input is not None else input_line({"": partial}).rstrip("…") + "…"
        if result != self._result:
            self._result = result
            found = _FIRST_LINE.search(result)
            self._first_line = sanitise_line(found.group()).rstrip() if found else ""
        self._name, self._state, self._is_error, self._seconds, self._reason = name, state, is_error, seconds, reason
        self._changed, self._parts = True, None

    def toggle(self, *, shown: bool | None = None) -> None:
        """Show input and result, or hide them again (None: the other way round)."""
        self.shown = not self.shown if shown is None else shown
        self._changed = True

    def join(self) -> None:
        """Another call stands directly below: no blank line between them."""
        self._last, self._changed = False, True
        self.update()

    # Lines up ------------------------------------------------------------------------------------------------------

    @property
    def height(self) -> int:
        """Its lines; one and a blank one until it was laid out."""
        return (len(self._lines) if self.width else 1) + (self._last or self.shown)

    @property
    def behind(self) -> bool:
        """Never: what is shown of a result is bounded."""
        return False

    @property
    def source(self) -> str:
        """What it says, as one line."""
        return f"{sanitise_line(self._name)} {self._summary}{self._outcome[0]}".strip()

    def layout(self, width: int, looks: Looks) -> None:
        """Make the lines for `width` cells."""
        self.width, self._looks, self._changed = width, looks, True
        self.update()

    def update(self) -> int:
        """Take in what has changed; returns the first line that may be another."""
        if not self._changed or self._looks is None or not self.width:
            return self.height
        self._changed, self._parts = False, None
        self._lines = [self._head(self._looks)]
        if self.shown:
            self._lines += self._body(self._looks)  # knows the first line
        return 0

    def take_shift(self) -> int:
        """Nothing ever moves within it."""
        return 0

    def line(self, index: int) -> Strip:
        """The line at `index`."""
        return self._lines[index] if index < len(self._lines) else BLANK

    def selected(self, start: "Place", end: "Place") -> str:
        """The text of what stands there: of the first line as it is shown, of the others without the breaks of wrapping."""
        from tui_chat.ui.selection.plain import selected_plain  # here: the first paint selects nothing
        from tui_chat.ui.selection.stretch import end_of_cell, index_of_cell  # as above

        texts = []
        if start < (1, 0) and self._lines:
            text = self._lines[0].text
            stop = end_of_cell(text, end[1]) if end[0] == 0 else len(text)
            first = index_of_cell(text, max(start[1], INNER) if start[0] == 0 else INNER)
            texts.append(text[first:stop].strip())
        rows = [line.text[INNER:] for line in self._lines[1:]]
        upper, lower = ((max(0, line - 1), max(0, column - INNER) if line else 0) for line, column in (start, end))
        if end > (1, 0):
            texts.append(selected_plain(self._text, rows, upper, lower))
        return "\n".join(text for text in texts if text)

    @property
    def _outcome(self) -> tuple[str, str]:
        """What came of it, and the look of that."""
        reason = f": {sanitise_line(self._reason)}" if self._reason else ""
        match self._state:
            case "proposed":
                return "", "tool"
            case "waiting":
                return "  waits for you", "footer_warm"
            case "running":
                return "  running", "tool"  # how long it has, the status bar's clock says
            case "ended":
                seconds = self._seconds or 0.0
                time = f"  {clock(seconds)}" if seconds >= _SHOWN_FROM else ""
                lines = self._result.strip().count("\n") + 1
                more = f" ({lines:,} lines)" if lines > 1 else ""
                text = f" → {self._first_line or 'nothing'}{more}{time}"
                return text, "footer_error" if self._is_error else "tool"
            case "failed":
                why = reason or (f": {self._first_line}" if self._first_line else "")
                return f"  failed{why}", "footer_error"
            case state:
                return f"  {state}{reason}", "footer_warm"

    @property
    def _reason_is_shown(self) -> bool:
        return self._state in ("denied", "cancelled", "failed")

    def _head(self, looks: Looks) -> Strip:
        """The one line. A long input leaves half of it to the outcome, a long outcome takes what the input leaves."""
        click = Style(meta={"action": "toggle_tool", "turn_id": self.turn_id, "key": self.key})
        room = self.width - INDENT - MARGIN - 2
        name = cut(sanitise_line(self._name), room)
        room -= cell_len(name)
        outcome, look = self._outcome
        summary = f" {self._summary}" if self._summary else ""
        outcome_room = min(cell_len(outcome), max(room // 2, room - cell_len(summary), min(room, _OUTCOME)))
        if outcome_room < min(cell_len(outcome), _REASON) and self._reason_is_shown:
            outcome = f"  {self._state}"  # a reason of a few letters says nothing
            outcome_room = min(cell_len(outcome), room)
        summary = cut(summary, room - outcome_room)
        return Strip(
            [
                Segment(" " * INDENT),
                Segment("▾ " if self.shown else "▸ ", looks["tool"] + click),
                Segment(name, looks["tool_name"] + click),
                Segment(summary, looks["tool"] + click),
                Segment(cut(outcome, outcome_room), looks[look] + click),
            ]
        )

    def _body(self, looks: Looks) -> list[Strip]:
        """Input and result. What is cut off is counted."""
        from tui_chat.ui.tool_text import fold  # as above

        width, pad = self._inner_width, Segment(" " * INNER)
        lines, text, more = self._texts()
        shown = "\n".join(lines[:LONGEST])
        rows = [row for line in lines[:LONGEST] for row in fold(line, width)]
        strips = input_rows = [Strip([pad, Segment(row, looks["tool"])]) for row in rows[:LONGEST]]
        if len(rows) > LONGEST or len(lines) > LONGEST:
            strips = [*strips, Strip([pad, Segment("…", looks["tool"])])]
        result: list[Strip] = []
        if text:
            result = [strip for _, part in wrapping(text, looks["tool_text"], width, [pad], [pad]) for strip in part]
            strips = [*strips, BLANK] if strips else []
        self._text = f"{shown}\n\n{text}" if text else shown
        self._parts = [self._head_part, (1, shown, input_rows), (1 + len(strips), text, result)]
        strips = [*strips, *result]
        if more:
            strips.append(Strip([pad, Segment(more, looks["tool"])]))
        return [strip.crop(0, self.width) for strip in strips]  # only a window of a few columns is narrower

    @property
    def _inner_width(self) -> int:
        return max(8, self.width - INNER - MARGIN)

    def _texts(self) -> tuple[list[str], str, str]:
        """The lines of the input, the beginning of the result, and a word about the rest of that."""
        from tui_chat.ui.tool_text import input_lines, partial_lines  # as above

        width = self._inner_width
        if self._input is not None:
            lines = input_lines(self._input)
        elif self._partial:
            lines = partial_lines(self._partial[: LONGEST * width])
            lines[-1] += "…" if self._state == "cancelled" else ""  # nothing in the input can look like it
        else:
            lines = ["nothing of its input had come"] if self._state == "cancelled" else []
        if not self._result.strip():
            return lines, "", ""
        return lines, *_beginning(self._result.strip("\r\n"), LONGEST, width)

    # For the search ------------------------------------------------------------------------------------------------

    @property
    def parts(self) -> list[Part]:
        """The first line, the input and the result: the row that each begins in, its text, and the rows that show it, if any do.

        The same object until something has changed.
        """
        if self._parts is None:
            lines, text, _ = self._texts()
            self._parts = [self._head_part, (1, "\n".join(lines[:LONGEST]), None), (1, text, None)]
        return self._parts

    @property
    def _head_part(self) -> Part:
        rows = self._lines[:1]
        return (0, rows[0].text[INNER:], rows) if rows else (0, self.source, None)


def _beginning(text: str, lines: int, width: int) -> tuple[str, str]:
    """`text` as far as it fits into so many lines, roughly, and a word about the rest."""
    kept = text[: lines * width]
    if kept.count("\n") >= lines:
        kept = "\n".join(kept.split("\n", lines)[:lines])
    rest = text[len(kept) :]
    left = rest.count("\n")
    more = (
        f"… {left:,} more line{'s' if left > 1 else ''}" if left else f"… {len(rest):,} more characters" if rest else ""
    )
    return sanitise(kept).expandtabs(4).rstrip("\n"), more
