"""An open paragraph, as far as structure goes: which of its lines are text is sometimes known only one line later.

Why it exists: a paragraph's first lines may be link reference definitions, and its last line a table's header. Such
lines are held back here and reach the sink when the next line (or the end) has decided.
What it must not know: containers, and what else a line may be.
"""

from dataclasses import dataclass

from markdown_it import MarkdownIt

from tui_chat.ui.markdown import scan
from tui_chat.ui.markdown.scan import UNFINISHED, Definition
from tui_chat.ui.markdown.sink import Sink


@dataclass(slots=True)
class Paragraph:
    """`blank` says that a blank line came before it; `begun` that some of it went to the sink."""

    blank: bool
    begun: bool = False
    _number: int = 0  # of its last line in the source
    _defining: bool = True  # nothing but link reference definitions so far
    _definition: str | None = None  # lines that may be one
    _held: str | None = None  # the last line, if it may be a table's header

    def fork(self) -> "Paragraph":
        """A copy that goes its own way."""
        return Paragraph(self.blank, self.begun, self._number, self._defining, self._definition, self._held)

    @property
    def settled(self) -> bool:
        """Whether all of its text has reached the sink."""
        return self.begun and self._held is None and self._definition is None

    def add(self, text: str, number: int, sink: Sink, markdown: MarkdownIt, *, lazy: bool = False) -> None:
        """A line of it, the `number`th of the source; a lazy one cannot be a table's header."""
        if self._defining:
            self._number = number
            self._definition = text if self._definition is None else f"{self._definition}\n{text}"
            self._define(sink, markdown, final=False)
        else:
            self._line(text, number, sink, lazy=lazy)

    def settle(self, sink: Sink, markdown: MarkdownIt) -> None:
        """No line follows that could make anything else of what was held back."""
        self._define(sink, markdown, final=True)
        self._release(sink)

    def header(self, columns: int, sink: Sink) -> list[str] | None:
        """The last line as the header of a table of so many columns, taken out of the paragraph, or None.

        Tells the sink where the table begins, after closing what comes before it.
        """
        if self._held is None or len(cells := scan.cells(self._held)) != columns:
            return None
        self._held = None
        if self.begun:
            sink.close_leaf()
            self.blank = False
        sink.source_line = self._number
        return cells

    def early_header(self, sink: Sink) -> list[str] | None:
        """For showing: the only line as a table's header, if it looks like one already."""
        if self.begun or self._held is None or self._held[0] != "|":
            return None
        return self.header(len(scan.cells(self._held)), sink) or None

    def _line(self, text: str, number: int, sink: Sink, *, lazy: bool = False) -> None:
        self._release(sink)
        self._number = number
        if "|" in text and not lazy:
            self._held = text
        else:
            self._show(text, sink)

    def _show(self, text: str, sink: Sink) -> None:
        if self.begun:
            text = "\n" + text
        else:
            self.begun = True
            now, sink.source_line = sink.source_line, self._number  # it was held back; the line that is read is another
            sink.open_paragraph(blank=self.blank)
            sink.source_line = now
        sink.add(text)

    def _release(self, sink: Sink) -> None:
        if self._held is not None:
            held, self._held = self._held, None
            self._show(held, sink)

    def _define(self, sink: Sink, markdown: MarkdownIt, *, final: bool) -> None:
        """Take link reference definitions off its start; with `final` no line follows."""
        text = self._definition or ""
        while text.startswith("["):
            found = scan.definition(text, markdown, final=final)
            if found is UNFINISHED:
                self._definition = text
                return
            if not isinstance(found, Definition):
                break
            sink.define(found.label, found.href)
            text = text[found.end :]
        self._definition = None
        if text:
            self._defining = False
            lines = text.split("\n")
            for number, line in enumerate(lines, self._number + 1 - len(lines)):
                self._line(line, number, sink)
