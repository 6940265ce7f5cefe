"""Database files of ours: old ones, copies in use, and damaged ones, of which everything readable comes out."""

import contextlib
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from tests.unit.exchange_values import small_tree
from tests.unit.store_databases import names, written
from tests.unit.store_values import content, conversation, end, running, stored, take
from tui_chat.conversation import Outcome, Tree
from tui_chat.exchange.document import document
from tui_chat.exchange.salvage import conversations
from tui_chat.store import Store, migrations

DATABASES = Path(__file__).parents[1] / "fixtures" / "databases"
PAGE = 4096


def read(path: Path) -> tuple[dict[str, Tree], list[str]]:
    """The conversations by their ids, and the problems."""
    items = list(conversations(path))
    trees = {item.tree.conversation.id: item.tree for item in items if item.tree is not None}
    return trees, [item.problem for item in items if item.problem]


def text_of(tree: Tree) -> str:
    return "".join(document(tree))


async def filled(path: Path, count: int, turns: int = 3, size: int = 200) -> dict[str, Tree]:
    """A database of `count` conversations, in one file; what is in it."""
    store = await Store.open(path)
    found = {}
    for number in range(count):
        owner = conversation()
        owner.title, owner.system = f"conversation {number}", "a long system prompt " * 20
        for place in range(turns):
            turn = running(owner, started_at=1.7e9 + number * 100 + place)
            take(turn, content(f"reply {number}.{place} " * (size // 10)))
            end(turn)
            owner.turns.append(stored(turn))
        tree = Tree(owner, owner.turns, owner.turns[-1].id)
        await store.library.add(tree)
        loaded = await store.library.tree(owner.id)
        assert loaded is not None
        found[owner.id] = loaded
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
    return found


async def test_a_sound_database_comes_out_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    expected = await filled(path, 3)
    before = path.read_bytes()
    trees, problems = read(path)
    assert problems == []
    assert {id_: text_of(tree) for id_, tree in trees.items()} == {id_: text_of(tree) for id_, tree in expected.items()}
    assert path.read_bytes() == before
    assert [name for name in names(tmp_path) if name.startswith("a.db")] == ["a.db"]


async def test_a_database_in_use_is_read_as_it_is_now(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path)
    tree = small_tree()
    await store.library.add(tree)
    trees, problems = read(path)
    assert list(trees) == [tree.conversation.id]
    assert problems == []
    await store.close()


async def test_what_a_crash_left_is_read_with_its_log(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path)
    tree = small_tree()
    await store.library.add(tree)
    for crashed, parts in (("log", ("", "-wal")), ("all", ("", "-wal", "-shm"))):
        folder = tmp_path / crashed
        folder.mkdir()
        for part in parts:
            shutil.copyfile(tmp_path / f"a.db{part}", folder / f"a.db{part}")
        before = {name: (folder / name).read_bytes() for name in names(folder) if not name.endswith("-shm")}
        trees, _ = read(folder / "a.db")
        assert list(trees) == [tree.conversation.id]
        assert {name: (folder / name).read_bytes() for name in before} == before
    await store.close()


@pytest.mark.parametrize("name", ["schema_1", "schema_2"])
async def test_an_older_schema_needs_no_upgrade(tmp_path: Path, name: str) -> None:
    """What is read straight from an old file is what an upgrade of it would hold, but for turns that were running."""
    path, upgraded = tmp_path / "old.db", tmp_path / "new.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript((DATABASES / f"{name}.sql").read_text())
    shutil.copyfile(path, upgraded)
    before = path.read_bytes()
    trees, problems = read(path)
    assert problems == []
    store = await Store.open(upgraded)
    ids = await store.library.ids()
    assert sorted(trees) == sorted(ids)
    for id_ in ids:
        tree = await store.library.tree(id_)
        assert tree is not None
        assert json.loads(text_of(trees[id_])) == json.loads(text_of(tree))
    await store.close()
    assert path.read_bytes() == before


async def test_a_running_turn_is_read_from_its_journal(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path)
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.journal(turn.id, content("half a", " reply"))
    trees, problems = read(path)
    (found,) = trees[owner.id].turns
    assert (found.text, found.outcome, found.started) == ("half a reply", Outcome.FAILED, 0.0)
    assert found.error is not None
    assert found.error.type == "interrupted"
    assert problems == []
    await store.close()


async def test_what_was_deleted_stays_deleted(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    store = await Store.open(path)
    gone, kept = small_tree(), small_tree()
    for tree in (gone, kept):
        await store.library.add(tree)
    await store.library.delete(gone.conversation.id)
    await store.library.delete_branch(kept.conversation.id, kept.turns[2].id)
    trees, problems = read(path)
    assert list(trees) == [kept.conversation.id]
    assert [turn.id for turn in trees[kept.conversation.id].turns] == [
        turn.id for turn in (kept.turns[0], kept.turns[1], kept.turns[3])
    ]
    assert problems == []
    await store.close()


async def test_other_databases_are_refused(tmp_path: Path) -> None:
    other, newer = tmp_path / "other.db", tmp_path / "newer.db"
    with contextlib.closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE conversations (id)")
    await written(newer)
    with contextlib.closing(sqlite3.connect(newer)) as connection:
        connection.execute(f"PRAGMA user_version = {len(migrations.MIGRATIONS) + 1}")
    assert "another program" in read(other)[1][0]
    assert "newer tui-chat" in read(newer)[1][0]


def pages_of(path: Path, table: str) -> list[int]:
    """The numbers of the pages that a table's rows are on, without its root."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        root = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()[0]
        try:
            rows = connection.execute("SELECT pageno FROM dbstat WHERE name = ? ORDER BY pageno", (table,)).fetchall()
        except sqlite3.OperationalError:
            pytest.skip("this SQLite has no dbstat")
    return [page for (page,) in rows if page != root]


def ruin(path: Path, page: int) -> None:
    with path.open("r+b") as file:
        file.seek((page - 1) * PAGE)
        file.write(b"\xa5garbage" * (PAGE // 8))


@pytest.mark.parametrize("table", ["messages", "turns", "requests", "conversations"])
async def test_garbage_in_the_middle_costs_only_what_was_there(tmp_path: Path, table: str) -> None:
    path = tmp_path / "a.db"
    expected = await filled(path, 60)
    pages = pages_of(path, table)
    assert len(pages) > 3
    for page in (pages[len(pages) // 3], pages[2 * len(pages) // 3]):
        ruin(path, page)
    trees, problems = read(path)
    assert problems
    assert set(trees) <= set(expected)
    whole = [id_ for id_, tree in trees.items() if text_of(tree) == text_of(expected[id_])]
    assert len(whole) >= 30
    replies = {turn.text for tree in expected.values() for turn in tree.turns}
    found = {turn.text for tree in trees.values() for turn in tree.turns}
    lost_pages = 2 * PAGE // 220 + 2  # messages that two pages can hold
    assert len(replies - found) <= (lost_pages if table == "messages" else 0)


async def test_everything_readable_can_be_taken_in(tmp_path: Path) -> None:
    """What comes out of a damaged file is sound: a new store takes all of it."""
    path = tmp_path / "a.db"
    await filled(path, 40)
    for table in ("messages", "turns", "requests"):
        pages = pages_of(path, table)
        ruin(path, pages[len(pages) // 2])
    trees, _ = read(path)
    store = await Store.open(None)
    for tree in trees.values():
        assert await store.library.add(tree) == "added"
        again = await store.library.tree(tree.conversation.id)
        assert again is not None
        assert [turn.id for turn in again.turns] == [turn.id for turn in tree.turns]
    await store.close()


async def test_a_prompt_whose_predecessor_is_lost_follows_the_turn_before(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    (expected,) = (await filled(path, 1, turns=4)).values()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        second = expected.turns[1]
        connection.execute("DELETE FROM turns WHERE id = ?", (second.id,))
        connection.execute("DELETE FROM messages WHERE id IN (?, ?)", (second.prompt.id, second.reply_id))
        connection.commit()
    trees, _ = read(path)
    turns = trees[expected.conversation.id].turns
    assert [turn.id for turn in turns] == [expected.turns[place].id for place in (0, 2, 3)]
    assert turns[1].prompt.parent_id == turns[0].reply_id


async def test_what_followed_a_lost_reply_follows_its_prompt(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    (expected,) = (await filled(path, 1, turns=4)).values()
    second, last = expected.turns[1], expected.turns[3]
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM messages WHERE id = ?", (second.reply_id,))
        # A version of the third turn that stands after the fourth: the turn before it is not the one it followed.
        connection.execute("UPDATE messages SET parent_id = ? WHERE id = ?", (second.reply_id, last.prompt.id))
        connection.commit()
    trees, problems = read(path)
    tree = trees[expected.conversation.id]
    assert problems == ["a reply is lost"]
    assert [turn.prompt.parent_id for turn in tree.turns[2:]] == [second.prompt.id] * 2
    store = await Store.open(None)
    assert await store.library.add(tree) == "added"
    await store.close()


async def test_a_file_that_was_cut_off_gives_what_is_left(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    expected = await filled(path, 40)
    pages = pages_of(path, "messages")
    with path.open("r+b") as file:  # within a page, whose rows stand at its end: it still says that they are there
        file.truncate((pages[len(pages) // 2] - 1) * PAGE + 1000)
    before = path.read_bytes()
    trees, problems = read(path)
    assert trees
    assert set(trees) <= set(expected)
    assert any(problem.startswith("damaged: ") for problem in problems)
    assert path.read_bytes() == before
    assert [name for name in names(tmp_path) if name.startswith("a.db")] == ["a.db"]


async def test_a_page_written_by_half_does_not_send_the_scan_back(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    expected = await filled(path, 40)
    pages = pages_of(path, "messages")
    with path.open("r+b") as file:  # the head of the page still says where its rows are, and each is number 0 now
        file.seek((pages[len(pages) // 2] - 1) * PAGE + 500)
        file.write(bytes(PAGE - 500))
    trees, problems = read(path)
    assert set(trees) == set(expected)
    assert any("rows of messages" in problem for problem in problems)


async def test_a_reply_without_its_turn_gets_one(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    (expected,) = (await filled(path, 1)).values()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        connection.execute("DELETE FROM turns WHERE id = ?", (expected.turns[1].id,))
        connection.commit()
    trees, problems = read(path)
    turns = trees[expected.conversation.id].turns
    assert [turn.text for turn in turns] == [turn.text for turn in expected.turns]
    assert [turn.prompt for turn in turns] == [turn.prompt for turn in expected.turns]
    assert problems == ["the row of a turn is lost"]


async def test_a_conversation_without_its_row_keeps_its_messages(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    expected = await filled(path, 30)
    assert pages_of(path, "conversations")
    for page in pages_of(path, "conversations"):
        ruin(path, page)
    trees, problems = read(path)
    assert set(trees) == set(expected)
    assert {tree.conversation.title for tree in trees.values()} == {"hello"}  # the first prompt of each
    assert any("conversations" in problem for problem in problems)


async def test_a_file_of_garbage_says_so_and_ends(tmp_path: Path) -> None:
    path = tmp_path / "a.db"
    await filled(path, 20)
    size = path.stat().st_size
    for page in range(2, size // PAGE + 1):
        ruin(path, page)
    trees, problems = read(path)
    assert trees == {}
    assert problems
    ruin(path, 1)
    assert read(path)[1]
    with path.open("r+b") as file:
        file.truncate(size // 2)
    assert read(path)[1]
