"""An open paragraph or heading: its text goes in, wrapped rows come out.

Why it exists: a leaf of text keeps its last words open, and while it grows most of what comes is plain words. `End` can
show those without reading the paragraph's open part again.
What it must not know: what stands around it, but for a `Place` that draws its rows.
"""

from dataclasses import dataclass
from typing import Final

from rich.style import Style

from tui_chat.ui.markdown.inline import InlineRenderer, Runs
from tui_chat.ui.markdown.layout import Flow, Lines
from tui_chat.ui.markdown.places import Place
from tui_chat.ui.markdown.segments import PLAIN, SHORTEST, Segmenter, completed, room_for

KEPT: Final = 2_000  # characters of a paragraph that are kept, for an underline or a late link definition


@dataclass(slots=True)
class TextLeaf:
    """The text that is open. `kept` is all of it while it is short."""

    base: Style
    segmenter: Segmenter
    flow: Flow
    kept: list[str] | None
    kept_length: int = 0
    offset: int = 0  # of the open segment's beginning, in source lines from the paragraph's
    fresh: bool = True
    complete: bool = True  # in a fork: it ends where the text ends, so open markup is closed for showing

    @classmethod
    def begin(cls, base: Style, width: int, *, fresh: bool = True) -> "TextLeaf":
        """An empty one."""
        return cls(base, Segmenter(), Flow(width), [], fresh=fresh)

    def fork(self) -> "TextLeaf":
        """A copy that goes its own way."""
        kept = self.kept.copy() if self.kept is not None else None
        segmenter, flow = self.segmenter.fork(), self.flow.fork()
        return TextLeaf(self.base, segmenter, flow, kept, self.kept_length, self.offset, self.fresh, complete=False)

    def add(self, text: str, inline: InlineRenderer) -> None:
        """Go on with `text`."""
        if self.kept is not None:
            self.kept.append(text)
            self.kept_length += len(text)
            if self.kept_length > KEPT:
                self.kept = None
        for segment in self.segmenter.add(text):
            self._read(segment, inline)

    def finish(self, inline: InlineRenderer) -> None:
        """The text has ended."""
        if rest := self.segmenter.rest().rstrip(" \n"):
            self._read(rest, inline)
        self.flow.finish()

    def show_end(self, inline: InlineRenderer, place: Place) -> "End | None":
        """In a fork: read what is open as it will probably look. The end that plain text may go on with, if any."""
        rest = self.segmenter.rest()
        text = completed(rest)
        runs = self._read(text, inline) if text else ()
        words = rest.rstrip(" ")
        room = room_for(words, text)
        if not room or not runs or not runs[-1][0].endswith(words[-1]):
            return None
        return End(self.flow, place, runs[-1][1], rest[len(words) :], len(rest), room)

    def _read(self, segment: str, inline: InlineRenderer) -> Runs:
        self.flow.mark(self.offset, self.offset + segment.rstrip(" \n").count("\n") + 1)
        self.offset += segment.count("\n")
        runs = inline.runs(segment, self.base)
        for text, style in runs:
            self.flow.add(text, style)
        return runs


@dataclass(slots=True)
class End:
    """The end of an unfinished text that is shown: plain text may go on with it."""

    flow: Flow
    place: Place
    style: Style
    gap: str  # spaces at the end, not shown yet
    length: int  # of the open segment
    room: int  # what the length may become

    def go_on(self, text: str, lines: Lines, at: int) -> int | None:
        """Show `text` after it, in the `lines` whose rows from `at` on are the open ones.

        Returns where the open rows begin now, or None (and nothing is changed) if more may change than the end.
        """
        length = self.length + len(text)
        if length > self.room or (length >= SHORTEST and (self.gap or " " in text)) or not PLAIN.fullmatch(text):
            return None  # perhaps a segment ends here
        self.length = length
        shown = text.rstrip(" ")
        if not shown:
            self.gap += text
            return at
        self.flow.add(self.gap + shown, self.style)
        self.gap = text[len(shown) :]
        lines.truncate(at)
        for row in self.flow.take():
            lines.append(*self.place.draw(row, len(lines) == self.place.start))
        at = len(lines)
        for row in self.flow.open_rows():
            lines.append(*self.place.draw(row, len(lines) == self.place.start))
        return at
