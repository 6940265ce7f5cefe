"""The painter: whatever is painted after whatever, the terminal shows what a full repaint would show."""

import pyte
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console
from rich.segment import Segment
from rich.style import Style
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.geometry import Region
from textual.strip import Strip

from tui_chat.ui.painter import Painter

WIDTH, HEIGHT = 24, 12
CONSOLE = Console(color_system="truecolor", force_terminal=True, width=WIDTH)
STYLES = [Style(), Style(bold=True), Style(color="red"), Style(bgcolor="blue"), Style(color="red", meta={"x": 1})]
WORDS = ["a", "ab", "hello", " ", "    ", "日本", "é", "x日", "────", "zz top"]


def strip_of(parts: list[tuple[str, int]], width: int) -> Strip:
    return Strip([Segment(text, STYLES[style]) for text, style in parts]).adjust_cell_length(width, STYLES[0])


parts = st.lists(st.tuples(st.sampled_from(WORDS), st.integers(0, len(STYLES) - 1)), max_size=6)
screens = st.lists(parts, min_size=HEIGHT, max_size=HEIGHT)


def show(terminal: pyte.Screen, data: str) -> None:
    pyte.Stream(terminal).feed(data)


def grid(terminal: pyte.Screen) -> list[list[tuple[object, ...]]]:
    return [
        [(cell.data, cell.fg, cell.bg, cell.bold) for cell in (terminal.buffer[y][x] for x in range(WIDTH))]
        for y in range(HEIGHT)
    ]


def full(rows: list[Strip]) -> LayoutUpdate:
    return LayoutUpdate([[row] for row in rows], Region(0, 0, WIDTH, HEIGHT))


def repainted(rows: list[Strip]) -> list[list[tuple[object, ...]]]:
    terminal = pyte.Screen(WIDTH, HEIGHT)
    for y, row in enumerate(rows):
        show(terminal, f"\x1b[{y + 1};1H{row.render(CONSOLE)}")
    return grid(terminal)


def painted(painter: Painter, terminal: pyte.Screen, update: LayoutUpdate | ChopsUpdate) -> str:
    data = painter.wrap(update, (WIDTH, HEIGHT)).render_segments(CONSOLE)
    show(terminal, data)
    return data


@given(st.lists(screens, min_size=1, max_size=4))
def test_any_sequence_of_screens(sequence: list[list[list[tuple[str, int]]]]) -> None:
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    for screen in sequence:
        rows = [strip_of(row, WIDTH) for row in screen]
        painted(painter, terminal, full(rows))
        assert grid(terminal) == repainted(rows)


@given(st.lists(parts, min_size=30, max_size=40), st.lists(st.integers(-4, 9), max_size=8))
def test_scrolling(lines: list[list[tuple[str, int]]], moves: list[int]) -> None:
    painter, terminal, top = Painter(), pyte.Screen(WIDTH, HEIGHT), 0
    strips = [strip_of(row, WIDTH) for row in lines]
    for move in [0, *moves]:
        top = max(0, min(len(strips) - HEIGHT, top + move))
        painted(painter, terminal, full(strips[top : top + HEIGHT]))
        assert grid(terminal) == repainted(strips[top : top + HEIGHT])


@given(screens, st.data())
def test_parts_of_rows_cut_anywhere(screen: list[list[tuple[str, int]]], data: st.DataObject) -> None:
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    rows = [strip_of(row, WIDTH) for row in screen]
    painted(painter, terminal, full(rows))
    for _ in range(3):
        cut = data.draw(st.integers(4, WIDTH - 4))
        y = data.draw(st.integers(0, HEIGHT - 1))
        left, right = strip_of(data.draw(parts), cut), strip_of(data.draw(parts), WIDTH - cut)
        chops: list[dict[int, Strip | None]] = [dict.fromkeys((0, cut)) for _ in range(HEIGHT)]
        chops[y] = {0: left, cut: right}
        painted(painter, terminal, ChopsUpdate(chops, [(y, 0, WIDTH)], [[cut, WIDTH]] * HEIGHT))
        rows[y] = Strip.join([left, right])
        assert grid(terminal) == repainted(rows)


@given(
    st.lists(parts, min_size=30, max_size=40), st.lists(st.integers(-2, 5), max_size=6), st.integers(4, 9), st.data()
)
def test_a_scrolling_part_leaves_the_rest_alone(
    lines: list[list[tuple[str, int]]], moves: list[int], height: int, data: st.DataObject
) -> None:
    """A log above, other rows below, a column at the right: only the log is in the update, and at times the last row."""
    painter, terminal, top, cut = Painter(), pyte.Screen(WIDTH, HEIGHT), 0, WIDTH - 2
    strips = [strip_of(row, cut) for row in lines]
    edge = [strip_of([(str(y % 10), 2)], 2) for y in range(HEIGHT)]
    rows = [Strip.join([strips[y], edge[y]]) for y in range(HEIGHT)]
    everything = [(y, 0, WIDTH) for y in range(HEIGHT)]
    ends = [[cut, WIDTH]] * HEIGHT
    painted(painter, terminal, ChopsUpdate([{0: strips[y], cut: edge[y]} for y in range(HEIGHT)], everything, ends))
    for move in moves:
        top = max(0, min(len(strips) - height, top + move))
        chops: list[dict[int, Strip | None]] = [dict.fromkeys((0, cut)) for _ in range(HEIGHT)]
        spans = [(y, 0, cut) for y in range(height)]
        for y in range(height):
            chops[y][0] = strips[top + y]
            rows[y] = Strip.join([strips[top + y], edge[y]])
        if data.draw(st.booleans()):
            status = strip_of(data.draw(parts), cut)
            chops[HEIGHT - 1][0] = status
            rows[HEIGHT - 1] = Strip.join([status, edge[HEIGHT - 1]])
            spans.append((HEIGHT - 1, 0, cut))
        painted(painter, terminal, ChopsUpdate(chops, spans, ends))
        assert grid(terminal) == repainted(rows)


def test_a_word_more_costs_a_word() -> None:
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    rows = [strip_of([("hello", 0)], WIDTH) for _ in range(HEIGHT)]
    painted(painter, terminal, full(rows))
    rows[3] = strip_of([("hello you", 0)], WIDTH)
    assert len(painted(painter, terminal, full(rows))) < 20
    assert painted(painter, terminal, full(rows)) == ""


def test_a_new_line_scrolls_instead_of_painting_all() -> None:
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    strips = [strip_of([(f"line number {number}", 0)], WIDTH) for number in range(40)]
    whole = painted(painter, terminal, full(strips[:HEIGHT]))
    scrolled = painted(painter, terminal, full(strips[1 : HEIGHT + 1]))
    assert len(scrolled) < len(whole) / 4
    assert grid(terminal) == repainted(strips[1 : HEIGHT + 1])


def test_another_size_forgets() -> None:
    painter = Painter()
    rows = [strip_of([("hello", 0)], WIDTH) for _ in range(HEIGHT)]
    first = painter.wrap(full(rows), (WIDTH, HEIGHT)).render_segments(CONSOLE)
    assert painter.wrap(full(rows), (WIDTH, HEIGHT)).render_segments(CONSOLE) == ""
    assert painter.wrap(full(rows), (WIDTH, HEIGHT + 1)).render_segments(CONSOLE) == first


def test_a_row_with_an_uncertain_width_is_written_whole() -> None:
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    rows = [strip_of([("👍🏽 some", 0)], WIDTH) for _ in range(HEIGHT)]
    painted(painter, terminal, full(rows))
    rows[2] = strip_of([("👍🏽 some more", 0)], WIDTH)
    assert "👍🏽 some more" in painted(painter, terminal, full(rows))


def test_nothing_is_shown_beyond_the_edges() -> None:
    """A widget that has not heard of a smaller terminal: its cells must not be clamped onto the last column or row."""
    painter, terminal = Painter(), pyte.Screen(WIDTH, HEIGHT)
    rows = [strip_of([("hello", 0)], WIDTH)] * HEIGHT
    painted(painter, terminal, full(rows))
    late = strip_of([("zz top", 1)], 10)
    show(terminal, painter.rows({0: {WIDTH + 3: late}, 1: {WIDTH - 4: late}, HEIGHT: {0: late}}, CONSOLE))
    wanted = [rows[0], Strip.join([rows[1].crop(0, WIDTH - 4), late.crop(0, 4)]), *rows[2:]]
    assert grid(terminal) == repainted(wanted)
