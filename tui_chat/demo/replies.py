"""What the demo answers: the last prompt of a conversation -> a reply, or a failure.

Why it exists: a person without a key should see everything a reply can look like and every way it can go wrong, by
typing one word. `COMMANDS` is the one list of those words.
What it must not know: HTTP framing, SSE, time. A reply depends on the conversation, the tools on offer and how often it
was asked, so the demo can tell what an interrupted reply was and go on with it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tui_chat.demo.asked import Asked, Message, read, with_prompt
from tui_chat.demo.content import Block, Failure, Fault, Interruption, Reply
from tui_chat.demo.essay import essay
from tui_chat.demo.search_replies import pause, search, sources
from tui_chat.demo.shapes import KINDS, shape
from tui_chat.demo.texts import load
from tui_chat.demo.tool_replies import slow_tool, tool, tools

LONG_TOKENS: Final = 3_000
MAX_LONG_TOKENS: Final = 200_000
RATE_LIMIT_SECONDS: Final = 2
FLAKY_REFUSALS: Final = 2
COURSE_TTFT: Final = 0.492  # seconds: the example of the streaming course, with the next two
COURSE_END: Final = 4.194
COURSE_TOKENS: Final = 500


@dataclass(frozen=True, slots=True)
class Command:
    """A word the demo obeys. `anywhere`: also inside a prompt, not only as its first word."""

    description: str
    build: Callable[[Asked], Reply | Failure]
    anywhere: bool = False


def choose_reply(
    messages: Sequence[Message], attempt: int = 0, offered: Mapping[str, Mapping[str, Any]] | None = None
) -> Reply | Failure:
    """The answer to a legal conversation.

    `attempt` counts the earlier requests with the very same one; `offered` are the tools it may call, by name.
    """
    asked, instruction = read(messages, attempt, offered or {})
    if instruction is not None:
        if (rest := _rest(asked)) is not None:
            return rest
        asked = with_prompt(asked, instruction)
    return _choose(asked)


def _choose(asked: Asked) -> Reply | Failure:
    if (named := _NAMING.match(asked.prompt)) is not None:
        return Reply((Block("text", f"About “{' '.join(named['words'].split())}”"),))
    name, number = _command(asked.prompt)
    return COMMANDS[name].build(replace(asked, number=number)) if name is not None else _text(asked, load("tour"))


def _rest(asked: Asked) -> Reply | None:
    """What is missing of the last reply, if it was cut short."""
    whole = _choose(replace(asked.before_reply(), attempt=FLAKY_REFUSALS))
    return whole.after(asked.begun.rstrip()) if isinstance(whole, Reply) else None


def _command(prompt: str) -> tuple[str | None, int | None]:
    words = prompt.lower().split()
    if not words:
        return None, None
    first = words[0]
    number = int(words[1]) if len(words) > 1 and re.fullmatch(r"[0-9]{1,9}", words[1]) else None
    if first in COMMANDS and not (first == "http" and (number is None or not 400 <= number <= 599)):
        return first, number
    match = _ANYWHERE.search(prompt.lower())
    if match is None:
        return None, None
    return match["name"], int(match["number"]) if match["number"] else None


def _text(asked: Asked, text: str) -> Reply:
    return Reply((Block("text", asked.note + text),))


def _prepared(name: str) -> Callable[[Asked], Reply]:
    return lambda asked: _text(asked, load(name))


def _long(asked: Asked) -> Reply:
    return _text(asked, essay(min(asked.number or LONG_TOKENS, MAX_LONG_TOKENS)))


def _shape(asked: Asked) -> Reply:
    """`shape KIND TOKENS NUMBER`; what is missing or unknown is mixed, as long as `long`, and 0. The text is all: no note."""
    words = asked.prompt.lower().split()[1:]
    kind = words.pop(0) if words and words[0] in KINDS else "mixed"
    numbers = [int(word) for word in words if re.fullmatch(r"[0-9]{1,9}", word)]
    tokens, number, *_ = *numbers, *(LONG_TOKENS, 0)[len(numbers) :]
    return Reply((Block("text", shape(kind, min(tokens, MAX_LONG_TOKENS), number)),))


def _thinking(asked: Asked) -> Reply:
    thought, _, text = load("thinking").partition("<!-- text -->\n")
    return Reply((Block("thinking", thought.strip()), Block("text", asked.note + text)))


def _slow(asked: Asked) -> Reply:
    text = (
        "This reply is slow on purpose: *four seconds* to the first token, then about five tokens a second. "
        "Press **Escape** when you have seen enough.\n"
    )
    return replace(_text(asked, text), ttft=4.0, rate=5.0)


def _course(_: Asked) -> Reply:
    """Always the same tokens, so without a note."""
    rate = COURSE_TOKENS / (COURSE_END - COURSE_TTFT)
    return Reply((Block("text", load("course")),), ttft=COURSE_TTFT, rate=rate)


def _half(fault: Fault) -> Callable[[Asked], Reply]:
    def build(asked: Asked) -> Reply:
        head = (
            f"{asked.note}This reply is interrupted on purpose. Its first half arrives, and then: {fault.value}. "
            "You are reading that first half, and a chat should keep it, "
        )
        tail = (
            "say that the reply was cut short, and send the conversation again without a complaint from the API. "
            "This is the second half, which only comes when the reply is asked to go on.\n"
        )
        return Reply((Block("text", head + tail),), interruption=Interruption(fault, len(head)))

    return build


def _after_a_few_words(fault: Fault) -> Callable[[Asked], Reply]:
    def build(asked: Asked) -> Reply:
        head = f"{asked.note}A few words, and then: "
        tail = f"{fault.value}. If you can read this, it is over, and nothing was lost.\n"
        return Reply((Block("text", head + tail),), interruption=Interruption(fault, len(head)))

    return build


def _nothing(fault: Fault) -> Callable[[Asked], Reply]:
    return lambda _: Reply((), interruption=Interruption(fault, 0))


def _overloaded(_: Asked) -> Failure:
    return Failure(529, "overloaded_error", "Overloaded")


def _flaky(asked: Asked) -> Reply | Failure:
    if asked.attempt < FLAKY_REFUSALS:
        return _overloaded(asked)
    return _text(asked, "Twice the answer was `529 overloaded_error`. The third attempt got **this reply**, once.\n")


def _rate_limited(asked: Asked) -> Reply | Failure:
    if asked.attempt == 0:
        message = "This request would exceed your organization's rate limit. Please try again later."
        return Failure(429, "rate_limit_error", message, retry_after=RATE_LIMIT_SECONDS)
    return _text(asked, f"First came a `429` with `retry-after: {RATE_LIMIT_SECONDS}`. **Now** comes the reply.\n")


def _http(asked: Asked) -> Failure:
    status = asked.number or 500
    kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return Failure(status, kind, f"The demo was asked for status {status}.")


def _poison(_: Asked) -> Failure:
    # The API names the place. This is seldom the right one, and a client should bear that.
    return Failure(400, ERROR_TYPES[400], "messages.0.content.0: the demo was asked to refuse this conversation")


def _html(_: Asked) -> Failure:
    return Failure(
        200,
        None,
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in to the network.</body></html>\n",
    )


def _refuse(_: Asked) -> Reply:
    explanation = "The demo was asked to refuse. This is how a refused request ends."
    details = {"type": "refusal", "category": "cyber", "explanation": explanation}
    return Reply((Block("text", ""),), stop_reason="refusal", stop_details=details)


def _limit(asked: Asked) -> Reply:
    """Without waiting for `max_tokens` to be reached: one sentence of two."""
    reply = _text(asked, "This reply ends where `max_tokens` would end it, in the middle of ")
    return replace(
        reply, stop_reason="max_tokens", rest="a sentence. **Here** is its end, for whoever asks to go on.\n"
    )


def _window(asked: Asked) -> Reply:
    reply = _text(
        asked, "This reply ends because prompt and reply have filled the model's context window: nothing fits "
    )
    return replace(reply, stop_reason="model_context_window_exceeded", rest="any more. The demo has room, though.\n")


def _odd(asked: Asked) -> Reply:
    """What no client can know yet, and what few do, around text that must come through."""
    return Reply(
        (
            Block("redacted_thinking", fields={"data": "ZGVtbzogdGhpcyBpcyBlbmNyeXB0ZWQgaW4gdGhlIEFQSQ=="}),
            Block("text", asked.note + "Around this text come things that a client has never heard of. "),
            Block(
                "hologram",
                fields={"hologram": {"depth": 0}},
                deltas=({"type": "hologram_delta", "depth": 3},),
                preceded_by=({"type": "weather_report", "forecast": "cloudy"},),
            ),
            Block("container_upload", fields={"file_id": "file_011CNha8iCJcU1wXNR6q4V8w"}),
            Block(
                "text",
                "An event, a block and a delta of unknown types, and a file: **this** text should follow them.\n",
            ),
        )
    )


def _help(asked: Asked) -> Reply:
    rows = "\n".join(f"| `{name}` | {command.description} |" for name, command in COMMANDS.items())
    return _text(
        asked, f"The demo obeys the first word of a message:\n\n| Word | What comes |\n|:-----|:-----------|\n{rows}\n"
    )


COMMANDS: Final[Mapping[str, Command]] = {
    "help": Command("this list", _help),
    "code": Command("code in two languages; also anywhere in a message", _prepared("code"), anywhere=True),
    "table": Command("tables; also anywhere in a message", _prepared("table"), anywhere=True),
    "list": Command("nested, numbered and task lists; also anywhere in a message", _prepared("list"), anywhere=True),
    "long": Command("about 3,000 tokens, or as many as in `long 8000`; also anywhere", _long, anywhere=True),
    "shape": Command(f"one kind of markdown without end, as in `shape fence 20000`: {', '.join(KINDS)}", _shape),
    "thinking": Command("a thinking block, then text; also anywhere in a message", _thinking, anywhere=True),
    "markdown": Command("every construct of markdown", _prepared("markdown")),
    "all": Command("the same", _prepared("markdown")),
    "slow": Command("4 s to the first token, then 5 tokens a second", _slow),
    "course": Command(
        f"{COURSE_TOKENS} tokens, the first after {COURSE_TTFT} s and the last after {COURSE_END} s", _course
    ),
    "stall": Command(f"a few words, then {Fault.STALL.value}", _after_a_few_words(Fault.STALL)),
    "silence": Command(f"a few words, then {Fault.SILENCE.value}", _after_a_few_words(Fault.SILENCE)),
    "wait": Command(Fault.WAIT.value, _nothing(Fault.WAIT)),
    "noheaders": Command(Fault.NO_HEADERS.value, _nothing(Fault.NO_HEADERS)),
    "error": Command(f"half a reply, then {Fault.ERROR.value}", _half(Fault.ERROR)),
    "cut": Command(f"half a reply, then {Fault.CUT.value}", _half(Fault.CUT)),
    "eof": Command(f"half a reply, then {Fault.EOF.value}", _half(Fault.EOF)),
    "overloaded": Command("status 529, always", _overloaded),
    "flaky": Command("status 529 twice, then a reply", _flaky),
    "ratelimit": Command("status 429 with `retry-after: 2`, then a reply", _rate_limited),
    "http": Command("a status of your choice, as in `http 503`", _http),
    "html": Command("a web page instead of a reply, with status 200", _html),
    "refuse": Command("a refusal", _refuse),
    "poison": Command("status 400, with a message that blames the first message", _poison),
    "limit": Command("a reply cut short as by `max_tokens`", _limit),
    "window": Command("a reply that ends because the context window is full", _window),
    "tool": Command("one call of a tool, or as many in a row as in `tool 5`, then what it brought", tool),
    "tools": Command("a thinking block, three calls of tools at once, then what they brought", tools),
    "slowtool": Command("one call of a tool whose input takes its time to arrive", slow_tool),
    "search": Command("a search of the server's own, then text with its sources", search),
    "sources": Command("text with three sources, one of them cited twice", sources),
    "pause": Command("the same search, paused once (`pause_turn`), or as often as in `pause 99`", pause),
    "odd": Command("an event, a block and a delta that nobody knows, with text around them", _odd),
    "empty": Command("a reply without content", lambda _: Reply(())),
}

ERROR_TYPES: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    413: "request_too_large",
    429: "rate_limit_error",
    500: "api_error",
    504: "timeout_error",
    529: "overloaded_error",
}

_ANYWHERE: Final = re.compile(
    rf"\b(?P<name>{'|'.join(name for name, command in COMMANDS.items() if command.anywhere)})\b(?:\s+(?P<number>[0-9]{{1,9}})\b)?"
)
# A client that wants a title for a conversation quotes its beginning.
_NAMING: Final = re.compile(r"Name this conversation\b.*?<prompt>\s*(?P<words>(?:[^\s<]\S*\s+){1,5})", re.DOTALL)
