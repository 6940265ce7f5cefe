r"""Which character on the screen stands for which characters of the markdown source.

Why it exists: what is shown is nearly a part of the source: markup is left out, entities and escapes are replaced, lines are
wrapped. So the two are walked side by side once, word by word where they agree and character by character where they do not.
The walk never goes back and never looks further ahead than a bounded window, so it is linear, and where it cannot tell it leaves
a character without a place rather than guess far away. What it must not know: rows, cells, selections.
"""

import html
import re
import unicodedata
from array import array
from typing import Final, NamedTuple

from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.markdown.layout import JOINERS

NOWHERE: Final = -1
AHEAD: Final = 200  # characters of source that are searched for a word that is not where it should be

_WORD: Final = re.compile(r"\S+")
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


class Alignment(NamedTuple):
    """For each character of the shown text, where what it stands for begins and ends in the source, or NOWHERE."""

    starts: "array[int]"
    ends: "array[int]"

    @classmethod
    def empty(cls, length: int) -> "Alignment":
        """No character has a place yet."""
        nowhere = array("l", [NOWHERE]) * length
        return cls(nowhere, array("l", nowhere))

    def put(self, first: int, count: int, start: int) -> None:
        """`count` shown characters from `first` on stand for themselves."""
        self.starts[first : first + count] = array("l", range(start, start + count))
        self.ends[first : first + count] = array("l", range(start + 1, start + count + 1))

    def join(self, first: int, count: int, start: int, end: int) -> None:
        """`count` shown characters from `first` on stand together for one stretch of source."""
        self.starts[first : first + count] = array("l", [start]) * count
        self.ends[first : first + count] = array("l", [end]) * count


def align(shown: str, source: str, start: int, stop: int) -> Alignment:
    """Find the words of `shown`, in their order, in `source` from `start` to `stop`."""
    found = Alignment.empty(len(shown))
    at = start
    for match in _WORD.finditer(shown):
        word, first = match.group(), match.start()
        if (gap := _GAP.match(source, at, stop)) is not None:
            at = gap.end()
        if source.startswith(word, at, stop) and "&" not in word and "\\" not in word:
            found.put(first, len(word), at)
            at += len(word)
        else:
            at = _word(shown, first, match.end(), source, at, stop, found)
    return found


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


def _word(shown: str, first: int, last: int, source: str, at: int, stop: int, found: Alignment) -> int:
    """Align one word whose characters are not simply the next ones; returns where the next word may begin."""
    while first < last and at < stop:
        character, here = shown[first], source[at]
        if here == "&" and (entity := _ENTITY.match(source, at, stop)) and not shown.startswith(entity[0], first):
            text = sanitise_line(html.unescape(entity[0]))
            if not text.strip():
                at = entity.end()
                continue
            if shown.startswith(text, first):
                found.join(first, len(text), at, entity.end())
                first, at = first + len(text), entity.end()
                continue
        if here == "\\" and character in source[at + 1 : min(at + 2, stop)] and shown[first : first + 2] != "\\\\":
            found.join(first, 1, at, at + 2)
            first, at = first + 1, at + 2
        elif here == character:
            found.put(first, 1, at)
            first, at = first + 1, at + 1
        elif here.isspace() and here in " \t\r\n":
            gap = _GAP.match(source, at, stop)
            at = gap.end() if gap is not None else at + 1
        elif (text := sanitise(here)) != here:
            if shown.startswith(text, first):
                found.join(first, len(text), at, at + 1)
                first += len(text)
            at += 1
        elif here == "]":
            at = _link_end(shown, first, source, at, stop)
        elif here in _HIDDEN or here in JOINERS or unicodedata.combining(here):
            at += 1
        else:
            # Text that is not shown, or a sign of the screen's own: look for the rest of the word a little further on.
            place = source.find(shown[first:last], at, min(stop, at + AHEAD))
            if place < 0:
                return at
            at = place
    return at


def _link_end(shown: str, first: int, source: str, at: int, stop: int) -> int:
    """Past a bracket that closes a link's text, and past its address unless that is shown too."""
    following = source[at + 1 : min(at + 2, stop)]
    if following == "[":
        match = _LABEL.match(source, at + 1, stop)
    elif following == "(":
        if shown[first] == "(":
            address = source[at + 2 : min(at + 6, stop)].lstrip("<").split(")")[0]
            if address and shown.startswith(address, first + 1):
                return at + 1
        match = DESTINATION.match(source, at + 1, stop)
    else:
        match = None
    return match.end() if match is not None else at + 1
