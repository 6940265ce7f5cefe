"""The demo's words with a search of the server's, citations, pauses, and blocks that nobody knows."""

from typing import Any

import pytest

from tests.unit.demo_client import ask, assistant, content_of, user
from tui_chat.demo.content import Failure
from tui_chat.demo.legality import why_illegal
from tui_chat.demo.replies import choose_reply

CITED = ["text", "text"]


def kinds(content: list[dict[str, Any]]) -> list[str]:
    return [block["type"] for block in content]


def test_sources_are_three_and_one_is_cited_twice() -> None:
    content = content_of(ask(user("sources")))
    assert kinds(content) == CITED
    citations = [citation for block in content for citation in block["citations"]]
    assert len(citations) == 4
    assert len({citation["url"] for citation in citations}) == 3
    for citation in citations:
        assert set(citation) == {"type", "cited_text", "url", "title", "encrypted_index"}
        assert citation["type"] == "web_search_result_location"
    assert ask(user("sources"), assistant(content), user("thanks")).stop_reason == "end_turn"


def test_search_is_call_result_and_cited_text() -> None:
    reply = ask(user("search"))
    content = content_of(reply)
    assert kinds(content) == ["text", "server_tool_use", "web_search_tool_result", *CITED]
    call, result = content[1:3]
    assert call["id"].startswith("srvtoolu_")
    assert (call["name"], list(call["input"])) == ("web_search", ["query"])
    assert result["tool_use_id"] == call["id"]
    assert {found["type"] for found in result["content"]} == {"web_search_result"}
    assert {found["url"] for found in result["content"]} == {
        citation["url"] for block in content[3:] for citation in block["citations"]
    }
    assert (reply.stop_reason, reply.web_searches) == ("end_turn", 1)
    ask(user("search"), assistant(content), user("thanks"))


@pytest.mark.parametrize(("word", "pauses"), [("pause", 1), ("pause 1", 1), ("pause 3", 3)])
@pytest.mark.parametrize("merged", [True, False])
def test_a_paused_reply_goes_on_when_it_is_sent_back(word: str, pauses: int, merged: bool) -> None:
    so_far: list[dict[str, Any]] = []
    requests: list[list[dict[str, Any]]] = []
    for number in range(pauses):
        messages = [assistant(so_far)] if merged else [assistant(each) for each in requests]
        reply = ask(user(word), *(messages if so_far else []))
        content = content_of(reply)
        first = ["text"] if number == 0 else ["web_search_tool_result"]
        assert kinds(content) == [*first, "server_tool_use"]
        assert (reply.stop_reason, reply.web_searches) == ("pause_turn", 1)
        so_far += content
        requests.append(content)
    reply = ask(user(word), assistant(so_far))
    content = content_of(reply)
    assert kinds(content) == ["web_search_tool_result", *CITED]
    assert (reply.stop_reason, reply.web_searches) == ("end_turn", 0)
    so_far += content
    calls = [block["id"] for block in so_far if block["type"] == "server_tool_use"]
    results = [block["tool_use_id"] for block in so_far if block["type"] == "web_search_tool_result"]
    assert calls == results
    assert len(set(calls)) == pauses
    ask(user(word), assistant(so_far), user("thanks"))


def test_some_pauses_never_end() -> None:
    so_far: list[dict[str, Any]] = content_of(ask(user("pause 99")))
    for _ in range(30):
        reply = ask(user("pause 99"), assistant(so_far))
        assert reply.stop_reason == "pause_turn"
        so_far += content_of(reply)


def test_a_paused_reply_that_was_given_up_is_illegal_later() -> None:
    content = content_of(ask(user("pause")))
    messages = [user("pause"), assistant(content), user("never mind")]
    reason = why_illegal({"model": "claude-sonnet-5-5", "max_tokens": 9, "messages": messages})
    assert reason is not None
    assert "was found without a corresponding `web_search_tool_result` block" in reason


def test_odd_has_text_around_what_nobody_knows() -> None:
    reply = ask(user("odd"))
    content = content_of(reply)
    assert kinds(content) == ["redacted_thinking", "text", "hologram", "container_upload", "text"]
    assert content[3]["file_id"].startswith("file_")
    assert content[0]["data"]
    assert reply.stop_reason == "end_turn"
    assert [block.preceded_by for block in reply.blocks if block.preceded_by]
    known = [content[0], content[1], content[4]]
    ask(user("odd"), assistant(known), user("thanks"))


def test_poison_blames_the_first_message_wherever_it_is() -> None:
    for messages in ([user("poison")], [user("hello"), assistant("Hello."), user("Poison it")]):
        failure = choose_reply(messages)
        assert isinstance(failure, Failure)
        assert (failure.status, failure.type) == (400, "invalid_request_error")
        assert failure.message.startswith("messages.0.content.0: ")
    ask(user("poison"), user("hello"))
