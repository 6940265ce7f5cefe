"""What the demo answers: the last prompt of a conversation -> a reply, or a failure.

Why it exists: a person without a key should see everything a reply can look like and every way it can go wrong, by
typing one word. `COMMANDS` is the one list of those words.
What it must not know: HTTP framing, SSE, time. A reply depends on the conversation and on how often it was asked, so
the demo can tell what an interrupted reply was and go on with it.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Final, Literal

from tui_chat.demo.essay import essay
from tui_chat.demo.shapes import KINDS, shape
from tui_chat.demo.texts import load
from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN, count_text

Message = Mapping[str, Any]

LONG_TOKENS: Final = 3_000
MAX_LONG_TOKENS: Final = 200_000
QUOTED_CHARACTERS: Final = 60
RATE_LIMIT_SECONDS: Final = 2
FLAKY_REFUSALS: Final = 2


class Fault(Enum):
    """What goes wrong in the middle of a stream."""

    ERROR = "an `error` event"
    CUT = "the connection closes without the end of the body"
    EOF = "the body ends properly, without `message_stop`"
    STALL = "thirty seconds of nothing but pings, then the rest"
    SILENCE = "ten minutes of nothing at all, then the end"
    WAIT = "headers at once, then ten minutes of pings"
    NO_HEADERS = "ten minutes without an answer"


@dataclass(frozen=True, slots=True)
class Block:
    """One content block to send."""

    type: Literal["text", "thinking"]
    text: str


@dataclass(frozen=True, slots=True)
class Interruption:
    """A fault, after the first `after` characters of the reply's content."""

    fault: Fault
    after: int


@dataclass(frozen=True, slots=True)
class Reply:
    """A message to send with status 200. `ttft` and `rate`, where given, overrule the pacing."""

    blocks: tuple[Block, ...]
    stop_reason: str = "end_turn"
    stop_sequence: str | None = None
    stop_details: Mapping[str, Any] | None = None
    interruption: Interruption | None = None
    ttft: float | None = None
    rate: float | None = None

    @property
    def output_tokens(self) -> int:
        """Tokens of the whole content, thinking included."""
        return sum(count_text(block.text) for block in self.blocks)

    @property
    def text(self) -> str:
        """The text blocks, joined."""
        return "".join(block.text for block in self.blocks if block.type == "text")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error instead of a message. `type` None stands for an HTML page, as a login wall or a proxy sends."""

    status: int
    type: str | None
    message: str
    retry_after: int | None = None


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a reply may depend on. `attempt` counts the earlier requests with the same conversation."""

    prompt: str
    note: str
    number: int | None
    attempt: int


@dataclass(frozen=True, slots=True)
class Command:
    """A word the demo obeys. `anywhere`: also inside a prompt, not only as its first word."""

    description: str
    build: Callable[[_Asked], "Reply | Failure"]
    anywhere: bool = False


def choose_reply(messages: Sequence[Message], attempt: int = 0) -> Reply | Failure:
    """The answer to a legal conversation; `attempt` counts the earlier requests with the very same one."""
    prompts = [text for message in messages if message["role"] == "user" if (text := _prompt(message)) is not None]
    prompt = prompts[-1] if prompts else ""
    if (rest := _continued(prompt, messages)) is not None:
        return rest
    name, number = _command(prompt)
    asked = _Asked(prompt, _note(prompts, messages), number, attempt)
    return COMMANDS[name].build(asked) if name is not None else _text(asked, load("tour"))


def limit(reply: Reply, max_tokens: int, stop_sequences: Sequence[str]) -> Reply:
    """Cut a reply where the first stop sequence would appear in its text, or at `max_tokens`, whichever comes first."""
    blocks: list[Block] = []
    left = max_tokens
    for block in reply.blocks:
        found = [(at, sequence) for sequence in stop_sequences if (at := block.text.find(sequence)) >= 0]
        stop = min(found, default=None) if block.type == "text" else None
        text = block.text[: stop[0]] if stop else block.text
        if count_text(text) > left:
            if left:
                blocks.append(Block(block.type, text[: left * CHARACTERS_PER_TOKEN]))
            return replace(reply, blocks=tuple(blocks), stop_reason="max_tokens", interruption=_within(reply, blocks))
        blocks.append(Block(block.type, text))
        left -= count_text(text)
        if stop:
            return replace(
                reply,
                blocks=tuple(blocks),
                stop_reason="stop_sequence",
                stop_sequence=stop[1],
                interruption=_within(reply, blocks),
            )
    return reply


def _within(reply: Reply, blocks: Sequence[Block]) -> Interruption | None:
    """The reply's interruption, moved to the middle of what is left where that is shorter."""
    if reply.interruption is None:
        return None
    length = sum(len(block.text) for block in blocks)
    return replace(reply.interruption, after=min(reply.interruption.after, length // 2))


def _prompt(message: Message) -> str | None:
    """What the user typed: the last text of the message, or None if it has only tool results or media."""
    texts = _texts(message)
    return texts[-1] if texts else None


def _texts(message: Message) -> list[str]:
    content = message["content"]
    if isinstance(content, str):
        return [content]
    return [block["text"] for block in content if block["type"] == "text"]


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


def _note(prompts: Sequence[str], messages: Sequence[Message]) -> str:
    """From the second turn on: proof that the conversation was remembered."""
    if len(prompts) < 2:
        return ""
    first = next(text for message in messages if message["role"] == "user" for text in _texts(message))
    quoted = " ".join(first.encode("utf-8", "replace").decode().split())
    if len(quoted) > QUOTED_CHARACTERS:
        quoted = quoted[:QUOTED_CHARACTERS].rstrip() + "…"
    return f"*Turn {len(prompts)}. You began with “{quoted}”.*\n\n"


def _continued(prompt: str, messages: Sequence[Message]) -> Reply | None:
    """The rest of the last reply, if the prompt asks to go on and that reply was cut short."""
    if not _GO_ON.search(prompt):
        return None
    last = max((index for index, message in enumerate(messages) if message["role"] == "assistant"), default=0)
    if not last:
        return None
    whole = choose_reply(messages[:last], attempt=FLAKY_REFUSALS)
    sent = "".join(_texts(messages[last])).rstrip()
    if isinstance(whole, Failure) or not sent or not whole.text.startswith(sent) or not whole.text[len(sent) :].strip():
        return None
    return Reply((Block("text", whole.text[len(sent) :]),))


def _text(asked: _Asked, text: str) -> Reply:
    return Reply((Block("text", asked.note + text),))


def _prepared(name: str) -> Callable[[_Asked], Reply]:
    return lambda asked: _text(asked, load(name))


def _long(asked: _Asked) -> Reply:
    return _text(asked, essay(min(asked.number or LONG_TOKENS, MAX_LONG_TOKENS)))


def _shape(asked: _Asked) -> Reply:
    """`shape KIND TOKENS NUMBER`; what is missing or unknown is mixed, as long as `long`, and 0. The text is all: no note."""
    words = asked.prompt.lower().split()[1:]
    kind = words.pop(0) if words and words[0] in KINDS else "mixed"
    numbers = [int(word) for word in words if re.fullmatch(r"[0-9]{1,9}", word)]
    tokens, number, *_ = *numbers, *(LONG_TOKENS, 0)[len(numbers) :]
    return Reply((Block("text", shape(kind, min(tokens, MAX_LONG_TOKENS), number)),))


def _thinking(asked: _Asked) -> Reply:
    thought, _, text = load("thinking").partition("<!-- text -->\n")
    return Reply((Block("thinking", thought.strip()), Block("text", asked.note + text)))


def _slow(asked: _Asked) -> Reply:
    text = (
        "This reply is slow on purpose: *four seconds* to the first token, then about five tokens a second. "
        "Press **Escape** when you have seen enough.\n"
    )
    return replace(_text(asked, text), ttft=4.0, rate=5.0)


def _half(fault: Fault) -> Callable[[_Asked], Reply]:
    def build(asked: _Asked) -> Reply:
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


def _after_a_few_words(fault: Fault) -> Callable[[_Asked], Reply]:
    def build(asked: _Asked) -> Reply:
        head = f"{asked.note}A few words, and then: "
        tail = f"{fault.value}. If you can read this, it is over, and nothing was lost.\n"
        return Reply((Block("text", head + tail),), interruption=Interruption(fault, len(head)))

    return build


def _nothing(fault: Fault) -> Callable[[_Asked], Reply]:
    return lambda _: Reply((), interruption=Interruption(fault, 0))


def _overloaded(_: _Asked) -> Failure:
    return Failure(529, "overloaded_error", "Overloaded")


def _flaky(asked: _Asked) -> Reply | Failure:
    if asked.attempt < FLAKY_REFUSALS:
        return _overloaded(asked)
    return _text(asked, "Twice the answer was `529 overloaded_error`. The third attempt got **this reply**, once.\n")


def _rate_limited(asked: _Asked) -> Reply | Failure:
    if asked.attempt == 0:
        message = "This request would exceed your organization's rate limit. Please try again later."
        return Failure(429, "rate_limit_error", message, retry_after=RATE_LIMIT_SECONDS)
    return _text(asked, f"First came a `429` with `retry-after: {RATE_LIMIT_SECONDS}`. **Now** comes the reply.\n")


def _http(asked: _Asked) -> Failure:
    status = asked.number or 500
    kind = ERROR_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    return Failure(status, kind, f"The demo was asked for status {status}.")


def _html(_: _Asked) -> Failure:
    return Failure(
        200,
        None,
        "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Sign in to the network.</body></html>\n",
    )


def _refuse(_: _Asked) -> Reply:
    explanation = "The demo was asked to refuse. This is how a refused request ends."
    details = {"type": "refusal", "category": "cyber", "explanation": explanation}
    return Reply((Block("text", ""),), stop_reason="refusal", stop_details=details)


def _help(asked: _Asked) -> Reply:
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
_GO_ON: Final = re.compile(r"\A\s*(please\s+)?(continue|go on|carry on)\b|\bleft off\b|\bcut off\b", re.IGNORECASE)
