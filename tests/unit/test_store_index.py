"""The index: what waits goes in, in small slices, the newest first; what is taken out leaves no word behind."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from tui_chat.store import index, search
from tui_chat.store.migrations import migrate
from tui_chat.store.values import to_json


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        made.row_factory = sqlite3.Row
        migrate(made, None)
        made.execute(
            "INSERT INTO conversations (id, created_at, updated_at, title, draft, queued) VALUES ('c', 0, 0, '', '', '[]')"
        )
        yield made


def add(connection: sqlite3.Connection, text: str, at: float = 1.7e9, key: int | None = None) -> int:
    """A prompt with a turn of its own; returns its number."""
    number: int = connection.execute("SELECT count(*) + 1 FROM messages").fetchone()[0]
    blocks = to_json([{"type": "text", "text": text}])
    connection.execute(
        "INSERT INTO messages (number, id, conversation_id, role, blocks, unfinished, created_at, search_key)"
        " VALUES (?, ?, 'c', 'user', ?, '[]', ?, ?)",
        (number, f"m{number}", blocks, at, key),
    )
    connection.execute(
        "INSERT INTO turns (id, conversation_id, prompt_id, reply_id, model, server, started_at, in_context, started,"
        " owner_pid, owner_started, owner_boot, owner_namespace)"
        " VALUES (?, 'c', ?, ?, '', '', ?, 1, 0, 0, '', '', '')",
        (f"t{number}", f"m{number}", f"r{number}", at),
    )
    return number


def index_all(connection: sqlite3.Connection, limit: int = index.SLICE) -> int:
    """Index what waits; returns how many slices that took."""
    slices = 1
    while index.index_some(connection, limit):
        slices += 1
    return slices


def keys(connection: sqlite3.Connection) -> list[int | None]:
    return [row["search_key"] for row in connection.execute("SELECT search_key FROM messages ORDER BY number")]


def rows(connection: sqlite3.Connection, *numbers: int) -> list[sqlite3.Row]:
    return [connection.execute("SELECT * FROM messages WHERE number = ?", (number,)).fetchone() for number in numbers]


def found(connection: sqlite3.Connection, text: str) -> list[str]:
    return [hit.snippet for hit in search.search(connection, text).hits]


def segments(connection: sqlite3.Connection) -> int:
    return len({row["segid"] for row in connection.execute("SELECT segid FROM found_idx")})


def test_a_message_gets_the_key_it_has_waited_with(connection: sqlite3.Connection) -> None:
    add(connection, "tea", key=-77)
    index_all(connection)
    assert keys(connection) == [77]
    assert found(connection, "tea") == ["tea"]


def test_messages_of_an_older_schema_get_keys_by_their_time(connection: sqlite3.Connection) -> None:
    for text, at in (("old tea", 1.5e9), ("new tea", 1.7e9), ("middle tea", 1.6e9), ("same tea", 1.6e9)):
        add(connection, text, at)
    index_all(connection)
    old, new, middle, same = keys(connection)
    assert old is not None and new is not None and middle is not None and same is not None  # noqa: PT018 - for the type checker
    assert old < min(middle, same) < max(middle, same) < new
    assert middle != same
    assert found(connection, "tea")[0] == "new tea"
    assert found(connection, "tea")[-1] == "old tea"


@pytest.mark.parametrize("at", [0.0, -5.0, 1e300])
def test_times_that_are_none(connection: sqlite3.Connection, at: float) -> None:
    add(connection, "tea", at)
    add(connection, "more tea", at)
    index_all(connection)
    assert sorted(found(connection, "tea")) == ["more tea", "tea"]


def test_a_slice_takes_a_few_messages_the_newest_first(connection: sqlite3.Connection) -> None:
    for number in range(10):
        add(connection, f"tea {number} " + "x" * 1_000, 1.7e9 + number)
    assert index.index_some(connection, 2_500)
    assert [text[:5] for text in found(connection, "tea")] == ["tea 9", "tea 8", "tea 7"]
    assert index_all(connection, 2_500) >= 3
    assert len(found(connection, "tea")) == 10


def test_a_message_that_is_longer_than_a_slice_is_taken(connection: sqlite3.Connection) -> None:
    add(connection, "tea " * 1_000)
    add(connection, "coffee " * 1_000)
    assert index.index_some(connection, 10)
    assert found(connection, "tea") == []
    index_all(connection, 10)
    assert len(found(connection, "tea")) == 1


def test_nothing_to_do(connection: sqlite3.Connection) -> None:
    assert not index.index_some(connection)
    add(connection, "tea")
    index_all(connection)
    before = connection.total_changes
    assert not index.index_some(connection)
    assert connection.total_changes - before < 2


def test_many_slices_leave_few_segments(connection: sqlite3.Connection) -> None:
    for number in range(600):
        add(connection, f"tea number {number} and some more words {number * 7}")
    assert index_all(connection, 200) > 100
    assert segments(connection) < 20
    assert found(connection, "tea 599 ") == ["tea number 599 and some more words 4193"]
    assert len(found(connection, "tea")) == 50


def test_the_share_of_many(connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index, "_COUNTED", 10)
    assert index.indexed_share(connection) == 1.0
    for number in range(100):
        add(connection, f"tea {number}")
    assert index.indexed_share(connection) == 0.0
    shares = []
    while index.index_some(connection, 400):
        shares.append(index.indexed_share(connection))
    assert shares == sorted(shares)
    assert shares[0] == pytest.approx(0.1, abs=0.05)
    assert index.indexed_share(connection) == 1.0
    index.unindex(connection, rows(connection, 3, 70))
    assert index.indexed_share(connection) == pytest.approx(0.98)


def test_what_is_taken_out_waits_again_and_leaves_no_word(connection: sqlite3.Connection) -> None:
    for text in ("green tea", "`getUserName` 数据库 🎉", "tea again"):
        add(connection, text)
    index_all(connection)
    before = keys(connection)
    index.unindex(connection, rows(connection, 1, 2))
    index.unindex(connection, rows(connection, 1, 2))  # no harm
    assert [(key or 0) < 0 for key in keys(connection)] == [True, True, False]
    for text in ("green", "getusername", "sernam", "据", "数据库", "🎉"):
        assert found(connection, text) == []
    assert found(connection, "tea") == ["tea again"]
    connection.execute("INSERT INTO found (found) VALUES ('optimize')")
    connection.execute("CREATE VIRTUAL TABLE temp.every USING fts5vocab (main, found, row)")
    assert [row["term"] for row in connection.execute("SELECT term FROM temp.every ORDER BY term")] == [
        *("again", "tea"),
        *("¬aga", "¬tea"),
    ]
    index_all(connection)
    assert keys(connection) == before
    assert found(connection, "sernam") != []


def test_a_release_with_other_words_can_build_it_anew(connection: sqlite3.Connection) -> None:
    add(connection, "tea")
    index_all(connection)
    for statement in index.REBUILD:
        connection.execute(statement)
    assert found(connection, "tea") == []
    index_all(connection)
    assert found(connection, "tea") == ["tea"]


def test_what_waits_is_found_by_its_index(connection: sqlite3.Connection) -> None:
    for query in (index._WAITING, f"SELECT count(*) FROM (SELECT 1 {index._WAIT} LIMIT 5)"):
        plan = " ".join(row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {query}"))
        assert "messages_to_index" in plan
        assert "TEMP B-TREE" not in plan


def test_candidates_come_in_the_order_of_the_index(connection: sqlite3.Connection) -> None:
    plan = [row["detail"] for row in connection.execute(f"EXPLAIN QUERY PLAN {search._CANDIDATES}", ("tea",))]
    assert plan[0].startswith("SCAN found VIRTUAL TABLE")
    assert "messages_by_search_key" in plan[1]
    assert "TEMP B-TREE" not in " ".join(plan)
