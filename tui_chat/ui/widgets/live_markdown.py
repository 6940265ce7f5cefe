"""One growing reply in a widget of its own: for columns, panes, and anything that is not the log.

The same `LiveDocument` as in the log's replies, so there is one renderer; nothing here parses or wraps.
"""

from textual.geometry import Region, Size
from textual.strip import Strip

from tui_chat.ui.markdown import LiveDocument
from tui_chat.ui.widgets.frames import FrameGate
from tui_chat.ui.widgets.markdown_view import MarkdownView


class LiveMarkdown(MarkdownView):
    """Feed it with `write`, end it with `finish`; it follows its end unless it was scrolled up."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._pieces: list[str] = []
        self._document: LiveDocument | None = None
        self._finished = False
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
        if self._document is None:
            return
        self._document.write(delta)
        self._frames.request()

    def finish(self) -> None:
        """The text is complete."""
        self._finished = True
        if self._document is not None:
            self._document.finish()
            self._frames.flush()

    def on_resize(self) -> None:
        """Lay out for the new width."""
        self._lay_out()

    def notify_style_update(self) -> None:
        """Lay out with the new theme, which is known after the next refresh."""
        super().notify_style_update()
        if self._document is not None:
            self.call_after_refresh(self._lay_out)

    def _lay_out(self) -> None:
        width = self.scrollable_content_region.width
        if not width:
            return
        self._document = LiveDocument(width, self.looks().markdown)
        if self._pieces:
            self._document.write(self.source)
        if self._finished:
            self._document.finish()
        self._flush()

    def _flush(self) -> None:
        document = self._document
        if document is None:
            return
        first = document.update()
        at_end = self.scroll_offset.y >= self.max_scroll_y
        self.virtual_size = Size(self.scrollable_content_region.width, document.line_count)
        if at_end:
            self.scroll_to(y=self.max_scroll_y, animate=False, force=True)
        top = max(0, first - self.scroll_offset.y)
        if top < self.size.height:
            self.refresh(Region(0, top, self.size.width, self.size.height - top))

    def render_line(self, y: int) -> Strip:
        """One line of the view."""
        line = y + self.scroll_offset.y
        document = self._document
        if document is None or line >= document.line_count:
            return Strip.blank(self.size.width, self.rich_style)
        return (
            document.line(line).adjust_cell_length(self.size.width).apply_style(self.rich_style).apply_offsets(0, line)
        )
