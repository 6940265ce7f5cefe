"""The text of the `long` reply: an essay on streaming, of any length.

Why it exists: a renderer is judged on long replies, and only varied, sensible markdown is a fair test of one. The essay
is written out in `texts/long.md`; beyond its end worked examples go on, each with its own computed numbers.
What it must not know: requests, pacing. The same length gives the same text.
"""

from collections.abc import Iterator
from itertools import count
from random import Random

from tui_chat.demo.texts import load
from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN

_CLOSING = "*The demo stops here, at about {tokens:,} tokens.*\n"

# They fill what is left when the next paragraph would be too long.
_IN_SHORT = (
    "The time to first token ends with the first *content*; headers, `message_start` and pings show nobody anything.",
    "The rate is output tokens over the time from the first to the last delta.",
    "A reply is finished when `message_stop` has come, and not before.",
    "The prompt is `input_tokens` and both cache counts together.",
    "Usage overwrites usage; it is never added up within a request.",
    "Unknown events are skipped, and unknown blocks are kept.",
    "To stop is to close the connection, at once.",
    "What has arrived is kept, marked, and sent back only if it is legal.",
    "Nothing is repeated quietly once text has been shown.",
    "Draw at most once a frame, whatever arrives.",
)

_TOPICS = (
    "a question about a recipe",
    "a review of a pull request",
    "a summary of a meeting",
    "a plan for a garden",
    "a proof, step by step",
    "a translation of a letter",
    "a migration script",
    "a letter of complaint",
    "a lesson on fractions",
    "a post-mortem of an outage",
)


def essay(tokens: int) -> str:
    """Markdown of `tokens` tokens, at most some 25 fewer: whole paragraphs, fences and tables. Never shorter than its first part."""
    closing = _CLOSING.format(tokens=tokens)
    room = tokens * CHARACTERS_PER_TOKEN - len(closing)
    parts: list[str] = []
    for part in _parts():
        room -= len(part) + 2
        if room < 0 and parts:
            break
        parts.append(part)
    left = tokens * CHARACTERS_PER_TOKEN - sum(len(part) + 2 for part in (*parts, closing))
    summary = "In short:\n"
    for point in _IN_SHORT:
        line = f"\n- {point}"
        if len(summary) + len(line) <= left:
            summary += line
    return "\n\n".join((*parts, *([summary] if summary.endswith(".") else []), closing))


def _parts() -> Iterator[str]:
    """The essay in parts that may be its last, without end."""
    yield from _split(load("long"))
    for number in count(1):
        yield from _split(_worked_example(number))


def _split(text: str) -> Iterator[str]:
    """Paragraphs, fences and tables; a heading, or a paragraph that announces something, stays with what follows."""
    held = ""
    for part in text.strip().split("\n\n"):
        held += part
        if part.startswith("#") or part.endswith(":"):
            held += "\n\n"
        else:
            yield held
            held = ""


def _worked_example(number: int) -> str:
    random = Random(number)
    topic = _TOPICS[(number - 1) % len(_TOPICS)]
    prompt = random.randrange(40, 60_000, 10)
    reply = random.randrange(80, 4_000, 10)
    rate = random.randrange(20, 160)
    ttft = round(0.3 + prompt / 40_000 + random.random() / 2, 2)
    example = (_timeline, _stopped, _cached, _stalled)[(number - 1) % 4]
    heading = f"## Worked example {number}: {topic}"
    return f"{heading}\n\n{example(prompt, reply, rate, ttft)}"


def _timeline(prompt: int, reply: int, rate: int, ttft: float) -> str:
    end = ttft + reply / rate
    return f"""\
A prompt of {prompt:,} tokens, answered in {reply:,} tokens at {rate} tokens a second. This is the whole of it, seen from the client:

| Moment | At | What the screen shows |
|:-------|---:|:----------------------|
| request sent | 0.00 s | the prompt, and "waiting" |
| `message_start` | {ttft * 0.4:.2f} s | {prompt:,} tokens in |
| first delta | {ttft:.2f} s | the first word, and the TTFT |
| half of the text | {ttft + reply / rate / 2:.2f} s | about {reply // 2:,} tokens out |
| last delta | {end:.2f} s | all of it |
| `message_stop` | {end:.2f} s | the stop reason, and {reply:,} tokens out |

The wait was {ttft / end:.0%} of the time, and that share is what people remember. Had the reply come in one piece, the first word would have been on the screen after **{end:.1f} seconds** instead of {ttft:.2f}."""


def _stopped(prompt: int, reply: int, rate: int, ttft: float) -> str:
    seen = max(reply // 3, 1)
    moment = ttft + seen / rate
    return f"""\
The reader has seen enough after {moment:.1f} seconds and presses *Escape*. What is known at that moment?

- the prompt had **{prompt:,}** tokens: `message_start` said so;
- some {seen * CHARACTERS_PER_TOKEN:,} characters have arrived, which is *about* {seen:,} tokens;
- the true number stays unknown, since `message_delta` will never come.

So the footer of such a reply says `~{seen:,} out` and not `{seen:,} out`. In code the difference is one field:

```python
usage = Usage(input_tokens={prompt}, output_tokens={seen}, is_final=False)
outcome = Outcome.CANCELLED
assert usage.output_tokens < {reply}  # the rest was never written
```

At {rate} tokens a second, every tenth of a second of delay in stopping costs another {max(rate // 10, 1)} tokens."""


def _cached(prompt: int, reply: int, rate: int, ttft: float) -> str:
    read = prompt * 9 // 10
    written = prompt - read - 3
    return f"""\
It is the tenth turn of a conversation, so most of the prompt is known already. The usage in `message_start`:

```json
{{
  "input_tokens": 3,
  "cache_creation_input_tokens": {written},
  "cache_read_input_tokens": {read},
  "output_tokens": 1
}}
```

1. The prompt is the **sum** of the first three: {prompt:,} tokens.
2. Only {written + 3:,} of them had to be read anew; that keeps the first token at {ttft:.2f} seconds.
3. The reply of {reply:,} tokens takes {reply / rate:.1f} seconds more, cache or no cache.

> A cache shortens the wait for the first word. It does nothing for the last one."""


def _stalled(prompt: int, reply: int, rate: int, ttft: float) -> str:
    silence = 4 + prompt % 17
    written = max(reply // 4, 1)
    return f"""\
After {written:,} tokens the words stop, at {ttft + written / rate:.1f} seconds, for {silence} seconds. Then they go on as if nothing had happened. What should a client show?

| Silent for | Say | Because |
|:-----------|:----|:--------|
| less than 2 s | nothing | that is ordinary jitter |
| 2 to 10 s | `quiet {silence // 2} s` | the reader has noticed by now |
| longer, with pings | `quiet, pings arriving` | the server is at work |
| longer, without | `no data` | the line may be dead |

And how fast was this reply? Between the first and the last delta lie {reply / rate + silence:.1f} seconds, so the rate comes out as {reply / (reply / rate + silence):.0f} tokens a second, although the model wrote {rate}. **Both numbers are right**: one is about the model, the other about the evening of the person in front of it."""
