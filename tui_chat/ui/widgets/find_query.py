"""What is looked for in a conversation, and where a text holds it.

Case counts if the query has a capital, diacritics count if it has one; any space stands for any run of spaces. Texts are folded
character by character, so that a place in the folded text is a place in the text. Pure: no rows, no widgets.
"""

import re
import unicodedata
from typing import Final

from tui_chat.text import sanitise

JOIN: Final = "\0"  # in a text: here a row ends, perhaps within a word and perhaps between two
LONGEST: Final = 200  # characters of a query that count
_MARKS: Final = re.compile("[\u0300-\u036f]+")  # the diacritics of Latin, Greek and Cyrillic; no others are left out
_INVISIBLE: Final = frozenset("\u00ad\u200b\u200c\u200d\u2060\ufe0e\ufe0f")
_QUOTES: Final = str.maketrans("‘’‚“”„", "'''\"\"\"")
# Markup that shows other letters than it is written with, or hides some between two that are shown.
_HIDES: Final = re.compile(r"\]\(|\]\[|&[#\w]+;|%[0-9A-Fa-f]{2}|xn--")
_SPARE: Final = 6  # characters that one of the query may take in a text: marks, spaces


class _Folding(dict[int, str]):
    """What each character is for the search; filled as characters are met."""

    def __init__(self, *, case: bool, marks: bool) -> None:
        super().__init__()
        self._case, self._marks = case, marks

    def __missing__(self, code: int) -> str:
        folded = self[code] = self._fold(chr(code))
        return folded

    def _fold(self, character: str) -> str:
        if character in "\n\0":
            return character
        if character.isspace():
            return " "
        if character in _INVISIBLE:
            return ""
        taken_apart = unicodedata.normalize("NFKD", character.translate(_QUOTES))
        bare = _MARKS.sub("", taken_apart)
        text = taken_apart if self._marks and bare != taken_apart else unicodedata.normalize("NFC", bare)
        return text if self._case else text.casefold()


class _Letters(dict[int, str | None]):
    """A folding that leaves nothing but letters and digits."""

    def __init__(self, folding: _Folding) -> None:
        super().__init__()
        self._folding = folding

    def __missing__(self, code: int) -> str | None:
        letters = self[code] = "".join(filter(str.isalnum, self._folding[code])) or None
        return letters


_FOLDINGS: Final = {
    (case, marks): _Folding(case=case, marks=marks) for case in (False, True) for marks in (False, True)
}
_LETTERS: Final = {kind: _Letters(folding) for kind, folding in _FOLDINGS.items()}


class Query:
    """What is looked for. One without text is false and found nowhere."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text[:LONGEST].split())
        apart = unicodedata.normalize("NFD", self.text)
        kind = any(character.isupper() for character in self.text), _MARKS.search(apart) is not None
        self._folding, self._only_letters = _FOLDINGS[kind], _LETTERS[kind]
        folded = self.text.translate(self._folding).strip()
        self._letters = folded.translate(self._only_letters)
        self.reach = (
            _SPARE * len(folded) + 1
        )  # a match that ends at a place begins at most so many characters before it
        parts = [f"[ {JOIN}]+" if sign == " " else re.escape(sign) for sign in folded]
        # Two parts may have a row's end between them; beside a space it is in the space's own class.
        self._pattern = re.compile(f"{JOIN}?".join(parts)) if parts else re.compile(r"(?!)")

    def __bool__(self) -> bool:
        return self.reach > 1

    def count(self, text: str) -> int:
        """How often `text` holds it. No match goes over a newline."""
        return sum(1 for _ in self._pattern.finditer(text.translate(self._folding)))

    def spans(self, text: str, start: int = 0) -> list[tuple[int, int]]:
        """Where in `text` each match from `start` on begins and ends."""
        folded = text.translate(self._folding)
        begin = len(text[:start].translate(self._folding)) if start else 0
        found = [match.span() for match in self._pattern.finditer(folded, begin)]
        if not found or text.isascii():
            return found
        places: list[int] = []  # of each folded character: which character it came from
        for place, character in enumerate(text):
            places += [place] * len(self._folding[ord(character)])
        return [(places[first], places[stop - 1] + 1) for first, stop in found]

    def seems_in(self, markdown: str) -> bool:
        """Whether the source has these letters in this order; markup may hide or show others, and spaces do not count."""
        return not self._letters or self._letters in sanitise(markdown).translate(self._only_letters)

    def may_be_in(self, markdown: str) -> bool:
        """Whether it may be in what `markdown` shows. Much faster than rendering it, and never wrongly false."""
        return self.seems_in(markdown) or _HIDES.search(markdown) is not None
