"""Search over all messages: what is found by which words, where it is marked, and what must never be found."""

import dataclasses
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.unit.search_cases import CASES
from tests.unit.searching import keep, marked, said, store_of, text_block
from tests.unit.store_values import conversation, end, running
from tui_chat.listed import Found
from tui_chat.store import Store, index, search
from tui_chat.store.snippets import LENGTH


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, a search goes to its end."""
    monkeypatch.setattr(search, "SECONDS", 60.0)


async def shown(query: str, *texts: str | dict[str, Any]) -> list[str]:
    """What a search shows of conversations with these replies; the last one is the newest."""
    store = await store_of(None, *texts)
    found = await store.library.search(query)
    await store.close()
    assert not found.more
    return [marked(hit) for hit in found.hits]


@pytest.mark.parametrize(
    ("query", "text", "expected"),
    [pytest.param(*case, id=name) for name, case in CASES.items()],
)
async def test_what_is_found_and_marked(query: str, text: str, expected: str | None) -> None:
    assert await shown(query, text) == ([] if expected is None else [expected])


@pytest.mark.parametrize("query", ["", " ", "\n", "!", "...", '""', '"""', "*", "-", "( )", "\x00", "\u200b", "_", "^"])
async def test_no_word_finds_nothing(query: str) -> None:
    assert await shown(query, "a text with words") == []


async def test_a_very_long_query_is_looked_at_as_far_as_it_goes() -> None:
    text = " ".join(f"word{number}" for number in range(2_000))
    assert len(await shown(text, text)) == 1
    assert await shown(text + " nowhere", "something else") == []
    assert await shown("x" * 100_000, "x" * 100_000 + " and more") != []


async def test_the_newest_come_first_whatever_was_stored_first() -> None:
    store = await Store.open(None)
    for place, at in enumerate([1.7e9, 1.5e9, 1.8e9, 1.6e9]):
        owner = conversation()
        await keep(store, owner, said(owner, f"tea {place}", text_block(f"tea of {place}"), at=at))
    found = await store.library.search("tea")
    assert [hit.at for hit in found.hits] == sorted((hit.at for hit in found.hits), reverse=True)
    assert [hit.snippet[-1] for hit in found.hits] == list("22003311")
    await store.close()


async def test_a_hit_says_where_it_is() -> None:
    store = await Store.open(None)
    owner = dataclasses.replace(conversation(), title="All about \x1btea")
    turn = await keep(store, owner, said(owner, "black or green?", text_block("Green."), at=1.7e9))
    prompt, reply = (await store.library.search("black")).hits[0], (await store.library.search("green")).hits[0]
    assert (prompt.role, prompt.message_id, prompt.snippet) == ("user", turn.prompt.id, "black or green?")
    assert (reply.role, reply.message_id, reply.snippet, reply.marks) == (
        "assistant",
        turn.reply_id,
        "Green.",
        ((0, 5),),
    )
    for hit in (prompt, reply):
        assert (hit.conversation_id, hit.turn_id, hit.title, hit.at) == (owner.id, turn.id, "All about ␛tea", 1.7e9)
        assert hit.on_path
    await store.close()


BLOCKS: dict[str, tuple[dict[str, Any], str | None]] = {
    "thinking": ({"type": "thinking", "thinking": "so the tea", "signature": "c2ln"}, "so the [tea]"),
    "a tool's input": ({"type": "tool_use", "id": "t", "name": "brew", "input": {"what": "tea"}}, "brew [tea]"),
    "a tool's name": ({"type": "tool_use", "id": "t", "name": "make_tea", "input": {}}, "make_[tea]"),
    "deep in it": (
        {"type": "tool_use", "id": "t", "name": "brew", "input": {"cups": [{"of": ["milk", 2, "tea"]}, None, True]}},
        "brew milk 2 [tea]",
    ),
    "inside a word of it": (
        {"type": "tool_use", "id": "t", "name": "brew", "input": {"c": "ateapot"}},
        "brew a[tea]pot",
    ),
    "a call that was cut": (
        {"type": "tool_use", "id": "t", "name": "b", "partial_json": '{"a": "tea'},
        'b {"a": "[tea]',
    ),
    "a tool's result": ({"type": "tool_result", "tool_use_id": "t", "content": "hot\n  tea"}, "hot [tea]"),
    "a result in blocks": (
        {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "hot tea"}]},
        "hot [tea]",
    ),
    "what was found in the web": (
        {
            "type": "web_search_tool_result",
            "tool_use_id": "t",
            "content": [
                {"type": "web_search_result", "title": "On tea", "url": "http://x", "encrypted_content": "tea"}
            ],
        },
        "On [tea] http://x",
    ),
    "no id": ({"type": "tool_use", "id": "tea", "name": "brew", "input": {}}, None),
    "no signature": ({"type": "thinking", "thinking": "so", "signature": "tea"}, None),
    "no picture": (
        {"type": "tool_result", "content": [{"type": "image", "source": {"media_type": "tea", "data": "tea"}}]},
        None,
    ),
    "nothing unknown": ({"type": "from_the_future", "text": "tea"}, None),
    "no text that is no text": ({"type": "text", "text": ["tea"]}, None),
}


@pytest.mark.parametrize(("block", "expected"), BLOCKS.values(), ids=BLOCKS)
async def test_the_blocks_that_are_read(block: dict[str, Any], expected: str | None) -> None:
    assert await shown("tea", block) == ([] if expected is None else [expected])


async def test_sentences_that_citations_cut_into_blocks() -> None:
    store = await Store.open(None)
    owner = conversation()
    result = {"type": "tool_result", "tool_use_id": "t", "content": "pot"}
    await keep(store, owner, said(owner, "?", text_block("a green t"), text_block("ea"), result, text_block("ful")))
    assert [marked(hit) for hit in (await store.library.search('"green tea"')).hits] == ["a [green tea]"]
    assert (await store.library.search('"tea pot"')).hits == []  # blocks of other kinds stand apart
    await store.close()


async def test_the_programs_own_words_are_not_found() -> None:
    store = await Store.open(None)
    owner = conversation()
    await keep(store, owner, said(owner, "please go on", text_block("Here."), continues=True))
    assert (await store.library.search("please")).hits == []
    assert len((await store.library.search("here")).hits) == 1
    await store.close()


SNIPPETS = {
    "short": ("one tea", "one [tea]"),
    "blanks and line ends": ("one\n\n\t tea\r\n", "one [tea]"),
    "escape sequences": ("\x1b[31m tea\x1b[0m", "␛[31m [tea]␛[0m"),
    "what turns the direction": ("a\u202etea", "a⟨U+202E⟩[tea]"),
    "far behind": ("word " * 100 + "tea" + " more" * 100, "…" + "word " * 8 + "[tea]" + " more" * 23 + "…"),
    "without blanks": ("字" * 100 + "tea" + "字" * 200, "…" + "字" * 40 + "[tea]" + "字" * 115 + "…"),
    "at the end": ("word " * 100 + "tea", "…" + "word " * 8 + "[tea]"),
    "several": ("tea " + "x " * 70 + "tea " + "y " * 90 + "tea", "[tea] " + "x " * 70 + "[tea]" + " y" * 6 + "…"),
}


@pytest.mark.parametrize(("text", "expected"), SNIPPETS.values(), ids=SNIPPETS)
async def test_the_snippet(text: str, expected: str) -> None:
    (found,) = await shown("tea", text)
    assert found == expected
    assert len(found.replace("[tea]", "tea")) <= LENGTH


async def test_the_snippet_shows_as_many_of_the_words_as_it_can() -> None:
    text = "tea " + "x " * 300 + "green tea with milk " + "x " * 300 + "milk"
    (found,) = await shown("milk green tea", text)
    assert "[green] [tea] with [milk]" in found


async def test_a_long_phrase_is_marked_as_far_as_it_is_seen() -> None:
    text = "and ".join("very " for _ in range(50))
    (found,) = await shown(f'"{text}"', text)
    assert found.startswith("[very and very")
    assert found.endswith("]…")


# What must not be found, and where the path leads ------------------------------------------------------------------------


async def test_what_was_deleted_is_not_found_and_what_was_brought_back_is() -> None:
    store = await store_of(None, "first tea", "second tea")
    hits = (await store.library.search("tea")).hits
    deletion = await store.library.delete(hits[0].conversation_id)
    assert [hit.snippet for hit in (await store.library.search("tea")).hits] == ["first tea"]
    await store.library.restore(deletion)
    assert (await store.library.search("tea")).hits == hits
    await store.close()


async def test_deleted_branches_are_not_found_but_a_prompt_that_is_still_asked_is() -> None:
    store = await Store.open(None)
    owner = conversation()
    first = await keep(store, owner, said(owner, "which tea?", text_block("Green tea.")))
    again = await keep(store, owner, said(owner, "", text_block("Black tea."), again=first, at=1.7e9 + 9))
    assert len((await store.library.search("tea")).hits) == 3
    await store.library.delete_branch(owner.id, again.id)
    hits = (await store.library.search("tea")).hits
    assert {(hit.snippet, hit.turn_id) for hit in hits} == {("which tea?", first.id), ("Green tea.", first.id)}
    await store.library.delete_branch(owner.id, first.id)
    assert (await store.library.search("tea")).hits == []
    await store.close()


async def test_whether_the_current_path_leads_over_a_hit() -> None:
    store = await Store.open(None)
    owner = conversation()
    root = await keep(store, owner, said(owner, "root tea", text_block("reply to root tea")))
    left = await keep(store, owner, said(owner, "left tea", text_block("reply to left tea"), after=root, at=1.7e9 + 1))
    right = await keep(
        store, owner, said(owner, "right tea", text_block("reply to right tea"), after=root, at=1.7e9 + 2)
    )

    async def on_path() -> dict[str, bool]:
        return {hit.snippet.split()[-2]: hit.on_path for hit in (await store.library.search("reply")).hits}

    assert await on_path() == {"root": True, "left": False, "right": True}
    await store.library.set_current(owner.id, left.id)
    assert await on_path() == {"root": True, "left": True, "right": False}
    hits = {hit.snippet: hit for hit in (await store.library.search("tea")).hits}
    assert (hits["right tea"].on_path, hits["right tea"].turn_id) == (False, right.id)
    assert (hits["left tea"].on_path, hits["left tea"].turn_id) == (True, left.id)
    await store.close()


async def test_a_prompt_of_several_turns_leads_to_the_one_on_the_path() -> None:
    store = await Store.open(None)
    owner = conversation()
    first = await keep(store, owner, said(owner, "which tea?", text_block("Green.")))
    second = await keep(store, owner, said(owner, "", text_block("Black."), again=first, at=1.7e9 + 9))
    for turn in (first, second):
        await store.library.set_current(owner.id, turn.id)
        (hit,) = (await store.library.search("which")).hits
        assert (hit.turn_id, hit.on_path) == (turn.id, True)
    await store.close()


# How much is found -------------------------------------------------------------------------------------------------------


async def test_no_more_than_was_asked_for() -> None:
    store = await store_of(None, *(f"tea {number}" for number in range(12)))
    for limit, count, more in ((5, 5, True), (11, 11, True), (12, 12, False), (50, 12, False)):
        found = await store.library.search("tea", limit=limit)
        assert (len(found.hits), found.more) == (count, more)
        assert [hit.snippet for hit in found.hits] == [f"tea {11 - place}" for place in range(count)]
    await store.close()


async def test_a_search_that_takes_too_long_says_that_there_may_be_more(monkeypatch: pytest.MonkeyPatch) -> None:
    store = await store_of(None, *(f"tea and then a {number}" for number in range(40)))
    monkeypatch.setattr(search, "SECONDS", -1.0)
    monkeypatch.setattr(search, "_STEPS", 1)
    assert await store.library.search('"a tea"') == Found([], more=True, indexed=1.0)
    monkeypatch.setattr(search, "SECONDS", 60.0)
    assert await store.library.search('"a tea"') == Found([], more=False, indexed=1.0)
    await store.close()


async def test_the_share_that_is_indexed(tmp_path: Path) -> None:
    store = await store_of(tmp_path / "db", "one tea", "two teas", "three teas")
    await store.close()
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute(
            "SELECT * FROM messages WHERE blocks LIKE '%two%' OR blocks LIKE '%three%'"
        ).fetchall()
        index.unindex(connection, rows)
        connection.commit()
        found = search.search(connection, "tea")
        assert [hit.snippet for hit in found.hits] == ["one tea"]
        assert found.indexed == pytest.approx(4 / 6)
        while index.index_some(connection, 1):
            assert search.search(connection, "tea").indexed < 1.0 or len(search.search(connection, "tea").hits) == 3
        assert len(search.search(connection, "tea").hits) == 3


async def test_damage_to_one_message_does_not_hide_the_others(tmp_path: Path) -> None:
    store = await store_of(tmp_path / "db", "one tea", "two teas", "three teas")
    await store.close()
    with sqlite3.connect(tmp_path / "db") as connection:
        connection.row_factory = sqlite3.Row
        connection.execute("UPDATE messages SET blocks = '[{' WHERE blocks LIKE '%two%'")
        assert len(search.search(connection, "tea").hits) == 2
        for statement in index.REBUILD:
            connection.execute(statement)
        while index.index_some(connection):
            pass
        found = search.search(connection, "tea")
        assert (len(found.hits), found.indexed) == (2, 1.0)


async def test_a_reply_that_is_written_again_is_found_by_its_new_words_only() -> None:
    store = await Store.open(None)
    owner = conversation()
    turn = await keep(store, owner, said(owner, "?", text_block("old words")))
    later = dataclasses.replace(turn, requests=said(owner, "?", text_block("new words")).requests)
    await store.end_turn(owner, later)
    await store.library.index_all()
    assert [hit.snippet for hit in (await store.library.search("words")).hits] == ["new words"]
    assert (await store.library.search("old")).hits == []
    await store.close()


async def test_a_running_turn_is_found_by_its_prompt() -> None:
    store = await Store.open(None)
    owner = conversation()
    turn = running(owner)
    await store.begin_turn(owner, turn)
    await store.library.index_all()
    (hit,) = (await store.library.search("hello")).hits
    assert (hit.turn_id, hit.on_path) == (turn.id, True)
    end(turn)
    await store.close()


async def test_a_long_text_is_indexed_in_pieces() -> None:
    text = "字".join(f"word{number} " for number in range(8_000)) + "数据库" * 10_000 + " the end"
    assert 6 * 16_384 < len(text) < index.LONGEST
    store = await store_of(None, text)
    for query in ("word0", "word4000 ", "word7999", '"word2000 字 word2001"', "据库数", '"the end"'):
        assert len((await store.library.search(query)).hits) == 1, query
    await store.close()


async def test_of_a_very_long_message_what_was_said_is_found_first() -> None:
    owner, long = conversation(), "x " * index.LONGEST
    store = await Store.open(None)
    result = {"type": "tool_result", "tool_use_id": "t", "content": f"result {long} behind"}
    thinking = {"type": "thinking", "thinking": f"thought {long}", "signature": ""}
    await keep(
        store, owner, said(owner, f"beginning {long} beyond", result, thinking, text_block("at last the answer"))
    )
    for query, count in (("beginning", 1), ("beyond", 0), ("answer", 1), ("thought", 1), ("result", 0), ("behind", 0)):
        assert len((await store.library.search(query)).hits) == count, query
    await store.close()
