"""One growing reply: text in, lines out.

This is the heart of the screen, and its promise is twofold. **However the text is cut into deltas and however often
`update` is called in between, the finished lines are those of `render(source)`.** And **the cost of a token does not
grow with the reply.**

Both follow from one shape. Whole lines go through the block parser into the renderer, once; what closes is never
touched again. Only the end is provisional: the unfinished line and the open leaf. To show it, parser and renderer are
forked (a copy of the open containers and of one line's worth of layout), the unfinished line is given to the forks as
if it were complete, and the forks are finished into lines of their own. So what is shown is what the text so far means,
the real parser never sees a line before it is whole, and no decision can depend on where a delta ended.

Most tokens are plain words that make the unfinished line longer. Where that cannot change anything else (the line's
structure is decided, no markup is near, no segment ends) the fork that showed the end before goes on: one row is drawn
anew, nothing is parsed. Everything else (two tokens in five of mixed markdown) makes a new fork. Both ways show the
same, and a test compares them with a fresh document after every token. What is left, by a profile of mixed markdown:
colours in code 19 %, reading inline markup and wrapping 20 %, drawing rows 13 %, forks 4 %, the rest spread thinly.

A delta may be a whole reply. `update` can be told to read a slice only, so that no frame waits for the rest; where a
slice ends means nothing, like the end of a delta. What could not be sliced is bounded: the lines of code that are
coloured together, the rows that decide a table's columns, the length of a line that may be more than plain text, and
texts with late link definitions are rendered again a few at a time.

A paragraph may be one line of 100 kB. A line longer than `LONG` characters is therefore taken in parts once its
beginning has decided what it is; the parts are cut at spaces, again by the text alone.

What waits a moment before it is shown: a line that so far is only marker characters (a dash may become an item, a
rule or an underline; backticks a fence). Markup that is open at the very end is shown as if it were closed, and a line
that begins with a pipe as a table's header, so that text seldom changes its looks after it was shown.

What it must not know: widgets, frames, the network.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, overload

from textual.strip import Strip

from tui_chat.text import LineEndings, sanitise
from tui_chat.ui.markdown.blocks import BlockParser
from tui_chat.ui.markdown.code import CodeBlock
from tui_chat.ui.markdown.inline import InlineRenderer
from tui_chat.ui.markdown.layout import JOINERS, LineInfo, Lines
from tui_chat.ui.markdown.renderer import Renderer
from tui_chat.ui.markdown.scan import LONGEST_LINE
from tui_chat.ui.markdown.theme import MarkdownTheme
from tui_chat.ui.markdown.tokens import markdown

LONG: Final = 160  # a longer line of a paragraph is taken in parts
SLICE: Final = 1_000  # characters that are read in some 2 ms: a frame takes as many slices as it has time for
VERY_LONG: Final = 2_000  # ... of anything else that takes text verbatim; also how much of a line is shown early

_SPARE: Final = 32  # a word cut by force is cut between two characters that do not join

# The beginning of a line that does not yet say what it will be. Possessive, so that no line takes long to look at.
_UNDECIDED: Final = re.compile(
    r"(?:[\s>]++|(?:[-+*]|\d{1,9}[.)])\s++)*+"
    r"(?:[-+*=_~`#|:\s]*+|\d{1,9}[.)]?|\[[ xX]?\]?|(?:`{3,}+|~{3,}+)[^`\n]*+)\s*+"
)
_UNDECIDED_IN_FENCE: Final = re.compile(r"[\s>]*+[`~]*+\s*+")
# Up to the last place where a line can be taken apart: after a space or control character (each is shown as a sign of
# its own), or between two characters of Chinese or Japanese.
_CUT: Final = re.compile(r"[^\n]*(?:[\x00-\x08\x0e-\x20\x7f-\x9f]|[\u3041-\u9fff](?=[\u3041-\u9fff]))")
_DENSE: Final = re.compile(r"[\[\]*_~`<&:$|]|  \n")
_DENSE_WEIGHT: Final = 8  # a mark takes as long to read as this many letters


class LiveDocument:
    """A reply of markdown that grows: `write` deltas, `update` once a frame, read `line`s.

    `width` is in cells (at least 8 is sensible). With `breaks`, newlines inside a paragraph are kept, as for text that
    a person typed. Without `wrap_code`, rows of code are not wrapped: those with `LineInfo.code` may then be wider than
    `width`.
    """

    def __init__(self, width: int, theme: MarkdownTheme, *, breaks: bool = False, wrap_code: bool = True) -> None:
        self._raw: list[str] = []
        self._endings = LineEndings()
        self._unread: list[str] = []
        self._unread_from = 0  # where in the first of them
        self._inline = InlineRenderer(theme, breaks=breaks)
        self._renderer = Renderer(width, theme, self._inline, wrap_code=wrap_code)
        self._parser = BlockParser(self._renderer, markdown())
        self._line = ""  # the unfinished line, or what of it no part has taken
        self._started = False  # the unfinished line is being taken in parts
        self._refused = 0  # how much of the unfinished line was looked at and could not be taken yet
        self._end = self._renderer  # a fork that shows the end, once there is one
        self._tail = Lines.empty()  # its lines
        self._goes_on = False  # plain text may go on with the end as it is shown
        self._finished = False
        self._closed = False

    @property
    def source(self) -> str:
        """The text as it was written."""
        if len(self._raw) > 1:
            self._raw = ["".join(self._raw)]
        return self._raw[0] if self._raw else ""

    @property
    def finished(self) -> bool:
        """Whether `finish` was called."""
        return self._finished

    def write(self, delta: str) -> None:
        """Add to the end of the source. Raises ValueError after `finish`."""
        if self._finished:
            raise ValueError("the document is finished")
        self._raw.append(delta)
        self._unread.append(delta)

    def finish(self) -> None:
        """The source is complete; the next `update` shows it in its final form. May be called again."""
        self._finished = True

    @property
    def behind(self) -> bool:
        """Whether there is something that `update` has not read yet."""
        return bool(self._unread) or self._renderer.behind or (self._finished and not self._closed)

    def update(self, limit: int | None = None) -> int:
        """Read what was written since the last call. Returns the first line that may have changed (or the count).

        With a `limit`, read about so many characters of it; `behind` tells whether there is more.
        """
        if not self.behind:
            return self.line_count
        text = self._take(limit)
        if (
            self._goes_on
            and not self._finished
            and not self._renderer.behind
            and (first := self._go_on(text)) is not None
        ):
            return first
        before = self._tail
        lines = self._renderer.lines
        lines.lowest = len(lines)
        self._read(text)
        self._renderer.render_due(limit)
        if self._finished and not self._unread and not self._renderer.behind:
            self._read(self._endings.finish())
            if self._line or self._started:
                self._end_line()
            self._parser.finish()
            self._renderer.render_due(None)  # a definition in the last line
            self._tail = Lines.empty(len(lines))
            self._closed = True
        else:
            self._preview()
        return self._first_change(before)

    def _take(self, limit: int | None) -> str:
        """The next `limit` characters that were not read yet, line endings made newlines."""
        unread = self._unread
        if len(unread) > 1:
            unread[:] = ["".join(unread)]
        text = unread[0] if unread else ""
        stop = len(text)
        if limit is not None and stop - self._unread_from > limit // _DENSE_WEIGHT:
            most = self._unread_from + max(1, limit)
            marks = len(_DENSE.findall(text, self._unread_from, most))
            stop = self._unread_from + max(1, limit * limit // (limit + _DENSE_WEIGHT * marks))
        taken = text[self._unread_from : stop]
        if stop >= len(text):
            unread.clear()
            self._unread_from = 0
        else:
            self._unread_from = stop
        return self._endings.write(taken)

    def _go_on(self, text: str) -> int | None:
        """Show `text` at the end of the unfinished line, if that changes nothing before it."""
        length = len(self._line) + len(text)
        if length > LONG and (self._started or self._refused < LONG or length > VERY_LONG):
            return None
        first = self._end.go_on(text)
        if first is not None:
            self._line += text
        return first

    def _first_change(self, before: Lines) -> int:
        """The first line that is not as it was when the tail was `before`."""
        lines, tail = self._renderer.lines, self._tail
        if lines.lowest < before.base:
            return lines.lowest
        first = before.base
        if tail.base < first:
            return tail.base
        now = lines.strips[first : tail.base] + tail.strips if first < tail.base else tail.strips
        for old, new in zip(before.strips, now, strict=False):
            if old is not new and old != new:
                break
            first += 1
        return first

    @property
    def line_count(self) -> int:
        """How many lines there are to show."""
        return len(self._tail)

    def line(self, index: int) -> Strip:
        """One line, from 0. Raises IndexError outside."""
        tail = self._tail
        if not 0 <= index < len(tail):
            raise IndexError(index)
        return self._renderer.lines.strips[index] if index < tail.base else tail.strips[index - tail.base]

    def info(self, index: int) -> LineInfo:
        """Where a line comes from. Raises IndexError outside."""
        tail = self._tail
        if not 0 <= index < len(tail):
            raise IndexError(index)
        return self._renderer.lines.infos[index] if index < tail.base else tail.infos[index - tail.base]

    @property
    def lines(self) -> Sequence[Strip]:
        """All lines, as a view that costs nothing to make."""
        return _View(self)

    @property
    def code_blocks(self) -> Sequence[CodeBlock]:
        """The code blocks so far, the open one included (without its unfinished line)."""
        return self._renderer.code_blocks

    # Reading

    def _read(self, text: str) -> None:
        start = 0
        while (end := text.find("\n", start)) >= 0:
            self._line += text[start:end]
            self._end_line()
            start = end + 1
        if start < len(text):
            self._line += text[start:]
            self._take_parts()

    def _end_line(self) -> None:
        """The unfinished line is complete."""
        self._take_parts()
        if self._started:
            if self._line:
                self._parser.more(sanitise(self._line))
            self._parser.end()
        else:
            self._parser.line(sanitise(self._line))
        self._line = ""
        self._started = False
        self._refused = 0

    def _take_parts(self) -> None:
        """Take the beginning of a long line, at places that the text alone decides."""
        line = self._line
        if not self._started:
            for length in (LONG, VERY_LONG):
                if len(line) > length and self._refused < length:
                    if self._start(sanitise(line[:length]), verbatim=length == VERY_LONG):
                        self._started = True
                        line = line[length:]
                        break
                    self._refused = length
            if not self._started and len(line) > LONGEST_LINE:
                self._parser.start(sanitise(line[:LONGEST_LINE]), text_only=True)
                self._started = True
                line = line[LONGEST_LINE:]
        if self._started:
            cut = _CUT.match(line)
            if cut is not None:
                self._parser.more(sanitise(cut.group()))
                line = line[cut.end() :]
            while len(line) > VERY_LONG + _SPARE:
                end = VERY_LONG
                while end < VERY_LONG + _SPARE and (line[end] in JOINERS or line[end - 1] in JOINERS):
                    end += 1
                self._parser.more(sanitise(line[:end]))
                line = line[end:]
        self._line = line

    def _start(self, text: str, *, verbatim: bool) -> bool:
        """Begin a long line with `text`, if that is enough to know what it is."""
        trial = self._parser.fork(self._renderer.fork())
        trial.start(text) if verbatim else trial.line(text)
        if not (trial.in_open_text or (verbatim and trial.in_code)):
            return False
        if not verbatim and not _has_words(text):
            return False
        self._parser.start(text)
        return True

    def _preview(self) -> None:
        """Show what the end of the text looks like for now."""
        renderer = self._renderer.fork()
        parser = self._parser.fork(renderer)
        line = self._line[:VERY_LONG]
        self._goes_on = False
        if self._started:
            parser.more(sanitise(line))
            parser.end()
            self._goes_on = bool(line) and parser.goes_on(self._parser)
        elif line:
            undecided = _UNDECIDED_IN_FENCE if parser.in_fence else _UNDECIDED
            if undecided.fullmatch(line) is None:
                parser.line(sanitise(line))
                self._goes_on = parser.goes_on(self._parser)
        renderer.show_end()
        parser.finish_early()
        self._end = renderer
        self._tail = renderer.lines


def _has_words(text: str) -> bool:
    return _UNDECIDED.fullmatch(text) is None


class _View(Sequence[Strip]):
    __slots__ = ("_document",)

    def __init__(self, document: LiveDocument) -> None:
        self._document = document

    def __len__(self) -> int:
        return self._document.line_count

    @overload
    def __getitem__(self, index: int) -> Strip: ...
    @overload
    def __getitem__(self, index: slice) -> list[Strip]: ...
    def __getitem__(self, index: int | slice) -> Strip | list[Strip]:
        if isinstance(index, slice):
            return [self._document.line(at) for at in range(*index.indices(len(self)))]
        return self._document.line(index + len(self) if index < 0 else index)

    def __iter__(self) -> Iterator[Strip]:
        for index in range(len(self)):
            yield self._document.line(index)


def render(source: str, width: int, theme: MarkdownTheme, *, breaks: bool = False) -> list[Strip]:
    """The lines of a complete text: those of a LiveDocument it was written to at once."""
    document = LiveDocument(width, theme, breaks=breaks)
    document.write(source)
    document.finish()
    document.update()
    return list(document.lines)
