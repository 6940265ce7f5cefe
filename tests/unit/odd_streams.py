"""The bodies of `tests/fixtures/sse`, one oddity each, and what a turn must make of them.

Every file that says nothing else streams "Hello, world" with 14 tokens in and 9 out and ends with `end_turn`: what is
given here is what differs. `None` for a count means that nothing usable is known of it. The bodies
that differ in a word only, one for each error of the API, are made here.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tui_chat.engine.sse import SseDecoder
from tui_chat.engine.translator import Translator
from tui_chat.events import Event, WireFrame

FOLDER: Final = Path(__file__).parents[1] / "fixtures" / "sse"


@dataclass(frozen=True, slots=True)
class OddStream:
    """What is expected of the body `name`. `error` is the failure's type; without one the turn is completed."""

    name: str
    text: str = "Hello, world"
    stop_reason: str | None = "end_turn"
    error: str | None = None
    tokens: tuple[int | None, int | None] = (14, 9)
    blocks: tuple[str, ...] = ("text",)
    unknown_events: int = 0
    requests: int = 1
    made: bytes | None = None

    @property
    def body(self) -> bytes:
        """The bytes as they are sent."""
        return (FOLDER / f"{self.name}.sse").read_bytes() if self.made is None else self.made


def _cut(name: str, text: str = "Hello", error: str = "cut_off") -> OddStream:
    """A body that ends before its stop reason and its final usage."""
    return OddStream(name, text, stop_reason=None, error=error, tokens=(14, 1))


# What the API calls its errors, and whether a request that got one as its first event goes out again.
API_ERRORS: Final = {
    "invalid_request_error": False,
    "authentication_error": False,
    "billing_error": False,
    "permission_error": False,
    "not_found_error": False,
    "request_too_large": False,
    "rate_limit_error": True,
    "timeout_error": True,
    "api_error": True,
    "overloaded_error": True,
}


def _errors(kind: str, *, again: bool) -> Iterator[OddStream]:
    """One of the API's errors in place of a reply, and in the middle of one."""
    data = {"type": "error", "error": {"type": kind, "message": "no"}, "request_id": "req_9"}
    event = f"event: error\ndata: {json.dumps(data)}\n\n".encode()
    begun = (FOLDER / "clean-end.sse").read_bytes()
    yield OddStream(f"{kind}-first", "", None, kind, (None, None), (), requests=3 if again else 1, made=event)
    yield OddStream(f"{kind}-mid-stream", "Hello", None, kind, (14, 1), made=begun + event)


ODD_STREAMS: Final = (
    # Framing
    OddStream("plain"),
    OddStream("no-event-lines"),
    OddStream("byte-order-mark"),
    OddStream("crlf"),
    OddStream("cr"),
    OddStream("mixed-line-ends"),
    OddStream("no-space-after-colon"),
    OddStream("comments"),
    OddStream("multi-line-data"),
    OddStream("id-and-retry-fields"),
    OddStream("data-before-event"),
    OddStream("blank-lines"),
    OddStream("type-in-event-line-only"),
    OddStream("stop-without-blank-line"),
    OddStream("comments-inside-events"),
    OddStream("lines-that-are-no-fields"),
    OddStream("event-id-on-every-event"),
    OddStream("event-lines-that-say-message"),
    OddStream("event-lines-without-space"),
    OddStream("padded-json"),
    OddStream("ping-without-data"),
    OddStream("invalid-utf-8", "H\ufffd\ufffdllo, world"),
    OddStream("no-blank-line-at-all", "", None, "not_a_stream", (None, None), ()),
    OddStream("done-after-stop"),
    OddStream("done-as-data-event"),
    OddStream("done-before-stop"),
    OddStream("done-event", error="cut_off"),
    OddStream("bad-json-in-the-middle", unknown_events=1),
    OddStream("data-that-is-no-object", unknown_events=4),
    # Ends
    _cut("half-event-at-end"),
    _cut("clean-end"),
    OddStream("end-after-stop-reason", error="cut_off"),
    OddStream("done-instead-of-stop", error="cut_off"),
    OddStream("only-message-stop", "", None, tokens=(None, None), blocks=()),
    OddStream("only-message-start", "", None, "cut_off", (14, 1), ()),
    OddStream("deltas-only", stop_reason=None, error="cut_off", tokens=(None, None)),
    OddStream("only-pings", "", None, "not_a_stream", (None, None), ()),
    OddStream("openai-chunks", "", None, "not_a_stream", (None, None), (), unknown_events=1),
    OddStream("garbage-after-stop"),
    OddStream("delta-after-stop"),
    OddStream("error-after-stop"),
    # Errors
    OddStream("error-first", "", None, "overloaded_error", (None, None), (), requests=3),
    OddStream("error-first-invalid", "", None, "invalid_request_error", (None, None), ()),
    OddStream("error-first-not-json", "", None, "api_error", (None, None), (), requests=3),
    OddStream("error-after-pings", "", None, "overloaded_error", (None, None), (), requests=3),
    OddStream("error-after-start", "", None, "api_error", (42, 3), requests=3),
    _cut("error-mid-stream", error="overloaded_error"),
    _cut("error-after-text-in-start", error="overloaded_error"),
    _cut("error-not-json", error="api_error"),
    _cut("error-cut-in-half", error="api_error"),
    _cut("error-without-envelope", error="rate_limit_error"),
    _cut("error-without-data", error="api_error"),
    _cut("error-as-text", error="api_error"),
    _cut("error-of-another-protocol", error="server_error"),
    _cut("error-of-unknown-type", error="internal_error"),
    *(each for kind, again in API_ERRORS.items() for each in _errors(kind, again=again)),
    # Messages and their usage
    OddStream("second-message-start"),
    OddStream("no-message-start"),
    OddStream("late-message-start"),
    OddStream("content-in-message-start", blocks=("text", "text")),
    OddStream("empty-reply", "", tokens=(14, 2), blocks=()),
    OddStream("usage-null"),
    OddStream("usage-missing", tokens=(None, None)),
    OddStream("usage-only-at-the-end"),
    OddStream("usage-absurd", tokens=(None, None)),
    OddStream("usage-infinite", tokens=(14, 1)),
    OddStream("usage-cumulative", tokens=(19, 9)),
    OddStream("usage-that-shrinks"),
    OddStream("usage-null-at-the-end", tokens=(14, 1)),
    OddStream("usage-details", tokens=(1114, 9)),
    OddStream("usage-iterations"),
    OddStream("usage-negative", tokens=(14, None)),
    OddStream("usage-beyond-64-bits", tokens=(None, None)),
    OddStream("usage-fractions", tokens=(None, None)),
    OddStream("usage-as-text", tokens=(None, None)),
    OddStream("usage-as-booleans", tokens=(None, None)),
    OddStream("usage-that-is-a-list", tokens=(None, None)),
    OddStream("usage-nested-absurd"),
    OddStream("nulls", tokens=(None, 9), blocks=("", "text"), unknown_events=1),
    OddStream("wrong-types", tokens=(None, 9), blocks=("", "7", "text")),
    # Blocks and deltas
    OddStream("unknown-event", unknown_events=1),
    OddStream("unknown-block", blocks=("mystery_block", "text")),
    OddStream("unknown-delta"),
    OddStream("unknown-fields"),
    OddStream("deeply-nested", unknown_events=1),
    OddStream("interleaved-blocks", blocks=("text", "text")),
    OddStream("gapped-indices", blocks=("text", "text")),
    OddStream("out-of-order-indices", blocks=("text", "text")),
    OddStream("missing-indices", blocks=("text", "text")),
    OddStream("repeated-index", blocks=("text", "text")),
    OddStream("delta-before-start", blocks=("text", "text")),
    OddStream("delta-without-start"),
    OddStream("text-in-block-start"),
    OddStream("never-closed"),
    OddStream("stop-before-the-blocks-end"),
    OddStream("blocks-left-open", blocks=("thinking", "text")),
    OddStream("delta-that-does-not-fit", blocks=("tool_use", "text")),
    OddStream("empty-deltas"),
    OddStream("thinking", blocks=("thinking", "redacted_thinking", "text")),
    OddStream("thinking-omitted", blocks=("thinking", "text")),
    OddStream("signature-without-start", blocks=("thinking", "text")),
    OddStream(
        "thinking-between-tools", blocks=("thinking", "server_tool_use", "web_search_tool_result", "thinking", "text")
    ),
    OddStream("citations", blocks=("text", "text")),
    OddStream("tool-use", stop_reason="tool_use", blocks=("text", "tool_use")),
    OddStream("tool-input-broken", stop_reason="max_tokens", blocks=("text", "tool_use")),
    OddStream("tool-cut", stop_reason=None, error="cut_off", tokens=(14, 1), blocks=("text", "tool_use")),
    OddStream("tool-input-in-start", stop_reason="tool_use", blocks=("text", "tool_use")),
    OddStream("tool-input-escapes", stop_reason="tool_use", blocks=("text", "tool_use")),
    OddStream("tool-callers", stop_reason="tool_use", blocks=("text", "tool_use", "tool_use")),
    OddStream("parallel-tools", stop_reason="tool_use", blocks=("text", "tool_use", "tool_use")),
    OddStream("server-tool", blocks=("server_tool_use", "web_search_tool_result", "text")),
    OddStream(
        "server-tool-errors",
        blocks=("server_tool_use", "web_search_tool_result", "server_tool_use", "web_fetch_tool_result", "text"),
    ),
    OddStream("web-fetch", blocks=("server_tool_use", "web_fetch_tool_result", "text")),
    OddStream("code-execution", blocks=("server_tool_use", *["code_execution_tool_result"] * 3, "text")),
    OddStream("bash-code-execution", blocks=("server_tool_use", "bash_code_execution_tool_result", "text")),
    OddStream(
        "text-editor-code-execution",
        blocks=("server_tool_use", *["text_editor_code_execution_tool_result"] * 2, "text"),
    ),
    OddStream("tool-search", blocks=("server_tool_use", "tool_search_tool_result", "text")),
    OddStream("container-upload", blocks=("text", "container_upload")),
    # Blocks of beta features, which a server may send all the same
    OddStream("mcp", blocks=("mcp_tool_listing", "mcp_tool_use", "mcp_tool_result", "text")),
    OddStream("advisor", blocks=("server_tool_use", "advisor_tool_result", "text")),
    OddStream("compaction", stop_reason="compaction", blocks=("compaction", "text")),
    OddStream("fallback", blocks=("fallback", "text")),
    # Stop reasons
    OddStream("refusal", stop_reason="refusal"),
    OddStream("refusal-at-once", "", "refusal", blocks=()),
    OddStream("stop-max-tokens", stop_reason="max_tokens"),
    OddStream("stop-stop-sequence", stop_reason="stop_sequence"),
    OddStream("stop-pause-turn", stop_reason="pause_turn"),
    OddStream("stop-model-context-window-exceeded", stop_reason="model_context_window_exceeded"),
    OddStream("unknown-stop-reason", stop_reason="solar_flare"),
    OddStream("no-stop-reason", stop_reason=None),
    OddStream("stop-reason-then-null"),
    # Text
    OddStream("scripts", text="Grüße, 日本語 👩‍👩‍👧 a\u2028b e\u0301"),
    OddStream("escaped-surrogates", text="one 😀 half 😀 lone \ufffd end"),
    OddStream("controls", text="a\x1b]52;c;eA==\x07b\x00c\x9bd"),
    # Servers
    OddStream("ollama", stop_reason="tool_use", blocks=("thinking", "text", "tool_use")),
    OddStream("llama-cpp", stop_reason="tool_use", blocks=("thinking", "text", "tool_use")),
    OddStream("vllm"),
)


def frames_of(body: bytes, cuts: Iterable[int] = ()) -> list[WireFrame]:
    """All frames of `body` when it arrives cut at the offsets `cuts`; every stamp is 0.0."""
    decoder = SseDecoder()
    frames: list[WireFrame] = []
    start = 0
    for end in (*cuts, len(body)):
        frames += decoder.feed(body[start:end], 0.0)
        start = end
    last = decoder.finish(0.0)
    return frames if last is None else [*frames, last]


def events_of(body: bytes, cuts: Iterable[int] = ()) -> tuple[list[Event], Translator]:
    """What one request says of `body`, without any network: all events but those of its start and end."""
    events: list[Event] = []
    translator = Translator(events.append)
    for frame in frames_of(body, cuts):
        if not translator.complete and translator.failure is None:
            translator.translate(frame)
    return events, translator
