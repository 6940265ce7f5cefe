"""What a turn has in the log below its prompt: the parts of its reply, and the tools between them.

They are several items and one message: copied as one text, its code blocks numbered through, opened together. Where they stand in
the log is not known here.
"""

from collections.abc import Iterator

from tui_chat.ui.widgets.code_lines import CodeView
from tui_chat.ui.widgets.reply_item import Link, ReplyItem
from tui_chat.ui.widgets.tool_item import ToolItem


class LogTurn:
    """The parts and tools of one turn, in their order."""

    def __init__(self, turn_id: str, code_view: CodeView) -> None:
        self.turn_id = turn_id
        self._code_view = code_view
        self._items: list[ReplyItem | ToolItem] = []
        self._parts: list[ReplyItem] = []
        self._tools: dict[str, ToolItem] = {}

    def __iter__(self) -> Iterator[ReplyItem | ToolItem]:
        return iter(self._items)

    @property
    def newest(self) -> ReplyItem | None:
        """The last part of the reply."""
        return self._parts[-1] if self._parts else None

    @property
    def ends_with_tool(self) -> bool:
        """Whether a tool stands below the last part of the reply."""
        return bool(self._items) and isinstance(self._items[-1], ToolItem)

    def add_part(self, text: str = "") -> ReplyItem:
        """Begin another part of the reply; the one before is over."""
        part = ReplyItem(self.turn_id, text, self._code_view, self.newest)
        if self.newest is not None:
            self.newest.close()
        self._parts.append(part)
        self._items.append(part)
        return part

    def add_tool(self, key: str) -> ToolItem:
        """Put a tool below; the part above it is over."""
        tool = ToolItem(self.turn_id, key)
        last = self._items[-1] if self._items else None
        if isinstance(last, ToolItem):
            last.join()
        elif last is not None:
            last.close()
        self._tools[key] = tool
        self._items.append(tool)
        return tool

    def tool(self, key: str) -> ToolItem | None:
        """The tool of that key."""
        return self._tools.get(key)

    def toggle_details(self, *, shown: bool | None = None) -> bool:
        """Show all thinking and tools, or, if one is shown, hide them all. Returns whether there are any."""
        thoughts = [part for part in self._parts if part.has_thinking]
        if shown is None:
            shown = not (
                any(part.thinking_shown for part in thoughts) or any(tool.shown for tool in self._tools.values())
            )
        for part in thoughts:
            part.show_thinking(shown=shown)
        for tool in self._tools.values():
            tool.toggle(shown=shown)
        return bool(thoughts or self._tools)

    @property
    def source(self) -> str:
        """The texts of all parts, verbatim, and what they cite."""
        texts = [part.source for part in self._parts if part.source.strip()]
        cited = {source.number: source for part in self._parts for source in part.cited}
        if cited:
            texts.append("\n".join(cited[number].line for number in sorted(cited)))
        return texts[0] if len(texts) == 1 else "\n\n".join(text.strip("\n") for text in texts)

    @property
    def links(self) -> list[Link]:
        """The links of all parts, each target once."""
        found: dict[str, Link] = {}
        for part in self._parts:
            for link in part.links if part.width else ():
                found.setdefault(link.href, link)
        return list(found.values())

    def code(self, number: int) -> str | None:
        """A code block, from 1 through all parts; None if there is none of that number."""
        for part in self._parts if number > 0 else ():
            if number <= part.code_count:
                return part.code(number)
            number -= part.code_count
        return None
