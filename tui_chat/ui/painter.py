"""What the terminal is sent: only the cells that changed, and a scroll where lines have moved.

Textual repaints every row that a widget touched, in full width: 4 to 10 kB for each new line of a reply. Here the rows as the
terminal shows them are remembered, an update is compared with them, and only the differing middle of a row is written. If the
rows of an update stand on the terminal already, some lines further down, the terminal is told to move them (DECSTBM and DL, which
terminals have known since the VT102).

The terminal's pen (its colours and attributes) is remembered too: most tokens are drawn with the pen of the one before.

It must not know widgets. It relies on two shapes of Textual 8.2, `LayoutUpdate` and `ChopsUpdate`.
"""

import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Final, NamedTuple

from rich.cells import cell_len
from rich.color import Color, ColorSystem
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

_FARTHEST: Final = 12  # lines that a scroll is looked for; a page is cheaper to paint
_WORTH_IT: Final = 4  # rows that have to change before a scroll is looked for

# Characters on whose width all terminals agree. In a row with others the columns behind them are not certain, so it is written whole.
_CERTAIN: Final = re.compile(
    "[ -~\u00a0-\u00ac\u00ae-\u024f\u0370-\u0482\u048a-\u052f\u2010-\u2027\u2030-\u203b\u2190-\u21ff\u2400-\u2426\u2500-\u259f"
    "\u25cf\u3001-\u303d\u3041-\u3096\u30a0-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uff01-\uff60]*"
)

Row = dict[int, Strip]  # the strips of one row by the column where they begin


class _Pen(NamedTuple):
    """SGR codes: attributes, colour, background; '' is the terminal's own."""

    attributes: str
    colour: str
    background: str


_PLAIN: Final = _Pen("", "", "")


class Painter:
    """Knows what the terminal shows; `wrap` turns an update into the bytes of the difference."""

    def __init__(self) -> None:
        self._shown: dict[int, Row] = {}
        self._size = (0, 0)
        self._pen: _Pen | None = None  # what the terminal draws with now; None: not known

    def forget(self) -> None:
        """What the terminal shows is not known any more."""
        self._shown.clear()
        self._pen = None

    def wrap(self, update: LayoutUpdate | ChopsUpdate, size: tuple[int, int]) -> CompositorUpdate:
        """`update` as a difference; what it changes is remembered when it is rendered, not before."""
        self.fit(size)
        return _Difference(self, update)

    def fit(self, size: tuple[int, int]) -> None:
        """The terminal has `size` now (width, height); another one than before may show anything."""
        if size != self._size:
            self._size = size
            self.forget()

    def difference(self, update: LayoutUpdate | ChopsUpdate, console: Console) -> str:
        """The control sequences that bring the terminal from what it shows to `update`."""
        rows = _rows(update)
        changed = {y: row for y, row in rows.items() if self._differs(y, row)}
        command = ""
        if len(changed) >= _WORTH_IT and (found := self._find_scroll(rows)) is not None:
            command, changed = found
        return command + self.rows(changed, console)

    def rows(self, rows: Mapping[int, Row], console: Console) -> str:
        """The control sequences that show `rows`, of which each holds the strips to be shown by their columns.

        A widget that does not know yet that the terminal is smaller now may ask for cells beyond its edges: a terminal would show
        them at the edge, over what stands there.
        """
        written: list[str] = []
        width, height = self._size
        for y, row in rows.items():
            if y >= height:
                continue
            shown = self._shown.setdefault(y, {})
            for x, whole in row.items():
                if x >= width:
                    continue
                strip = whole if x + whole.cell_length <= width else whole.crop(0, width - x)
                before = shown.get(x)
                if before is strip or before == strip:
                    continue
                if before is None or before.cell_length != strip.cell_length:
                    _cover(shown, x, x + strip.cell_length)
                    before = None
                start, segments = _middle(before, strip)
                if segments:
                    written.append(f"\x1b[{y + 1};{x + start + 1}H")
                    self._draw(segments, console, written)
                shown[x] = strip
        return "".join(written)

    def _draw(self, segments: Iterable[Segment], console: Console, written: list[str]) -> None:
        """Write `segments`, and before each what of the terminal's pen has to change."""
        colours = console._color_system or ColorSystem.TRUECOLOR  # noqa: SLF001 - as Strip.render does
        for text, style, _ in segments:
            pen = _pen_of(style, colours) if style else _PLAIN
            if pen != self._pen:
                written.append(_change(self._pen, pen))
                self._pen = pen
            written.append(text)

    def scroll(self, top: int, bottom: int, lines: int) -> str:
        """The command that moves the rows from `top` up to `bottom` by `lines` upwards (downwards if negative).

        The rows that it leaves empty have to be painted. '' if a row is not known in its whole width: moved, it could not be
        repaired.
        """
        width = self._size[0]
        if any(sum(strip.cell_length for strip in self._shown.get(y, {}).values()) < width for y in range(top, bottom)):
            return ""
        moved = {y: self._shown[y + lines] if top <= y + lines < bottom else {} for y in range(top, bottom)}
        self._shown.update(moved)
        self._pen = _PLAIN
        command = f"{lines}M" if lines > 0 else f"{-lines}L"  # delete lines at the region's first row, or insert them
        return f"\x1b[0m\x1b[{top + 1};{bottom}r\x1b[{top + 1}H\x1b[{command}\x1b[r"

    def _differs(self, y: int, row: Row) -> bool:
        shown = self._shown.get(y)
        return shown is None or any(shown.get(x) != strip for x, strip in row.items())

    def _find_scroll(self, rows: dict[int, Row]) -> tuple[str, dict[int, Row]] | None:
        """If most of `rows` stand on the terminal some lines further down: the command that moves them, and what is then wanted.

        The command moves whole rows, so what is wanted holds all that they show, not only what the update repaints.
        """
        best: list[int] = []
        lines = 0
        for by in range(1, _FARTHEST + 1):
            fitting = [y for y, row in rows.items() if self._fits(row, self._shown.get(y + by))]
            if len(fitting) > len(best):
                best, lines = fitting, by
        if len(best) < _WORTH_IT or len(best) * 2 < len(rows) - lines:
            return None
        top, bottom = min(best), max(best) + lines + 1
        wanted = dict(rows)
        for y in range(top, bottom):
            row = dict(self._shown.get(y, {}))
            for x, strip in rows.get(y, {}).items():
                _cover(row, x, x + strip.cell_length)
                row[x] = strip
            if sum(strip.cell_length for strip in row.values()) < self._size[0]:
                return None  # a part of the row would be what was moved there
            wanted[y] = row
        command = self.scroll(top, bottom, lines)
        return (command, wanted) if command else None

    @staticmethod
    def _fits(wanted: Row, shown: Row | None) -> bool:
        """Whether the first strip of a row, its text, is the same."""
        if not shown:
            return False
        x = min(wanted)
        return shown.get(x) == wanted[x]


class _Difference(CompositorUpdate):
    """An update whose bytes are those of the difference."""

    def __init__(self, painter: Painter, update: LayoutUpdate | ChopsUpdate) -> None:
        self._painter, self._update = painter, update

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        return self._update.__rich_console__(console, options)

    def render_segments(self, console: Console) -> str:
        """What is to be written."""
        return self._painter.difference(self._update, console)


@lru_cache(maxsize=1024)
def _pen_of(style: Style, colours: ColorSystem) -> _Pen:
    def codes(colour: Color | None, *, foreground: bool) -> str:
        return ";".join(colour.downgrade(colours).get_ansi_codes(foreground)) if colour is not None else ""

    attributes = Strip.render_ansi(style.without_color, colours)
    return _Pen(attributes, codes(style.color, foreground=True), codes(style.bgcolor, foreground=False))


def _change(before: _Pen | None, after: _Pen) -> str:
    """The sequence that makes the pen `after`: only what differs, where nothing has to be switched off."""
    if before is None or before.attributes != after.attributes:
        return f"\x1b[{';'.join(['0', *filter(None, after)])}m"
    codes = [after.colour or "39"] if after.colour != before.colour else []
    codes += [after.background or "49"] if after.background != before.background else []
    return f"\x1b[{';'.join(codes)}m"


def _rows(update: LayoutUpdate | ChopsUpdate) -> dict[int, Row]:
    """The rows of an update, as strips by the column where they begin."""
    if isinstance(update, LayoutUpdate):
        return {y: _placed(strips, update.region.x) for y, strips in enumerate(update.strips, update.region.y)}
    rows: dict[int, Row] = {}
    for y, start, stop in update.spans:
        for end, (x, strip) in zip(update.chop_ends[y], update.chops[y].items(), strict=False):
            if strip is not None and x < stop and end > start:
                rows.setdefault(y, {})[x] = strip
    return rows


def _cover(shown: Row, start: int, stop: int) -> None:
    """Forget the strips that one from `start` to `stop` covers, or covers a part of."""
    for x in [x for x, strip in shown.items() if x < stop and x + strip.cell_length > start]:
        del shown[x]


def _placed(strips: Iterable[Strip | None], x: int) -> Row:
    row: Row = {}
    for strip in strips:
        if strip is None:
            continue
        row[x] = strip
        x += strip.cell_length
    return row


def _middle(before: Strip | None, after: Strip) -> tuple[int, Iterable[Segment]]:
    """The part of `after` that differs from `before`, and the column where it begins."""
    if before is None or not (_CERTAIN.fullmatch(before.text) and _CERTAIN.fullmatch(after.text)):
        return 0, after
    old, new = list(before), list(after)
    start = _same(old, new)
    end = after.cell_length - _same(old[::-1], new[::-1], backwards=True)
    return start, after.crop(start, end) if start < end else ()  # else there is nothing to see: only meta data differs


def _same(old: list[Segment], new: list[Segment], *, backwards: bool = False) -> int:
    """How many cells two rows share at their beginning (or end): whole segments, then plain characters of one style."""
    cells = 0
    for one, other in zip(old, new, strict=False):
        if one.text == other.text and _looks_same(one, other):
            cells += cell_len(one.text)
            continue
        if _looks_same(one, other) and one.text.isascii() and other.text.isascii():
            cells += _shared(one.text[::-1], other.text[::-1]) if backwards else _shared(one.text, other.text)
        break
    return cells


def _looks_same(one: Segment, other: Segment) -> bool:
    if one.style == other.style:
        return True
    if one.style is None or other.style is None:
        return False
    return one.style.without_color == other.style.without_color and (
        one.style.color == other.style.color and one.style.bgcolor == other.style.bgcolor
    )


def _shared(one: str, other: str) -> int:
    """The length of the common beginning."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(place for place in range(length) if one[place] != other[place])
