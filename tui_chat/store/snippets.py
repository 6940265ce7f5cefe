"""The line that is shown of a message that was found, and which characters of it to mark. Pure."""

import re
from collections.abc import Sequence
from typing import Final

from tui_chat.store.query import Span, Text, Unit

LENGTH: Final = 160  # characters of a snippet
_BEFORE: Final = 40  # of them before the first mark
_AFTER: Final = 100  # within them as many units as can be are to be seen
_BLANKS: Final = re.compile(r"\s+")
Snippet = tuple[str, tuple[Span, ...]]


def snippet(units: Sequence[Unit], texts: Sequence[Text]) -> Snippet | None:
    """One line around the place that shows most of `units`, and the marks in it; None if not all of them are in `texts`."""
    places: list[list[tuple[Span, int]]] = [[] for _ in texts]
    for number, unit in enumerate(units):
        spans = [unit.spans(text) for text in texts]
        if not any(spans):
            spans = [unit.spans_inside(text) for text in texts]
        if not any(spans):
            return None
        for found, here in zip(places, spans, strict=True):
            found += [(span, number) for span in here]
    best = max(range(len(texts)), key=lambda index: len({number for _, number in places[index]}))
    found = sorted(places[best])
    return _line(texts[best].shown, _first(found), [span for span, _ in found])


def _first(found: Sequence[tuple[Span, int]]) -> int:
    """Where the first of those places begins behind which most units follow soon."""
    start, most = found[0][0][0], 0
    for place, ((first, _), _) in enumerate(found):
        near = set()
        for (begin, _), number in found[place:]:
            if begin > first + _AFTER:
                break
            near.add(number)
        if len(near) > most:
            start, most = first, len(near)
    return start


def _line(text: str, first: int, spans: Sequence[Span]) -> Snippet:
    """The line around `first`, in which blanks and line ends are single blanks."""
    start = 0 if len(text) <= LENGTH else max(0, first - _BEFORE)
    if start:
        blank = _BLANKS.search(text, start - 1, first)  # rather no half word
        start = blank.end() if blank else start
    before = "…" if start else ""
    space = LENGTH - len(before)
    body = _BLANKS.sub(" ", text[start : start + 4 * LENGTH]).strip()
    if len(body) > space or text[start + 4 * LENGTH :].strip():
        body = body[: space - 1].rstrip() + "…"
    marks: list[Span] = []
    for span in spans:
        if span[0] < first or span[0] > start + 4 * LENGTH:
            continue
        begin, end = (len(before) + len(_BLANKS.sub(" ", text[start:each]).lstrip()) for each in span)
        end = min(end, len(before) + len(body) - body.endswith("…"))
        if begin >= end:
            break
        if marks and begin <= marks[-1][1]:
            marks[-1] = marks[-1][0], max(end, marks[-1][1])
        else:
            marks.append((begin, end))
    return before + body, tuple(marks)
