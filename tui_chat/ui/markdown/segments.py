"""Cuts a paragraph's text where its inline markup can be read in parts.

Parsing inline markup again for each token costs as much as the paragraph is long. So the text is cut at the first
word boundary after `SHORTEST` characters where no code span, emphasis, link or formula can be open: there, reading
the parts one by one gives what reading the whole would give. Where something stays open (a lone asterisk, a bracket
that is never closed) the cut is forced after `LONGEST` characters, so that the open part stays bounded.

Every cut depends on the text before it and on the next character only, never on how the text arrived.

`completed` is for showing only: it closes what is still open at the end of an unfinished text, so that half a link or
a bold word looks from its first character as it will look in the end.
What it must not know: styles, widths, blocks.
"""

import re
from typing import Final, Self

SHORTEST: Final = 80
LONGEST: Final = 1_000
_DENSE: Final = 400  # a stretch this long without a space is cut already if it is full of markup
_MANY: Final = 40  # marks that make it so
_WEIGHT: Final = 8  # an open mark costs as much as this many characters

# A boundary stands after spaces, when the next word has begun, or after CJK punctuation.
_BOUNDARY: Final = re.compile(
    r"[ \n]+(?=[^ \n])|[\u3001\u3002\uff01\uff0c\uff1a\uff1b\uff1f](?=[\u3400-\u9fff\u3040-\u30ff\uac00-\ud7af])"
)
_MARKUP: Final = re.compile(r"\\[!-/:-@\[-`{-~]|`+|\*+|_+|~+|\[|\]\(?|\)|\$+")
_JOINED: Final = re.compile("[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u200d\u20d0-\u20ff\ufe00-\ufe2f]")
_SPARE: Final = 32  # a forced cut inside a word looks this far for a place between two characters that do not join


class Segmenter:
    """Takes text in any pieces and gives back segments that can be read one by one."""

    __slots__ = ("_brackets", "_code", "_formula", "_marks", "_parentheses", "_runs", "_scanned", "_text")

    def __init__(self) -> None:
        self._text = ""
        self._scanned = 0
        self._reset()

    def _reset(self) -> None:
        self._code = ""  # the backticks that opened a code span
        self._formula = ""  # the dollars that opened a formula
        self._brackets = 0
        self._parentheses = 0
        self._marks = 0
        self._runs = {"*": 0, "_": 0, "~": 0}  # delimiters that may still be closed

    def fork(self) -> Self:
        """A copy that goes its own way."""
        other = type(self)()
        other._text = self._text
        other._scanned = self._scanned
        other._code = self._code
        other._formula = self._formula
        other._brackets = self._brackets
        other._marks = self._marks
        other._parentheses = self._parentheses
        other._runs = self._runs.copy()
        return other

    def add(self, text: str) -> list[str]:
        """The segments that `text` completes."""
        text = self._text + text
        words_end = len(text.rstrip(" \n"))  # no boundary stands after this: the next word has not begun
        segments: list[str] = []
        start = 0
        while True:
            match = _BOUNDARY.search(text, self._scanned, words_end)
            end = match.end() if match else len(text)
            if (bound := self._bound(text, start, end)) is not None:
                end = bound
            elif match is None:
                break
            else:
                self._scan(text, self._scanned, end)
                self._scanned = end
                length = end - start
                if length < SHORTEST or (length + _WEIGHT * self._marks < LONGEST and not self._balanced):
                    continue
            segments.append(text[start:end])
            start = self._scanned = end
            self._reset()
        self._text = text[start:]
        self._scanned -= start
        return segments

    def rest(self) -> str:
        """The open segment: everything that no cut has taken yet."""
        return self._text

    def _bound(self, text: str, start: int, end: int) -> int | None:
        """Where to cut before `end`, if there is no boundary for too long: at the last one, else inside the word.

        What follows the cut is known well enough to keep joined characters together.
        """
        for length in (_DENSE, LONGEST):
            if end - start <= length + _SPARE:
                return None
            dense = len(_MARKUP.findall(text, self._scanned, start + length)) > _MANY
            if dense or length == LONGEST:
                if self._scanned >= start + SHORTEST:
                    return self._scanned
                bound = start + length
                while bound < start + length + _SPARE and (_JOINED.match(text, bound) or text[bound - 1] == "\u200d"):
                    bound += 1
                return bound
        return None

    @property
    def _balanced(self) -> bool:
        return not (self._code or self._formula or self._brackets or self._parentheses or any(self._runs.values()))

    def _scan(self, text: str, start: int, end: int) -> None:
        for match in _MARKUP.finditer(text, start, end):
            mark = match.group()
            first = mark[0]
            self._marks += 1
            if self._code:
                if mark == self._code:
                    self._code = ""
            elif first == "`":
                self._code = mark
            elif first == "$":
                self._dollar(text, match.start(), mark)
            elif first == "\\":
                continue
            elif first == "[":
                self._brackets += 1
            elif first == "]":
                if self._brackets:
                    self._brackets -= 1
                    if len(mark) > 1:
                        self._parentheses += 1
            elif first == ")":
                self._parentheses = max(0, self._parentheses - 1)
            else:
                self._run(text, match.start(), match.end(), first)

    def _dollar(self, text: str, start: int, mark: str) -> None:
        if self._formula:
            if mark == self._formula and (len(mark) > 1 or not text[start - 1].isspace()):
                self._formula = ""
            return
        after = text[start + len(mark)]  # a boundary always has a next character
        if len(mark) == 2 or (len(mark) == 1 and not after.isspace() and not after.isdigit()):
            self._formula = mark

    def _run(self, text: str, start: int, end: int, character: str) -> None:
        count = end - start
        if character == "~" and count < 2:
            return
        before = text[start - 1] if start else " "
        after = text[end]
        opens, closes = _flanks(before, after)
        if character == "_" and opens and closes:
            opens, closes = not before.isalnum(), not after.isalnum()
        if closes and self._runs[character]:
            used = min(count, self._runs[character])
            self._runs[character] -= used
            count -= used
        if opens:
            self._runs[character] += count


def _flanks(before: str, after: str) -> tuple[bool, bool]:
    """Whether a delimiter run between these characters is left-flanking and right-flanking."""
    space_before, space_after = before.isspace(), after.isspace()
    sign_before = not space_before and not before.isalnum()
    sign_after = not space_after and not after.isalnum()
    left = not space_after and (not sign_after or space_before or sign_before)
    right = not space_before and (not sign_before or space_after or sign_after)
    return left, right


# Text that is shown as it is wherever it stands in or between words, and never changes how the text before it is read.
PLAIN: Final = re.compile(
    r"[A-Za-z0-9 ,.;'\"?!:()=+%{}#\-\u00c0-\u02af\u0370-\u0482\u048a-\u052f\u2013\u2014\u2018\u2019\u201c\u201d]+"
)
_NO_END: Final = frozenset(" ()")  # plain, but what comes before them may not be
_NO_WORD: Final = re.compile(r"[/@&<\]\u200d\ufe0f][^ \n]*$")  # it may become an address or another character
_TRAILING: Final = re.compile(
    r"(?:(?<!\\)[*_~`]+|!?\[|<h?t?t?p?s?:?|&(?:#[xX]?[0-9A-Fa-f]{0,7}|[A-Za-z][A-Za-z0-9]{0,15})?)$"
)
_ADDRESS: Final = re.compile(r"<https?:[^\s<>]*$")
ADDRESS_TO_COME: Final = "(https://)"
_FAR: Final = 300  # an opener this far back is probably none


def completed(text: str) -> str:
    """`text`, the unfinished end of a paragraph, with its open markup closed and half a marker at its end left out."""
    text = _TRAILING.sub("", text.rstrip(" \n"))
    open_marks: list[tuple[str, int]] = []
    code: tuple[str, int] | None = None
    for match in _MARKUP.finditer(text):
        mark = match.group()
        first = mark[0]
        start = match.start()
        before = text[start - 1] if start else " "
        if code is not None:
            if mark == code[0]:
                code = None
        elif first == "`":
            code = (mark, start)
        elif first == "[":
            if not before.isalnum() and text[match.end() : match.end() + 1] != "^":
                open_marks.append(("[", start))
        elif first == "]":
            place = _last(open_marks, "[")
            if place is not None:
                del open_marks[place:]
                if len(mark) > 1:
                    open_marks.append(("(", start))
                elif match.end() == len(text):
                    return text + ADDRESS_TO_COME
        elif first == ")":
            place = _last(open_marks, "(")
            if place is not None:
                del open_marks[place:]
        elif first in "*_~":
            _toggle(open_marks, mark, start, *_flanks(before, text[match.end()] if match.end() < len(text) else " "))
    if code is not None:
        return text + code[0] if len(text) - code[1] < _FAR else text
    if _ADDRESS.search(text):
        text += ">"
    for mark, start in reversed(open_marks):
        if len(text) - start > _FAR:
            break
        if mark == "(":
            text = text[: start + 1] + ADDRESS_TO_COME
        else:
            text = text.rstrip(" \n") + (f"]{ADDRESS_TO_COME}" if mark == "[" else mark)
    return text


def room_for(words: str, shown: str) -> int:
    """How long `words` may become by plain text for which `completed` only adds to `shown`; 0 if that is not sure.

    `words` is the open segment without the spaces at its end, `shown` what `completed` made of it.
    """
    if not shown.startswith(words) or words[-1:] in _NO_END or not PLAIN.match(words[-1:]) or _NO_WORD.search(words):
        return 0
    if len(shown) == len(words):
        return _DENSE
    opener = _MARKUP.search(words)
    return min(_DENSE, (opener.start() if opener else 0) + _FAR - _SPARE)


def _last(open_marks: list[tuple[str, int]], mark: str) -> int | None:
    for index in range(len(open_marks) - 1, -1, -1):
        if open_marks[index][0] == mark:
            return index
    return None


def _toggle(open_marks: list[tuple[str, int]], mark: str, start: int, opens: bool, closes: bool) -> None:
    """A run of delimiters closes what it can and opens with the rest."""
    character = mark[0]
    count = len(mark)
    if character == "_" and opens and closes:
        return
    while closes and count and open_marks and open_marks[-1][0][0] == character:
        other, at = open_marks.pop()
        used = min(count, len(other))
        count -= used
        if len(other) > used:
            open_marks.append((other[used:], at))
    if opens and count and (character != "~" or count == 2) and count <= 3:
        open_marks.append((character * count, start))
