"""One growing reply in a widget of its own: for columns, panes, and anything that is not the log.

The same `LiveDocument` as in the log's replies, so there is one renderer; nothing here parses or wraps.
"""

from textual import events
from textual.message import Message
from textual.strip import Strip

from tui_chat.ui.markdown import LiveDocument
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.markdown_view import MarkdownView
from tui_chat.ui.widgets.reply_item import advance


class LiveMarkdown(MarkdownView):
    """Feed it with `write`, end it with `finish`; it follows its end unless it was scrolled up."""

    class LinkClicked(Message):
        """A link was clicked."""

        def __init__(self, url: str) -> None:
            super().__init__()
            self.url = url

    class CodeChosen(Message):
        """The label of a code block was clicked: it is to be copied."""

        def __init__(self, code: str) -> None:
            super().__init__()
            self.code = code

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pieces: list[str] = []
        self._document: LiveDocument | None = None
        self._width = 0
        self._finished = False
        self._share: float | None = None  # how far down the reader was, until all is laid out again
        self._frames = FrameGate(self, self._flush)

    @property
    def source(self) -> str:
        """All that was written."""
        return "".join(self._pieces)

    @property
    def document(self) -> LiveDocument | None:
        """What it is drawn from; None before it has a size."""
        return self._document

    def write(self, delta: str) -> None:
        """Append `delta`; painted at the next frame."""
        self._pieces.append(delta)
        if self._document is not None:
            self._document.write(delta)
            self._frames.request()

    def finish(self) -> None:
        """The text is complete."""
        self._finished = True
        if self._document is not None:
            self._document.finish()
            self._frames.flush()

    def selected_text(self) -> str:
        """The source of what the mouse has selected."""
        if self._document is None or self.selection is None:
            return ""
        from tui_chat.ui.selection.markdown import selected_source  # here: the first paint selects nothing

        first, last = self.selection.first, self.selection.last
        return selected_source(self._document, (first.line, first.column), (last.line, last.column + 1))

    def on_click(self, event: events.Click) -> None:
        """A link, or the label of a code block."""
        if self.dragged or event.chain > 1 or self._document is None:
            return
        line = self.top + event.y
        if href := event.style.meta.get("href"):
            self.post_message(self.LinkClicked(str(href)))
        elif code := next((each.code for each in self._document.code_blocks if each.first_line == line), None):
            self.post_message(self.CodeChosen(code))

    def clear(self) -> None:
        """Begin again with nothing."""
        self._pieces.clear()
        self._finished, self._share = False, None
        self.deselect()
        self.top, self.following = 0, True
        if self._document is not None:
            self.lay_out_again()

    @property
    def total(self) -> int:
        """How many lines there are."""
        return self._document.line_count if self._document is not None else 0

    def line(self, index: int) -> Strip | None:
        """A line of the reply."""
        return self._document.line(index) if self._document is not None and index < self.total else None

    def on_resize(self) -> None:
        """Lay out for the new width."""
        if self.text_width != self._width:
            self.lay_out_again()
        else:
            self.changed(0)

    def lay_out_again(self) -> None:
        """The width or the looks have changed: the whole source once."""
        self._width = self.text_width
        if not self._width:
            return
        if self._looks is None:
            self._looks = self.looks()
        if not self.following:
            self._share = self.top / max(1, self.total)
        self._document = LiveDocument(self._width, self._looks.markdown)
        if self._pieces:
            self._document.write(self.source)
        if self._finished:
            self._document.finish()
        self._flush()
        self.changed(0)

    def _flush(self) -> None:
        document = self._document
        if document is None:
            return
        first = advance(document)
        if self._share is not None and not self.following:
            self.top = min(int(self._share * self.total), self.max_top)
        if document.behind:
            self._frames.request(at_once=True)
        else:
            self._share = None
        self.changed(first)
