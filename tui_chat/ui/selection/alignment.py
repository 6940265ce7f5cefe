r"""Which character on the screen stands for which characters of the markdown source.

Why it exists: what is shown is nearly a part of the source: markup is left out, entities and escapes are replaced, lines are
wrapped. So the two are walked side by side once, word by word where they agree and character by character where they do not.
The walk never goes back and never looks further ahead than a bounded window, so it is linear, and where it cannot tell it leaves
a character without a place rather than guess far away. What it must not know: rows, cells, selections.
"""

import html
import re
import unicodedata
from dataclasses import dataclass
from typing import Final, NamedTuple

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.markdown.layout import JOINERS

AHEAD: Final = 200  # characters of source that are searched for a word that is not where it should be

_LINE: Final = re.compile(r"\S(?:[^\n]*\S)?")
_WORD: Final = re.compile(r"\S+")
_SPECIAL: Final = re.compile(r"[&\\]")  # may stand for something else in the source
_NOTHING_SPECIAL: Final = re.compile(r"(?!)")
# Spaces, and at the beginning of further lines also the markers of quotes.
_GAP: Final = re.compile(r"[^\S\r\n]*(?:[\r\n]+(?:[^\S\r\n]|>)*)*")
_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,31});")
_HIDDEN: Final = frozenset("*_~`[]<>!#|\\")
_LABEL: Final = re.compile(r"\[[^\[\]]{0,999}\]")
DESTINATION: Final = re.compile(
    r"\([ \t\r\n]*(?:<[^<>\r\n]{0,2000}>|[^\s()]*(?:\([^\s()]*\)[^\s()]*)*)"
    r"(?:\s+(?:\"[^\"]{0,1000}\"|'[^']{0,1000}'|\([^()]{0,1000}\)))?[ \t\r\n]*\)"
)
_BAR: Final = "│"
_MARKER: Final = re.compile(r"(?:[-+*]|\d{1,9}[.)])(?=\s|$)|\[[ xX]\](?=\s)")
_NUMBER: Final = re.compile(r"\d{1,9}[.)]")


class Run(NamedTuple):
    """Shown characters from `first` to `last` stand for the source from `start` to `end`: each for one, or all for all."""

    first: int
    last: int
    start: int
    end: int

    def cut(self, first: int, last: int) -> tuple[int, int] | None:
        """The source of its characters between `first` and `last`."""
        first, last = max(first, self.first), min(last, self.last)
        if first >= last:
            return None
        if self.end - self.start != self.last - self.first:
            return self.start, self.end
        return self.start + first - self.first, self.start + last - self.first

    def moved(self, by: int) -> "Run":
        """The same, if the shown characters stood elsewhere."""
        return Run(self.first + by, self.last + by, self.start, self.end)


def align(shown: str, source: str, start: int, stop: int, *, code: bool = False) -> list[Run]:
    """Find the words of `shown`, in their order, in `source` from `start` to `stop`. In `code` nothing is markup.

    Runs never go over a newline of `shown`; they may hold spaces, but never begin or end with one.
    """
    runs: list[Run] = []
    walk = _Walk(shown, source, stop, code, runs)
    special = _NOTHING_SPECIAL if code else _SPECIAL
    at = start
    for line in _LINE.finditer(shown):
        first, last = line.span()
        at = _past_gap(source, at, stop)
        text = line[0]
        if source.startswith(text, at, stop) and special.search(text) is None:
            runs.append(Run(first, last, at, at + len(text)))
            at += len(text)
            continue
        for match in _WORD.finditer(shown, first, last):
            word, first = match[0], match.start()
            at = _past_gap(source, at, stop)
            if source.startswith(word, at, stop) and special.search(word) is None:
                runs.append(Run(first, first + len(word), at, at + len(word)))
                at += len(word)
            else:
                at = walk.word(first, match.end(), at)
    return runs


def _past_gap(source: str, at: int, stop: int) -> int:
    if source[at : at + 1] == " " and not source[at + 1 : at + 2].isspace():
        return at + 1
    gap = _GAP.match(source, at, stop)
    return at if gap is None else gap.end()


def after_markers(source: str, start: int, stop: int, border: str) -> int:
    """Where the text of a source line begins, if what `border` shows stands before it."""
    tokens = border.replace("[ ]", "[x]").split()
    markers = sum(token != _BAR for token in tokens)
    if any(token.startswith("[") for token in tokens) and not any(_NUMBER.fullmatch(token) for token in tokens):
        markers += 1  # a task's brackets stand in place of its bullet
    at = start
    while at < stop:
        if source[at] in " \t" or (tokens and source[at] == ">"):
            at += 1
        elif markers and (match := _MARKER.match(source, at, stop)):
            at = match.end()
            markers -= 1
        else:
            break
    return at


@dataclass(frozen=True, slots=True)
class _Walk:
    """Character by character, where a word is not simply what comes next."""

    shown: str
    source: str
    stop: int
    code: bool
    runs: list[Run]

    def word(self, first: int, last: int, at: int) -> int:
        """Align the shown characters from `first` to `last` with the source from `at`; returns where the next may begin."""
        shown, source, stop = self.shown, self.source, self.stop
        before = at, len(self.runs)
        while first < last and at < stop:
            here = source[at]
            if not self.code and here in "&\\" and (step := self._replaced(first, at)):
                count, end = step
                self.runs.append(Run(first, first + count, at, end))
                first, at = first + count, end
            elif here == shown[first]:
                count = 1
                while (
                    first + count < last
                    and at + count < stop
                    and shown[first + count] == source[at + count] not in "&\\"
                ):
                    count += 1
                self.runs.append(Run(first, first + count, at, at + count))
                first, at = first + count, at + count
            elif here.isspace():
                at = max(at + 1, _past_gap(source, at, stop))
            elif here in JOINERS or unicodedata.combining(here):
                while at < stop and (source[at] in JOINERS or unicodedata.combining(source[at])):
                    at += 1
            elif (text := sanitise(here)) != here:
                if shown.startswith(text, first):
                    self.runs.append(Run(first, first + len(text), at, at + 1))
                    first += len(text)
                at += 1
            elif here == "]" and not self.code:
                at = self._link_end(first, at)
            elif here in _HIDDEN and not self.code:
                at += 1
            else:
                # Text that is not shown, or a sign of the screen's own: look for the word a little further on.
                place = source.find(shown[first:last], at, min(stop, at + AHEAD))
                if place < 0:
                    at = before[0]
                    del self.runs[before[1] :]  # it began like what is there, no more
                    break
                at = place
        return at

    def _replaced(self, first: int, at: int) -> tuple[int, int] | None:
        """An entity or escape: how many characters are shown for it, and where it ends. None if it is shown as written."""
        shown, source, stop = self.shown, self.source, self.stop
        if source[at] == "\\":
            escaped = shown[first] in source[at + 1 : min(at + 2, stop)] and shown[first : first + 2] != "\\\\"
            return (1, at + 2) if escaped else None
        entity = _ENTITY.match(source, at, stop)
        if entity is None or shown[first : first + len(entity[0]) + 1].replace("\n", "").startswith(entity[0]):
            return None
        text = sanitise_line(html.unescape(entity[0])).strip()
        return (len(text), entity.end()) if shown.startswith(text, first) else None

    def _link_end(self, first: int, at: int) -> int:
        """Past a bracket that closes a link's text, and past its address unless that is shown too."""
        shown, source, stop = self.shown, self.source, self.stop
        following = source[at + 1 : min(at + 2, stop)]
        match = None
        if following == "[":
            match = _LABEL.match(source, at + 1, stop)
        elif following == "(":
            address = source[at + 2 : min(at + 6, stop)].lstrip("<").split(")")[0]
            if shown[first] == "(" and address and shown.startswith(address, first + 1):
                return at + 1
            match = DESTINATION.match(source, at + 1, stop)
        return match.end() if match is not None else at + 1
