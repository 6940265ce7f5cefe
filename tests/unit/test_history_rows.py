"""Which entry stands on which line, and what the list does not know yet."""

from tui_chat.listed import ConversationSummary, Hit
from tui_chat.ui.widgets.history_rows import FEW, PAGE, HistoryRows, More, key_of


def page(first: int, count: int = PAGE) -> list[ConversationSummary]:
    return [
        ConversationSummary(f"c{n}", f"title {n}", 1e9 - n, 1e9 - n, None, pinned=False)
        for n in range(first, first + count)
    ]


def hits(count: int) -> list[Hit]:
    return [Hit(f"c{n}", "title", "t", f"m{n}", "user", 0.0, "said", (), on_path=True) for n in range(count)]


def test_ten_thousand_conversations_are_ten_thousand_lines_and_few_pages() -> None:
    rows = HistoryRows("", 10_000)
    for offset in range(0, 10_000, PAGE):
        rows.put(offset, page(offset))
    assert rows.lines == rows.count == 10_000
    assert rows.entry(9_999) is not None
    assert rows.entry(0) is None  # its page was long ago
    assert rows.missing_page(range(50, 160)) == 0
    assert rows.missing_page(range(9_950, 10_000)) is None
    assert rows.entry(10_000) is None


def test_lines_and_entries_agree() -> None:
    for titles, found, wanted in ((0, 3, "x"), (2, 0, "x"), (4, 3, "x"), (50, 7, "x"), (30, 0, "")):
        rows = HistoryRows(wanted, titles)
        rows.put(0, page(0, titles))
        rows.hits, rows.heading = hits(found), "in messages" if found else None
        seen = [rows.at(line) for line in range(rows.lines)]
        for place in range(rows.count):
            assert [line for line, entry in enumerate(seen) if entry == place] == [*rows.lines_of(place)]
            assert rows.entry(place) is not None
        assert rows.at(rows.lines) is None
        assert rows.at(-1) is None
        assert rows.between(0, rows.lines) == range(rows.count)
        if rows.heading_line is not None:
            assert seen[rows.heading_line] is None


def test_many_titles_leave_room_for_messages_until_they_are_asked_for() -> None:
    rows = HistoryRows("x", 50)
    rows.put(0, page(0, 50))
    rows.hits, rows.heading = hits(1), "in messages"
    assert rows.entry(FEW) == More(50 - FEW)
    assert isinstance(rows.entry(FEW + 1), Hit)
    rows.all_titles = True
    assert rows.count == 51
    assert isinstance(rows.entry(FEW), ConversationSummary)


def test_one_more_title_is_shown_instead_of_a_line_that_says_so() -> None:
    rows = HistoryRows("x", FEW + 1)
    rows.put(0, page(0, FEW + 1))
    assert isinstance(rows.entry(FEW), ConversationSummary)
    assert rows.count == FEW + 1


def test_an_entry_is_found_again_in_newer_rows() -> None:
    rows = HistoryRows("x", 2)
    rows.put(0, page(0, 2))
    rows.hits = hits(3)
    assert [rows.place_of(key_of(rows.entry(place))) for place in range(5)] == [*range(5)]
    assert rows.place_of("gone") is None
    assert rows.place_of("") is None


def test_figures_are_asked_for_once() -> None:
    rows = HistoryRows("", 3)
    rows.put(0, page(0, 3))
    assert rows.without_figures(range(3)) == ["c0", "c1", "c2"]
    rows.figures["c1"] = None  # it is gone, or not known
    assert rows.without_figures(range(3)) == ["c0", "c2"]
