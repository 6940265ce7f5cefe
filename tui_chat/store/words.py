"""Text to words, the same for what is stored and for what is asked.

Why it exists: SQLite's own tokenizers find neither one Chinese character nor the `attr` in `getattr`, and they differ from
version to version. Here is what counts as a word, what two words have in common (case, diacritics and the width of a
letter do not matter), and which signs of its parts a word leaves in the index. It must not know SQL or blocks.

A word is a run of letters and digits. A character of a script without spaces, and an emoji, is a word of its own. An
underscore separates, as a point or a blank does: `snake_case` is two words, one behind the other.

The index is given the words of a text in order and, once each, signs of what people look for besides whole words:

- `START` + up to three letters: a word, or a part of a camelCase name, begins so;
- `INSIDE` + three letters: they stand somewhere in a word of code;
- the parts of a camelCase name, as words.

In a script without spaces each character is written together with the next one: two are much rarer than one, and the rarer
a term, the faster it is found. A single one is found by its `START`.

What is indexed is taken out again by making its terms once more. So a release that changes anything here must bring a
migration with `index.REBUILD`.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final, Literal, NamedTuple

LONGEST: Final = 64  # characters of a word in the index; a longer one (base64, say) is several
SIGN: Final = 3  # letters of a sign
START: Final = "¬"  # no word holds these two, and FTS5's ascii tokenizer takes them for letters
INSIDE: Final = "¦"
_PIECE: Final = 16_384  # characters searched in one go: meanwhile all other threads wait

# Thai to Khmer, Hangul, kana, bopomofo, Han, their compatibility forms and their planes.
_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff"
    "\u3105-\u318f\u31a0-\u31bf\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uff9f"
    "\U0001aff0-\U0001b16f\U00020000-\U0003ffff"
)
_SYMBOLS: Final = (  # currencies to emoji, without the frames that tools draw
    "\u20a0-\u20cf\u2100-\u23ff\u2460-\u24ff\u25a0-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff"
)
# Signs of vowels and the like: letters, but not for the re module.
_VOWELS: Final = (
    "\u0900-\u0903\u093a-\u094f\u0951-\u0957\u0962\u0963\u0981-\u0983\u09bc-\u09cd\u0a01-\u0a03\u0a3c-\u0a4d\u0a81-\u0a83"
    "\u0abc-\u0acd\u0b01-\u0b03\u0b3c-\u0b4d\u0b82\u0bbe-\u0bcd\u0c00-\u0c04\u0c3e-\u0c4d\u0c81-\u0c83\u0cbc-\u0ccd"
    "\u0d00-\u0d03\u0d3b-\u0d4d"
)
# Accents, points, joiners, the soft hyphen, colours of skin: they make no other word.
_DROPPED: Final = re.compile(
    "[\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670"
    "\u06d6-\u06dc\u06df-\u06e8\u06ea-\u06ed\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200d\u2060\u20d0-\u20ff\u3099\u309a"
    "\ufe00-\ufe0f\ufe20-\ufe2f\U0001f3fb-\U0001f3ff]"
)
_STROKES: Final = {"ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "æ": "ae", "œ": "oe"}
_A_SYMBOL: Final = re.compile(f"[{_SYMBOLS}]")
_LETTER: Final = rf"[^\W_{_UNSPACED}{_SYMBOLS}]"
_WORD: Final = re.compile(rf"(?P<word>(?:{_LETTER}++|[{_VOWELS}]++)++)|(?P<unspaced>[{_UNSPACED}])|[{_SYMBOLS}]")
_CUT: Final = re.compile(rf".{{1,{LONGEST}}}")
_PLAIN: Final = re.compile(r"[A-Za-z0-9]+")  # what _WORD finds in ASCII, three times as fast
_HUMP: Final = re.compile(r"[a-z0-9][A-Z]|[A-Z]{2}[a-z]")
_PARTS: Final = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+|[0-9]+")
# In prose: what stands in backticks, holds an underscore or a point, or is called.
_CODE: Final = re.compile(r"```.*?(?:```|\Z)|`[^`\n]+`|\b[^\W_]*+_\w*|\b\w++(?:\(|(?:\.\w+)+)", re.DOTALL)
_BLANK: Final = re.compile(r"\s")

_BEGINS: Final = re.compile(rf"(?<!{_LETTER})(?<![{_VOWELS}])")
_ENDS: Final = re.compile(rf"(?!{_LETTER}|[{_VOWELS}])")
_REST: Final = re.compile(rf"(?:{_LETTER}++|[{_VOWELS}]++)++")
_GAP: Final = re.compile(rf"(?:[^\w{_SYMBOLS}{_VOWELS}]|_)*+")


class Word(NamedTuple):
    """A word of a folded text. Only a `word` needs something else beside it; `unspaced` and `symbol` are one character."""

    folded: str
    kind: Literal["word", "unspaced", "symbol"]


class _Folding(dict[int, str]):
    """What `str.translate` asks for each character, found out when it first comes."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        folded = character
        if not _A_SYMBOL.match(character):
            folded = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", character).casefold())
            folded = unicodedata.normalize("NFC", _DROPPED.sub("", folded))
            folded = "".join(_STROKES.get(each, each) for each in folded)
        if len(folded) != 1:
            _RESIZED.add(character)
        self[code] = folded
        return folded


_FOLDING: Final = _Folding()
_RESIZED: Final[set[str]] = set()  # the characters folded so far that become none, or several


def fold(text: str) -> str:
    """What texts (in NFC) have in common that differ only in case, diacritics and width."""
    return text.lower() if text.isascii() else text.translate(_FOLDING)


def folded_lengths(text: str) -> list[int] | None:
    """The length of each folded character of a `text` that was folded before; None: 1 each."""
    if text.isascii() or _RESIZED.isdisjoint(text):
        return None
    return [len(_FOLDING[ord(each)]) for each in text]


def words(folded: str) -> Iterator[Word]:
    """The words of a folded text, in order."""
    for match in _WORD.finditer(folded):
        yield Word(match.group(), "unspaced" if match["unspaced"] else "word" if match["word"] else "symbol")


def begins(folded: str, at: int) -> bool:
    """Whether a word that is found at `at` of a folded text begins there."""
    return _BEGINS.match(folded, at) is not None


def ends(folded: str, at: int) -> bool:
    """Whether a word that reaches to `at` ends there."""
    return _ENDS.match(folded, at) is not None


def word_end(folded: str, at: int) -> int:
    """Where the word around `at` ends, or `at + 1` if there is none."""
    rest = _REST.match(folded, at)
    return at + 1 if rest is None else rest.end()


def behind_gap(folded: str, at: int) -> int:
    """Where the next word begins, at or behind `at`; the end of the text if there is none."""
    gap = _GAP.match(folded, at)
    return at if gap is None else gap.end()


def cut(word: str) -> list[str]:
    """The words that the index holds for `word`: itself, unless it is too long."""
    return [word] if len(word) <= LONGEST else _CUT.findall(word)


def parts(name: str) -> list[tuple[int, int]]:
    """Where the parts of a camelCase name are; none if it is none."""
    return [match.span() for match in _PARTS.finditer(name)] if _HUMP.search(name) else []


def code_spans(text: str) -> Iterator[tuple[int, int]]:
    """Where code stands in prose, but for camelCase names."""
    return (match.span() for match in _CODE.finditer(text))


def terms(prose: Iterable[str], code: Iterable[str]) -> str:
    """What the index is given for a message, separated by blanks. Every word of `code` counts as a word of code."""
    prose, code = list(prose), list(code)
    collected = _Terms()
    for piece in _pieces(prose + code):
        collected.write(piece)
    for piece in _pieces([text[start:end] for text in prose for start, end in code_spans(text)] + code):
        collected.write_code(piece)
    return str(collected)


def _pieces(texts: Iterable[str]) -> Iterator[str]:
    """`texts`, long ones in pieces that end at a blank."""
    for text in texts:
        start = 0
        while len(text) - start > _PIECE and (blank := _BLANK.search(text, start + _PIECE)):
            yield text[start : blank.start()]
            start = blank.end()
        yield text[start:]


class _Terms:
    """The terms of one message, while they are collected."""

    def __init__(self) -> None:
        self._written: list[str] = []
        self._signs: dict[str, None] = {}  # a set that keeps the order, so that the terms are the same on every run
        self._joins = False  # whether the last word is a character of a script without spaces

    def __str__(self) -> str:
        return " ".join([*self._written, *self._signs])

    def write(self, text: str) -> None:
        """Add the words of a text and their signs."""
        names = _PLAIN.findall(text)
        if text.isascii():
            found = " ".join(names).lower().split()
            self._joins = self._joins and not found
            longest = max(map(len, found), default=0)
            self._written += found if longest <= LONGEST else chain.from_iterable(map(cut, found))
        else:
            found = [self._written_word(match) for match in _WORD.finditer(fold(text))]
        for start in dict.fromkeys([word[:SIGN] for word in found]):
            self._signs[START + start] = None
        for name in dict.fromkeys(names):
            if not (name.islower() or name[1:].islower()):  # quicker than to look for parts
                self._write_parts(name)

    def _written_word(self, match: re.Match[str]) -> str:
        word = match.group()
        unspaced = match.lastgroup == "unspaced"
        if self._joins and unspaced:
            self._written[-1] += word
        self._written += cut(word)
        self._joins = unspaced
        return word

    def _write_parts(self, name: str) -> None:
        lowered = name.lower()
        for start, end in parts(name):
            self._signs[lowered[start:end]] = self._signs[START + lowered[start:end][:SIGN]] = None
            if not start:
                self._write_inside(lowered)

    def write_code(self, text: str) -> None:
        """Add the signs of what stands inside the words of a text."""
        for word in dict.fromkeys(match.group("word") or "" for match in _WORD.finditer(fold(text))):
            self._write_inside(word)

    def _write_inside(self, word: str) -> None:
        for at in range(len(word) - SIGN + 1):
            self._signs[INSIDE + word[at : at + SIGN]] = None
