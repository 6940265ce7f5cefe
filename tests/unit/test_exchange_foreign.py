"""Exports of other programs: their trees become turns and versions, and nothing is invented."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.conversation import Message, Outcome, Tree, Turn
from tui_chat.engine.history import messages_for
from tui_chat.exchange import chatgpt, claude_ai
from tui_chat.exchange.foreign import Node, Origin, seconds, tree_of
from tui_chat.exchange.items import named
from tui_chat.exchange.shape import ShapeError

FIXTURES = Path(__file__).parents[1] / "fixtures" / "exchange"


def records(name: str) -> Any:
    return json.loads((FIXTURES / name).read_text())


def chatgpt_tree(place: int) -> Tree:
    return named(chatgpt.conversation_of(records("chatgpt.json")[place]))


def claude_tree(place: int) -> Tree:
    return named(claude_ai.conversation_of(records("claude.json")[place]))


def outline(tree: Tree) -> list[tuple[str, str, str]]:
    """Each turn: its prompt, its reply, and the reply (or prompt) that it follows."""
    texts: dict[str | None, str] = {None: ""}
    found = []
    for turn in tree.turns:
        after = texts[turn.prompt.parent_id]
        texts[turn.prompt.id], texts[turn.reply_id] = turn.prompt.text, turn.text
        found.append((turn.prompt.text.partition("\n")[0], turn.text.partition("\n")[0], after.partition("\n")[0]))
    return found


def calls(turn: Turn) -> list[tuple[str, Any, str | None, bool]]:
    return [(call.name, dict(call.input), call.result, call.is_error) for call in turn.calls]


# ChatGPT -----------------------------------------------------------------------------------------------------------------


def test_chatgpt_branches_become_versions() -> None:
    tree = chatgpt_tree(0)
    steep = "Two minutes at 80 °C. ([tea.example](https://tea.example/steep)) Try Sencha."
    assert outline(tree) == [
        ("How long does green tea steep?", "Three minutes.", ""),
        ("How long does green tea steep?", steep, ""),
        ("[picture]", "Five cups.", steep),
        ("And black tea?", "Four minutes", steep),
    ]
    assert tree.turns[0].prompt == tree.turns[1].prompt
    assert tree.current_turn_id == tree.turns[2].id
    conversation = tree.conversation
    assert (conversation.title, conversation.title_from, conversation.pinned) == ("Brewing tea", "model", True)
    assert conversation.origin == {"source": "chatgpt", "id": "6f0c-tea"}
    assert conversation.created_at == 1717000000.5
    assert conversation.model is None  # theirs is none that could answer here


def test_chatgpt_thoughts_tools_and_endings() -> None:
    three, two, cups, black = chatgpt_tree(0).turns
    assert two.thinking == "**Weighing the leaf**\n\nGreen tea turns bitter when it is hot.\nThought for 4s"
    assert (three.outcome, three.stop_reason, three.model, three.server) == (
        Outcome.COMPLETED,
        "stop",
        "gpt-tea-2",
        "chatgpt.com",
    )
    assert calls(cups) == [("python", {"input": "print(1200 / 240)"}, "5.0", False)]
    assert len(cups.rounds) == 2
    assert cups.prompt.text == "[picture]\nHow many cups is this?\n\n[file: pot.png]"
    assert (black.outcome, black.stop_reason) == (Outcome.CANCELLED, "interrupted")
    assert (three.started_at, two.started_at, two.ended) == (1717000001.0, 1717000010.0, 5.0)


def test_chatgpt_search_results_errors_and_unknown_content() -> None:
    (turn,) = chatgpt_tree(2).turns
    ((name, given, result, is_error),) = calls(turn)
    assert (name, given, is_error) == ("web.search", {"query": "harbour news"}, False)
    assert result is not None
    for text in (
        "A new crane",
        "https://harbour.example/a",
        "The crane is blue.",
        "It lifts forty tons.",
        "robots.txt",
    ):
        assert text in result
    assert [block.type for block in turn.rounds[1].ordered_blocks] == ["hologram", "text"]
    assert turn.rounds[1].ordered_blocks[0].start["beams"] == 3


def test_chatgpt_of_old_days() -> None:
    tree = chatgpt_tree(1)
    assert (tree.conversation.title, tree.conversation.title_from) == ("Write a line about rain,", "prompt")
    assert tree.conversation.system == "You answer in rhymes."
    assert tree.turns[0].text == "```python\nprint('rain')\n```\n"


# Claude ------------------------------------------------------------------------------------------------------------------


def test_claude_branches_become_versions() -> None:
    tree = claude_tree(0)
    where = "Where does an apple tree go?"
    assert outline(tree) == [
        (where, "In the south.", ""),
        (where, "Let me look. ", ""),
        ("And a pear?", "The same.", "In the south."),
        ("And a plum?", "Further east.", "Let me look. "),
    ]
    assert tree.current_turn_id == tree.turns[3].id  # the export does not say: the newest
    assert tree.turns[0].prompt.text == f"{where}\n\n[attached: plan.txt]\n\nNorth is up.\n\n[file: garden.png]"


def test_claude_thinking_tools_and_sources() -> None:
    south, look, *_ = claude_tree(0).turns
    assert south.thinking == "Sun matters."
    assert look.text == "Let me look. \n\nPlant it in spring."
    assert calls(look) == [
        (
            "web_search",
            {"query": "apple tree place"},
            "Apple trees\nhttps://garden.example/apple\nSix hours of sun.",
            False,
        )
    ]
    (block,) = look.rounds[1].ordered_blocks
    assert block.start["citations"] == [
        {"type": "citation", "url": "https://garden.example/apple", "title": "Apple trees"}
    ]


def test_a_flat_export_is_one_path_and_an_unanswered_prompt_stays() -> None:
    tree = claude_tree(1)
    assert outline(tree) == [("Name a river", "The Elbe", ""), ("Another", "", "The Elbe")]
    unanswered = tree.turns[1]
    assert (unanswered.outcome, unanswered.in_context) == (Outcome.FAILED, False)
    assert unanswered.error is not None
    assert unanswered.error.sentence == "the export holds no reply to it"


def test_one_conversation_as_a_web_page_has_it() -> None:
    tree = claude_ai.conversation_of(records("claude_one.json"))
    assert outline(tree) == [("Say one", "One", ""), ("Say one", "Uno", "")]
    assert tree.current_turn_id == tree.turns[0].id
    assert [turn.stop_reason for turn in tree.turns] == ["stop_sequence", "user_canceled"]
    assert [turn.outcome for turn in tree.turns] == [Outcome.COMPLETED, Outcome.CANCELLED]
    assert {turn.model for turn in tree.turns} == {"claude-tea-4"}


# Both --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chatgpt.json", "claude.json"])
def test_reading_it_twice_gives_the_same_ids(name: str) -> None:
    reader = chatgpt if name == "chatgpt.json" else claude_ai
    for record in records(name):
        assert reader.conversation_of(record) == reader.conversation_of(record)


def test_nothing_is_invented() -> None:
    for tree in (chatgpt_tree(0), claude_tree(0)):
        for turn in tree.turns:
            assert turn.usage.fields == {}
            assert turn.ttft is None
            assert not turn.usage_is_final
            assert {request.request_id for request in turn.requests} == {None}


def test_a_later_export_keeps_the_ids_and_adds_what_is_new() -> None:
    before = records("chatgpt.json")[0]
    after = records("chatgpt.json")[0]
    mapping = after["mapping"]
    mapping["u1"]["children"].append("a9")
    mapping["a3"]["children"].insert(0, "u9")
    message = {"author": {"role": "assistant"}, "content": {"content_type": "text", "parts": ["Ninety seconds."]}}
    mapping["a9"] = {"id": "a9", "parent": "u1", "children": [], "message": {**message, "create_time": 1718000000.0}}
    mapping["u9"] = {
        "id": "u9",
        "parent": "a3",
        "children": [],
        "message": {**message, "author": {"role": "user"}, "create_time": 1718000001.0},
    }
    old, new = chatgpt.conversation_of(before), chatgpt.conversation_of(after)
    assert old.conversation.id == new.conversation.id
    kept = {turn.id: turn for turn in new.turns}
    assert all(kept[turn.id] == turn for turn in old.turns)
    assert len(new.turns) == len(old.turns) + 2


def test_the_next_request_of_an_imported_conversation_is_sound() -> None:
    prompt = Message("p", None, "user", ({"type": "text", "text": "go on"},), 0.0)
    for tree in (chatgpt_tree(0), chatgpt_tree(2), claude_tree(0)):
        for message in messages_for(tree.turns, prompt, "claude-sonnet-5-5"):
            for block in message["content"]:
                assert block["type"] in ("text", "tool_use", "tool_result")
                assert set(block) <= {"type", "text", "id", "name", "input", "tool_use_id", "content", "is_error"}


@pytest.mark.parametrize(
    ("reader", "record"),
    [
        (chatgpt, {"mapping": {}}),
        (chatgpt, {"id": "a", "mapping": []}),
        (claude_ai, {"chat_messages": []}),
        (claude_ai, {"uuid": "a", "chat_messages": {}}),
        (claude_ai, {"uuid": "a", "chat_messages": ["text"]}),
    ],
)
def test_what_cannot_be_read_says_why(reader: Any, record: dict[str, Any]) -> None:
    with pytest.raises(ShapeError):
        reader.conversation_of(record)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_damage_gives_a_conversation_or_an_error_of_a_known_kind(data: st.DataObject) -> None:
    """Any one value of a record replaced by any other."""
    name = data.draw(st.sampled_from(["chatgpt.json", "claude.json"]))
    record = data.draw(st.sampled_from(records(name)))
    inner: Any = record
    while True:
        steps = list(inner) if isinstance(inner, dict) else list(range(len(inner)))
        step = data.draw(st.sampled_from(steps))
        if isinstance(inner[step], dict | list) and inner[step] and data.draw(st.integers(0, 5)):
            inner = inner[step]
            continue
        inner[step] = data.draw(
            st.none()
            | st.booleans()
            | st.integers()
            | st.floats()
            | st.text(max_size=3)
            | st.just([])
            | st.just({"a": 1})
        )
        break
    try:
        tree = (chatgpt if name == "chatgpt.json" else claude_ai).conversation_of(record)
    except (ShapeError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return
    check(tree)


def check(tree: Tree) -> None:
    """Every turn follows a message of an earlier one, and ids are unique."""
    known: set[str | None] = {None}
    for turn in tree.turns:
        assert turn.prompt.parent_id in known
        assert turn.reply_id not in known
        known |= {turn.prompt.id, turn.reply_id}
    assert len({turn.id for turn in tree.turns}) == len(tree.turns)
    assert tree.current_turn_id in {turn.id for turn in tree.turns} | {None}


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_every_message_of_any_tree_is_in_some_turn(data: st.DataObject) -> None:
    """Any forest, loops and lost parents included: each prompt and each text comes out, on a path that is the source's."""
    count = data.draw(st.integers(1, 9))
    parents = st.none() | st.sampled_from([f"n{number}" for number in range(count + 1)])
    nodes = [
        Node(
            f"n{number}",
            data.draw(parents),
            data.draw(st.booleans()),
            [{"type": "text", "text": f"<{number}>"}] if data.draw(st.booleans()) else [],
            data.draw(st.none() | st.floats(1e9, 2e9)),
        )
        for number in range(count)
    ]
    said = {f"<{number}>" for number, node in enumerate(nodes) if node.blocks}
    from tui_chat.conversation import Conversation

    conversation = Conversation("source", 1.0)
    tree = tree_of(Origin("test", "test", "test"), conversation, nodes, data.draw(parents))
    check(tree)
    found = "".join(turn.prompt.text + turn.text for turn in tree.turns)
    assert {text for text in said if text in found} == said
    assert [turn.started_at for turn in tree.turns] == sorted(turn.started_at for turn in tree.turns)


def test_a_very_long_conversation_is_no_matter() -> None:
    nodes = [
        Node(str(number), str(number - 1), number % 2 == 0, [{"type": "text", "text": str(number)}])
        for number in range(20_000)
    ]
    from tui_chat.conversation import Conversation

    tree = tree_of(Origin("test", "test", "test"), Conversation("long", 1.0), nodes, "19999")
    assert len(tree.turns) == 10_000
    assert tree.current_turn_id == tree.turns[-1].id


@pytest.mark.parametrize(
    ("value", "at"),
    [(1717000000, 1717000000.0), (1717000000.5, 1717000000.5), (1717000000500, 1717000000.5), (0, None), (-1, None),
     (float("nan"), None), (float("inf"), None), (1e300, None), (True, None), ("2024", None), (None, None)],
)  # fmt: skip
def test_moments(value: object, at: float | None) -> None:
    assert seconds(value) == at


@pytest.mark.parametrize(
    ("value", "at"),
    [("2023-08-01T08:00:00.000000+00:00", 1690876800.0), ("2023-08-01T08:00:00Z", 1690876800.0),
     ("2023-08-01T08:00:00", 1690876800.0), ("yesterday", None), (5, None), ("0001-01-01T00:00:00+23:00", None)],
)  # fmt: skip
def test_iso_moments(value: object, at: float | None) -> None:
    assert claude_ai.moment(value) == at
