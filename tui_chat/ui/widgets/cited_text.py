"""A reply's text with the marks of its sources: behind the words that cite them, without harm to the markdown around them.

Why it exists: a server cites where its text blocks end. That is within a sentence, but also behind a line end, a table's row or a
closing fence, where a mark would be a paragraph of its own, one cell more, or the end of no fence. So the space at the end of what has
come waits for what follows, and a mark goes in front of it. Behind a line that must stay as it is, marks wait until the table or the
code is over, and then stand on a line of their own. However a text is cut into deltas, the result is the same.
What it must not know: what the sources are, and how the text is shown.
"""

import re
from collections.abc import Iterable
from typing import Final

_FENCE: Final = re.compile(r"(?P<run>`{3,}|~{3,})(?P<rest>.*)")
_MARKERS: Final = re.compile(r"(?:(?:[-+*]|\d{1,9}[.)])[ \t]+)+")
_TABLE: Final = re.compile(r".*\|$")
_ALONE: Final = re.compile(
    r"#{1,6}(?:[ \t]|$)|\[[^\]]+\]:|(?:=+|-{2,}|(?:[-*_][ \t]*){3,})$"
)  # nothing is added to these
_LINE_END: Final = re.compile(r"(?:[^\S\n]*\n)+")
_WORDS: Final = re.compile(r"\S")
_CONTAINERS: Final = " \t>"  # what a list's or a quote's lines begin with
_BEGINS: Final = "#>`~"  # something else than a table's next row
_JOINS: Final = tuple("([:")  # behind `[1]` they would make a link of it
_ENDS: Final = 400  # characters of a long line's two ends that are looked at


class CitedText:
    """What is written, with marks. Each method returns what is to be shown now."""

    def __init__(self) -> None:
        self._pieces: list[str] = []  # shown
        self._known = 0  # pieces of which line and fence are known
        self._line = ""  # the last line of those
        self._fence = ""  # the line that opened the code which that line follows
        self._space = ""  # waits for what follows
        self._waiting: set[int] = set()  # marks that wait for a line of their own
        self._last: set[int] = set()  # marks behind which nothing has come

    @property
    def shown(self) -> str:
        """What was returned so far."""
        return "".join(self._pieces)

    @property
    def text(self) -> str:
        """All of it, with the space that waits."""
        return self.shown + self._space

    def write(self, delta: str) -> str:
        """The text goes on."""
        words = delta.strip()
        if not words:
            self._space += delta
            return ""
        before, _, after = delta.partition(words)
        space, self._space = self._space + before, after
        if self._last and not space and words.startswith(_JOINS):
            space = " "
        self._last.clear()
        if self._waiting:
            return "".join(self._show(piece) for piece in self._with_marks(space + words))
        return self._show(space + words)

    def cite(self, numbers: Iterable[int]) -> str:
        """What has been written last cites the sources of these numbers."""
        self._look()
        new = {*numbers} - self._last
        if not self._line or not new:
            return ""
        if self._waiting or self._is_fixed():
            self._waiting |= new
            return ""
        before = "" if self._last else " "
        self._last |= new
        return self._show(before + _marks(new))

    def finish(self) -> str:
        """The text is complete. Marks within code that was never closed are left out."""
        self._look()
        end = "" if not self._waiting or _after(self._line, self._fence) else self._marks_below()
        end, self._space = end + self._space, ""
        return self._show(end)

    def _show(self, text: str) -> str:
        if text:
            self._pieces.append(text)
        return text

    # Marks that wait -----------------------------------------------------------------------------------------------

    def _with_marks(self, text: str) -> Iterable[str]:
        """`text` in pieces, with the marks that wait as soon as what they stand below is over."""
        at = 0
        for match in _LINE_END.finditer(text):
            yield text[at : match.start()]
            space, at = match.group(), match.end()
            follows = next(_WORDS.finditer(text, at)).group()
            self._look()
            if not self._waiting or self._goes_on(space, follows):
                yield space
                continue
            container = self._container.rstrip()
            yield self._marks_below() + (space if space.count("\n") > 1 else f"\n{container}{space}")
        yield text[at:]

    def _goes_on(self, space: str, follows: str) -> bool:
        """Whether the code or the table of the last line is not over, if `follows` comes behind `space`."""
        next_line = space.count("\n") == 1
        in_quote = next_line and follows == ">"
        if fence := _after(self._line, self._fence):
            return in_quote or not _quoted(fence)
        if _TABLE.match(self._line) is None:
            return False
        return in_quote if _quoted(self._line) else next_line and follows not in _BEGINS

    def _marks_below(self) -> str:
        """The marks that wait, on a line of their own in the list or quote of the last line."""
        waiting, self._waiting = self._waiting, set()
        return f"\n{self._container.rstrip()}\n{self._container}{_marks(waiting)}"

    @property
    def _container(self) -> str:
        return self._line[: len(self._line) - len(self._line.lstrip(_CONTAINERS))]

    def _is_fixed(self) -> bool:
        """Whether nothing may be added to the last line."""
        line = self._line.lstrip(_CONTAINERS)
        return bool(self._fence or _after(self._line, "") or _TABLE.match(line) or _ALONE.match(line))

    def _look(self) -> None:
        """Learn of what was shown since: only who cites has to know."""
        *whole, line = f"{self._line}{''.join(self._pieces[self._known :])}".split("\n")
        self._known = len(self._pieces)
        for each in whole:
            self._fence = _after(each, self._fence)
        self._line = line if len(line) <= 2 * _ENDS else line[:_ENDS] + line[-_ENDS:]


def _marks(numbers: Iterable[int]) -> str:
    return "".join(f"[{number}]" for number in sorted(numbers))


def _after(line: str, fence: str) -> str:
    """The line that opened the code which the line after `line` is in, '' if it is in none; `fence`: the same for `line`."""
    text = line.lstrip(_CONTAINERS)
    if fence and not (_quoted(fence) and not _quoted(line)):
        opened, closes = _fence(fence), _FENCE.match(text)
        return "" if opened and closes and closes["run"].startswith(opened) and not closes["rest"].strip() else fence
    return line if _fence(line) else ""


def _fence(line: str) -> str:
    """The marker of the fence that `line` opens; '' if it opens none."""
    match = _FENCE.match(_MARKERS.sub("", line.lstrip(_CONTAINERS), count=1))
    return match["run"] if match and not (match["run"][0] == "`" and "`" in match["rest"]) else ""


def _quoted(line: str) -> bool:
    return line.lstrip(" \t").startswith(">")
