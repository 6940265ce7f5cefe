"""The line of tabs: which labels fit, and that none of it moves."""

from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from tui_chat.ui.widgets.tab_bar import END, NARROWEST, WIDEST, cut, part_of


@given(st.integers(1, 30), st.integers(1, 200), st.data())
def test_the_front_one_is_always_shown_and_all_fits(tabs: int, width: int, data: st.DataObject) -> None:
    front, first = data.draw(st.integers(0, tabs - 1)), data.draw(st.integers(0, 40))
    part = part_of(tabs, front, width, first)
    assert part.first <= front < part.first + part.count <= tabs
    assert part.first >= 0
    assert 2 * part.left + part.count * part.width <= max(width, part.width)
    assert part.width <= WIDEST
    assert (part.count == tabs and part.left == 0) or part.left in (0, END)
    assert part_of(tabs, front, width, part.first) == part  # it stays where it is


def test_they_move_only_as_far_as_they_must() -> None:
    width = 4 * NARROWEST + 2 * END
    assert part_of(4, 3, width).left == 0
    assert [part_of(9, front, width, 3).first for front in range(9)] == [0, 1, 2, 3, 3, 3, 3, 4, 5]


@given(st.text(), st.integers(0, 40))
@example("日本語のタイトル", 5)
@example("👩\u200d👩\u200d👧 family", 4)
def test_a_title_has_exactly_its_cells(text: str, cells: int) -> None:
    assert cell_len(cut(text, cells)) == cells
