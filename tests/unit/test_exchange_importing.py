"""An import as a whole: counted, repeatable, stoppable anywhere, and a dry run that writes nothing."""

import asyncio
import json
from pathlib import Path

import pytest

from tests.unit.exchange_values import small_tree
from tests.unit.store_databases import names
from tui_chat.conversation import Tree
from tui_chat.errors import StoreError, StoreUnavailableError
from tui_chat.exchange.document import document
from tui_chat.exchange.dry_run import keeper
from tui_chat.exchange.importing import PROBLEMS_SHOWN, Kept, Report, import_files
from tui_chat.store import Store

FIXTURES = Path(__file__).parents[1] / "fixtures" / "exchange"
FILES = [FIXTURES / name for name in ("chatgpt.json", "claude.json", "claude_one.json")]


def silent(name: str, share: float, report: Report) -> None:
    assert 0 <= share <= 1


async def into(store: Store, *paths: Path) -> Report:
    report = Report()
    await import_files(paths, store.library.add, report, silent)
    return report


async def test_everything_goes_in_and_a_second_time_nothing() -> None:
    store = await Store.open(None)
    first = await into(store, *FILES)
    assert dict(first.kept) == {"added": 6}
    assert (first.turns, first.empty, first.bad) == (14, 1, 0)
    assert first.is_whole
    before = [await store.library.tree(id_) for id_ in await store.library.ids()]
    second = await into(store, *FILES)
    assert dict(second.kept) == {"known": 6}
    assert [await store.library.tree(id_) for id_ in await store.library.ids()] == before
    await store.close()


async def test_a_newer_export_adds_what_is_new(tmp_path: Path) -> None:
    records = json.loads((FIXTURES / "claude.json").read_text())
    more = json.loads((FIXTURES / "claude.json").read_text())
    message = {"uuid": "m8", "sender": "human", "text": "And a fig?", "parent_message_uuid": "m7"}
    more[0]["chat_messages"].append(message)
    more[1]["chat_messages"].append(
        {"uuid": "f4", "sender": "assistant", "text": "The Oder"}
    )  # answers a prompt that is there
    old, new = tmp_path / "old.json", tmp_path / "new.json"
    old.write_text(json.dumps(records))
    new.write_text(json.dumps(more))
    store = await Store.open(None)
    await into(store, old)
    assert dict((await into(store, new)).kept) == {"updated": 2}
    trees = {
        tree.conversation.title: tree for id_ in await store.library.ids() if (tree := await store.library.tree(id_))
    }
    assert [turn.prompt.text for turn in trees["An apple tree"].turns][-1] == "And a fig?"
    assert [turn.text for turn in trees["Name a river"].turns] == ["The Elbe", "The Oder"]
    assert dict((await into(store, old)).kept) == {"known": 2}
    assert dict((await into(store, new)).kept) == {"known": 2}
    await store.close()


async def test_one_bad_record_costs_no_other_and_is_named(tmp_path: Path) -> None:
    records = json.loads((FIXTURES / "chatgpt.json").read_text())
    path = tmp_path / "a.json"
    path.write_text(json.dumps([records[0], {"mapping": {}}, records[1]]))
    store = await Store.open(None)
    report = await into(store, path)
    assert dict(report.kept) == {"added": 2}
    assert not report.is_whole
    assert list(report.lines()) == [
        "2 conversations with 5 turns: 2 added",
        "1 problem:",
        "  a.json, record 2: it has no id",
    ]
    await store.close()


async def test_problems_are_counted_but_not_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps([{"x": "\x1b[2J"}] * 50))
    report = await into(await Store.open(None), path)
    lines = list(report.lines())
    assert (report.bad, len(report.problems)) == (50, PROBLEMS_SHOWN)
    assert lines[-1] == f"  and {50 - PROBLEMS_SHOWN} more"


async def test_a_store_that_cannot_take_more_ends_it_and_one_that_refuses_does_not() -> None:
    calls = 0

    async def full(tree: Tree) -> Kept:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreError("an id belongs to another conversation")
        if calls == 3:
            raise StoreUnavailableError("the disk is full", "free some space")
        return "added"

    report = Report()
    await import_files(FILES, full, report, silent)
    assert calls == 3
    assert report.stopped == "stopped at chatgpt.json, record 3: the disk is full: free some space"
    assert (report.conversations, report.bad) == (1, 1)
    assert not report.is_whole


async def test_stopped_anywhere_it_leaves_whole_conversations_and_goes_on(tmp_path: Path) -> None:
    """Cancelled after each number of steps: what is counted is there and whole; again, the rest goes in."""
    full = await Store.open(None)
    await into(full, *FILES)
    expected = {id_: await full.library.tree(id_) for id_ in await full.library.ids()}
    for steps in range(1, 60, 3):
        store = await Store.open(None)
        report = Report()
        task = asyncio.create_task(import_files(FILES, store.library.add, report, silent))
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        there = {id_: await store.library.tree(id_) for id_ in await store.library.ids()}
        assert report.conversations <= len(there) <= report.conversations + 1  # one may have been on its way
        assert there == {id_: expected[id_] for id_ in there}
        again = await into(store, *FILES)
        assert again.kept["added"] == 6 - len(there)
        await store.close()
    await full.close()


async def test_a_dry_run_says_the_same_and_writes_nothing(tmp_path: Path) -> None:
    data = tmp_path / "data"
    path = data / "conversations.db"
    report = Report()
    with keeper(path) as keep:
        await import_files(FILES, keep, report, silent)
    assert dict(report.kept) == {"added": 6}
    assert not data.exists()
    assert next(report.lines(dry=True)).endswith("6 would be added")
    store = await Store.open(path)
    await into(store, FILES[0])
    await store.close()
    before = {name: (data / name).read_bytes() for name in names(data)}
    report = Report()
    with keeper(path) as keep:
        await import_files([*FILES, FILES[1]], keep, report, silent)
    assert dict(report.kept) == {"added": 3, "known": 5}
    records = json.loads(FILES[0].read_text())[:1]
    records[0]["mapping"]["a3"]["children"] = ["u9"]
    message = {"author": {"role": "user"}, "content": {"parts": ["And then?"]}}
    records[0]["mapping"]["u9"] = {"parent": "a3", "children": [], "message": message}
    newer = tmp_path / "newer.json"
    newer.write_text(json.dumps(records))
    report = Report()
    with keeper(path) as keep:
        await import_files([newer], keep, report, silent)
    assert dict(report.kept) == {"updated": 1}
    assert {name: (data / name).read_bytes() for name in names(data)} == before


async def test_our_own_file_comes_back_whole(tmp_path: Path) -> None:
    tree = small_tree()
    path = tmp_path / "a.json"
    path.write_text("".join(document(tree)))
    store = await Store.open(None)
    await into(store, path)
    back = await store.library.tree(tree.conversation.id)
    assert back is not None
    assert "".join(document(back)) == path.read_text()
    await store.close()
