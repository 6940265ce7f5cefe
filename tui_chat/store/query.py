"""What somebody types to search, and where a text fits it.

Why it exists: the index can tell only that a message has certain words and signs. That is a condition for a hit, cheap and
nearly always enough; whether the words stand side by side, or a few letters within one word of code, the text itself
tells, and where. So each `Unit` of a query has both: a condition for the index, and a way to look it up in a text. Text
that is no query asks for nothing; none is ever an error. It must not know SQL, nor messages.

- All words must be in a message, in any order. The last may be the beginning of a word, as long as no blank follows:
  somebody is typing it. So may one that ends with `*`. A single letter is always a whole word.
- What stands in quotes, or has no blank in between (`snake_case`, `os.path`), stands so in the text, whatever divides it.
- Outside quotes a word of three letters and more is also found inside a word of code, a shorter one as its part (`userId`).
- Case, diacritics and width do not matter; signs such as `+` or `-` do not either. AND, OR, NOT and NEAR are words.
"""

import re
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import groupby, islice, pairwise
from typing import Final

from tui_chat.store import words
from tui_chat.store.passages import Passage, as_shown
from tui_chat.store.words import INSIDE, SIGN, START, Word

LONGEST: Final = 400  # characters of a query; what is behind is not looked at
_MOST_UNITS: Final = 24
_MOST_SIGNS: Final = 24  # of one word, in a condition
_MOST_SPANS: Final = 200  # of one unit in one passage; a snippet shows a few
_MOST_LOOKED_AT: Final = 2_000  # places that may be within a word of code
_QUOTES: Final = '"“”„«»'
_CHUNKS: Final = re.compile(rf"[{_QUOTES}](?P<quoted>[^{_QUOTES}]*)(?P<closed>[{_QUOTES}]?)|[^\s{_QUOTES}]+")
_NOTHING: Final = f'"{START}"'  # a term that the index never holds
Span = tuple[int, int]


class Text:
    """A passage while it is looked through: folded once for all units."""

    def __init__(self, passage: Passage) -> None:
        self.shown = passage.text
        self.folded = words.fold(passage.text)
        self._is_code = passage.kind == "tool"

    def span(self, start: int, end: int) -> Span:
        """A span of the folded text as one of the text that is shown."""
        if self._lengths is None:
            return start, end
        last = self._places[end - 1] + 1
        while last < len(self._lengths) and not self._lengths[last]:  # the accents of the last letter
            last += 1
        return self._places[start], last

    def is_code(self, span: Span) -> bool:
        """Whether a span of the text that is shown belongs to a word of code."""
        if self._is_code:
            return True
        before = bisect_right(self._code, (span[0], len(self.shown))) - 1
        return (before >= 0 and span[1] <= self._code[before][1]) or bool(words.parts(self._name(span)[0]))

    def is_part(self, span: Span, *, open_end: bool) -> bool:
        """Whether a span of the text that is shown is a part of a camelCase name, or with `open_end` the start of one."""
        name, start = self._name(span)
        return any(
            start + first == span[0] and (open_end or start + last == span[1]) for first, last in words.parts(name)
        )

    def _name(self, span: Span) -> tuple[str, int]:
        """The word around a span, and where it begins."""
        start, end = span
        while start and self.shown[start - 1].isalnum() and span[0] - start < words.LONGEST:
            start -= 1
        while end < len(self.shown) and self.shown[end].isalnum() and end - span[1] < words.LONGEST:
            end += 1
        return self.shown[start:end], start

    @cached_property
    def _lengths(self) -> list[int] | None:
        return words.folded_lengths(self.shown)

    @cached_property
    def _places(self) -> list[int]:
        return [place for place, length in enumerate(self._lengths or ()) for _ in range(length)]

    @cached_property
    def _code(self) -> list[Span]:
        return list(words.code_spans(self.shown))


@dataclass(frozen=True, slots=True)
class Unit:
    """Words that stand side by side. `open_end`: the last one may go on. `quoted`: none is only a part of a word."""

    words: tuple[Word, ...]
    open_end: bool
    quoted: bool

    def condition(self, beginning_with: Callable[[str], list[str]]) -> str:
        """What FTS5 can tell of it: every text that fits meets this. '' is nothing at all.

        `beginning_with` gives the terms of the index that begin with a string.
        """
        known = [Word(term, word.kind) for word in self.words for term in words.cut(word.folded)]
        last = known.pop().folded if self.open_end else ""
        conditions = [_run([word.folded for word in run], unspaced) for unspaced, run in groupby(known, _is_unspaced)]
        if len(last) > SIGN and known and not _is_unspaced(known[-1]):
            conditions[-1] += f' + "{last}" *'  # a phrase of them
        elif len(last) > SIGN:
            conditions.append(f'"{last}" *')
        elif len(last) == SIGN:
            conditions.append(_quoted(START + last))
        elif len(last) > 1:
            conditions.append(_any(beginning_with(START + last)))
        condition = " AND ".join(conditions)
        if self._may_be_part and len(self.words[0].folded) >= SIGN:
            return f"({condition} OR {_inside(self.words[0].folded)})"
        return condition

    def spans(self, text: Text) -> list[Span]:
        """Where the text that is shown fits, as whole words."""
        found: list[Span] = []
        folded, first = text.folded, self.words[0]
        at = folded.find(first.folded)
        while at >= 0 and len(found) < _MOST_SPANS:
            end = self._end(folded, at)
            if end:
                found.append(text.span(at, end))
            behind = words.word_end(folded, at) if first.kind == "word" else at + 1  # no word begins within another
            at = folded.find(first.folded, max(end, behind))
        return found

    def _end(self, folded: str, at: int) -> int:
        """Where the unit ends that begins at `at`; 0 if none does."""
        last = len(self.words) - 1
        for place, word in enumerate(self.words):
            if place:
                at = words.behind_gap(folded, at)
            if not folded.startswith(word.folded, at):
                return 0
            end = at + len(word.folded)
            if word.kind == "word":
                may_go_on = self.open_end and place == last
                if not words.begins(folded, at) or not (may_go_on or words.ends(folded, end)):
                    return 0
            at = end
        return at

    def spans_inside(self, text: Text) -> list[Span]:
        """Where it fits within a word of code; short ones only as its part."""
        if not self._may_be_part:
            return []
        word = self.words[0].folded
        matches = islice(re.finditer(re.escape(word), text.folded), _MOST_LOOKED_AT)
        every = (text.span(match.start(), match.end()) for match in matches)
        if len(word) < SIGN:
            fits = (span for span in every if text.is_part(span, open_end=self.open_end))
        else:
            fits = (span for span in every if text.is_code(span))
        return list(islice(fits, _MOST_SPANS))

    @property
    def _may_be_part(self) -> bool:
        return not self.quoted and len(self.words) == 1 and self.words[0].kind == "word"


def parse(text: str) -> list[Unit]:
    """The units of a query; none if there is no word in it."""
    text = as_shown(text[:LONGEST])
    units: dict[Unit, None] = {}
    for chunk in _CHUNKS.finditer(text):
        quoted = chunk["quoted"] is not None
        folded = words.fold(chunk["quoted"] if quoted else chunk.group())
        if not (found := tuple(words.words(folded))):
            continue
        # The last word of all, while it is typed; in quotes only as long as they are open.
        open_end = not chunk["closed"] and chunk.end() == len(text) and folded.endswith(found[-1].folded)
        open_end = open_end or (not quoted and folded.endswith(found[-1].folded + "*"))
        units[Unit(found, open_end and found[-1].kind == "word", quoted)] = None
    first = next(iter(units), None)
    if first is not None and len(units) == 1 and len(first.words) == 1 and len(first.words[0].folded) == 1:
        return [replace(first, open_end=False)]
    return list(units)[:_MOST_UNITS]


def _is_unspaced(word: Word) -> bool:
    return word.kind == "unspaced"


def _run(terms: list[str], unspaced: bool) -> str:
    """The condition for words side by side, all of scripts without spaces or none; `words` says how those are written."""
    if not unspaced:
        return _quoted(" ".join(terms))
    if len(terms) == 1:
        return _quoted(START + terms[0])
    return _quoted(" ".join(first + second for first, second in pairwise(terms)))


def _inside(word: str) -> str:
    signs = dict.fromkeys(INSIDE + word[at : at + SIGN] for at in range(min(len(word), words.LONGEST) - SIGN + 1))
    return "(" + " AND ".join(map(_quoted, islice(signs, _MOST_SIGNS))) + ")"


def _any(terms: list[str]) -> str:
    return "(" + " OR ".join(map(_quoted, terms)) + ")" if terms else _NOTHING


def _quoted(term: str) -> str:
    return f'"{term}"'
