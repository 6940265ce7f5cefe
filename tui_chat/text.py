"""The one sanitiser for text from outside: model, tools, files, errors, titles, paste.

Why it exists: Textual writes text to the terminal as it is, so an escape sequence in a reply would act (clipboard,
title, cursor), a bidirectional override would show another text than the one stored, and a lone surrogate shifts a row.
What it must not know: where a text comes from or where it goes. Text is stored verbatim and shown sanitised.

Every forbidden character is replaced by a visible sign of its own, one character at a time, so a sequence cut into
deltas is as harmless as one that comes whole and the result does not depend on the cuts. The only rule that looks at
two characters is CRLF; a stream keeps a trailing CR back until the next delta (see `LineEndings`).
"""

import re
from typing import Final

_FORBIDDEN: Final = re.compile(
    "["
    "\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 but tab and newline, DEL, C1
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # bidirectional marks, overrides and isolates
    "\u2028\u2029"  # line and paragraph separator
    "\ud800-\udfff"  # lone surrogates
    "\ufeff\ufff9-\ufffb"  # byte order mark, interlinear annotation
    "\U000e0000-\U000e007f"  # tag characters: invisible text
    "]"
)
_LINE_BREAKS: Final = re.compile("\r\n?")
_MARKS: Final = re.compile(
    r"([\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]{4})[\u0300-\u036f\u0483-\u0489\u1ab0-\u1aff\u1dc0-\u1dff\u20d0-\u20ff\ufe20-\ufe2f]+"
)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code < 0x20:
        return chr(0x2400 + code)  # the control picture: ESC becomes U+241B
    if code == 0x7F:
        return "\u2421"
    if 0xD800 <= code < 0xE000:
        return "\ufffd"
    return f"⟨U+{code:04X}⟩"


def sanitise(text: str) -> str:
    """`text` with every character that could act on a terminal or hide text made visible; tab and newline stay.

    Idempotent. CRLF and CR become newlines. At most four combining marks are kept on one character.
    """
    if text.isascii() and text.isprintable():
        return text
    text = _FORBIDDEN.sub(_visible, _LINE_BREAKS.sub("\n", text))
    return text if text.isascii() else _MARKS.sub(r"\1", text)


def sanitise_line(text: str) -> str:
    """`sanitise` for a place that is one line high: newlines and tabs become single spaces."""
    return sanitise(text).replace("\n", " ").replace("\t", " ")


def storable(text: str) -> str:
    """`text` that can be encoded as UTF-8: lone surrogates (from argv, file names, broken JSON) become U+FFFD.

    Surrogate pairs are joined first, so an emoji that arrived as two escapes is the emoji.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


class LineEndings:
    """CRLF and CR to newlines over a stream of deltas: a CR at the end of a delta waits for the next one."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = False

    def write(self, delta: str) -> str:
        """The normalised text of `delta`, without a CR that may still turn out to be half a CRLF."""
        if not self._pending and "\r" not in delta:
            return delta
        if self._pending:
            delta = "\r" + delta
        self._pending = delta.endswith("\r")
        return _LINE_BREAKS.sub("\n", delta[:-1] if self._pending else delta)

    def finish(self) -> str:
        """What was kept back: a newline if the text ended in a CR."""
        pending, self._pending = self._pending, False
        return "\n" if pending else ""
