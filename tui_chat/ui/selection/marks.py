r"""Which markup belongs to a piece cut out of a paragraph.

Why it exists: a piece that ends right after a bold word should keep its second pair of stars, and one that begins inside the
word must not get the first pair. So marks next to the piece are taken in only where the piece holds their partners.
What it must not know: how the piece was chosen.
"""

import re
from dataclasses import dataclass, field
from typing import Final, Self

from tui_chat.ui.selection.alignment import DESTINATION

REACH: Final = 2_000  # characters from an end of the piece that are read for marks

_MARK: Final = re.compile(r"\\.|`+|\*+|_+|~~|\[|\]", re.DOTALL)
_BREAK: Final = re.compile(r"\r?\n[ \t>]*\r?\n")
_LINK_END: Final = re.compile(r"\](?:\[[^\[\]]{0,999}\])?")
_BACKTICKS: Final = re.compile("`+")
_BEFORE: Final = re.compile(r"`+$")
_ADDRESS: Final = re.compile(r"[^\s<>]+>")
_OPEN_ADDRESS: Final = re.compile(r"<[^\s<>]*$")


def with_opening(source: str, low: int, start: int, end: int) -> int:
    """`start` moved before the marks between `low` and it that are closed in the piece."""
    stop = min(end, start + REACH)
    if (blank := _BREAK.search(source, start, stop)) is not None:
        stop = blank.start()
    before = source[low:start]
    if before.endswith("<") and (match := _ADDRESS.match(source, start, end)) and match.end() <= end:
        return start - 1
    for closer in _Marks(source[start:stop], before).read().closers:
        opener = "[" if closer == "]" else closer
        if not source[low:start].endswith(opener):
            break
        start -= len(opener)
        if opener == "[" and start > low and source[start - 1] == "!":
            start -= 1
    return start


def with_closing(source: str, start: int, end: int, high: int) -> int:
    """`end` moved behind the marks between it and `high` that are opened in the piece."""
    begin = max(start, end - REACH)
    for blank in _BREAK.finditer(source, begin, end):
        begin = blank.end()
    if source.startswith(">", end, high) and _OPEN_ADDRESS.search(source[begin:end]):
        return end + 1
    for opener in reversed(_Marks(source[begin:end], "").read().openers):
        if opener == "[":
            if (match := _LINK_END.match(source, end, high)) is None:
                break
            address = DESTINATION.match(source, match.end(), high) if len(match[0]) == 1 else None
            end = address.end() if address is not None else match.end()
        elif source.startswith(opener, end, high):
            end += len(opener)
        else:
            break
    return end


@dataclass(slots=True)
class _Marks:
    """The marks in `text` that close what was opened `before` it, and those it opens and does not close."""

    text: str
    before: str
    closers: list[str] = field(default_factory=list)
    openers: list[str] = field(default_factory=list)

    def read(self) -> Self:
        """Find them."""
        text, at = self.text, 0
        if (inside := _BEFORE.search(self.before)) is not None:
            # The text begins in a code span: up to its end nothing is markup.
            at = _run(text, inside[0], 0)
            if at < 0:
                return self
            self.closers.append(inside[0])
            at += len(inside[0])
        while (match := _MARK.search(text, at)) is not None:
            mark, at = match[0], match.end()
            if mark[0] == "`":
                end = _run(text, mark, at)
                if end < 0:
                    self.openers.append(mark)
                    break
                at = end + len(mark)
            elif mark == "[":
                self.openers.append(mark)
            elif mark == "]":
                self._close_bracket()
                if (address := DESTINATION.match(text, at)) is not None:
                    at = address.end()
            elif mark[0] != "\\":
                self._delimiter(match.start(), mark)
        return self

    def _close_bracket(self) -> None:
        if "[" not in self.openers:
            self.closers.append("]")
            return
        while self.openers.pop() != "[":
            pass

    def _delimiter(self, start: int, mark: str) -> None:
        """A run of stars, underscores or tildes closes what it can and opens with the rest."""
        text, openers = self.text, self.openers
        left = text[start - 1] if start else " "
        right = text[start + len(mark)] if start + len(mark) < len(text) else " "
        closes, opens = not left.isspace(), not right.isspace()
        if mark[0] == "_" and left.isalnum() and right.isalnum():
            return
        while mark and closes and openers and openers[-1][0] == mark[0]:
            opener = openers.pop()
            used = min(len(opener), len(mark))
            mark = mark[used:]
            if len(opener) > used:
                openers.append(opener[used:])
        if mark and closes and (not opens or mark in self.before):
            self.closers.append(mark)
        elif mark and opens:
            openers.append(mark)


def _run(text: str, run: str, start: int) -> int:
    """The next run of exactly as many backticks, or -1."""
    return next((match.start() for match in _BACKTICKS.finditer(text, start) if match[0] == run), -1)
