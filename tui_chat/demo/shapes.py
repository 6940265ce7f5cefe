"""The text of the `shape` reply: one kind of markdown, any length, the same each time.

Why it exists: a renderer whose cost per token grows with the reply shows it on one construct that never ends, a list or
a fence, long before it shows it on an essay. Whoever measures needs such replies at any length, and needs to tell on a
terminal when the first and the last delta are there: a shape begins with the word `begin<number>` and ends with
`end<number>`, which stand nowhere else in it.
What it must not know: requests, pacing. The text is made when it is asked for.
"""

from collections.abc import Callable, Iterator
from itertools import count, cycle
from random import Random
from typing import Final, NamedTuple

from tui_chat.demo.tokens import CHARACTERS_PER_TOKEN

MIN_TOKENS: Final = 50  # room for the first and the last word in any kind
STAMP: Final = 12  # characters of one word of `stamps`, its space included
STAMPS_PER_PARAGRAPH: Final = 30

_SENTENCE: Final = (
    "the stream brings text a few characters at time and each event has its own name so that readers can follow what"
    " happens while server keeps connection open because nothing else would show progress until of reply"
)
_WORDS: Final = _SENTENCE.split()


class _Kind(NamedTuple):
    """`head` and `tail` are formatted with `number`; the tail also takes `words`, which fill up to the length."""

    head: str
    piece: Callable[[Random], Iterator[str]]
    tail: str


def shape(kind: str, tokens: int, number: int = 0) -> str:
    """Markdown of one of `KINDS`, of exactly `tokens` tokens, at least `MIN_TOKENS`.

    `number` is that of the first and the last word. `stamps` have no such words: it is their first number, and they may
    be two tokens short.
    """
    room = max(tokens, MIN_TOKENS) * CHARACTERS_PER_TOKEN
    if kind == "stamps":
        return _stamps(room, number)
    chosen = _KINDS[kind]
    random = Random(kind)
    parts = [chosen.head.format(number=number)]
    room -= len(parts[0]) + len(chosen.tail.format(words="", number=number))
    for piece in chosen.piece(random):
        if len(piece) > room:
            break
        parts.append(piece)
        room -= len(piece)
    filling = _plain(random, room)[: max(room - 1, 0)] + " " * (room > 0)
    return "".join(parts) + chosen.tail.format(words=filling, number=number)


def _stamps(room: int, first: int) -> str:
    """Numbered words of one length, so that deltas of `STAMP` characters bring one each: `stamps00042 `."""
    words = (
        f"stamp{number:05d}\n\n" if place % STAMPS_PER_PARAGRAPH == 0 else f"stamps{number:05d} "
        for place, number in enumerate(range(first, first + room // STAMP), start=1)
    )
    return "".join(words).rstrip()


def _plain(random: Random, words: int) -> str:
    return " ".join(random.choice(_WORDS) for _ in range(words))


def _marked(random: Random, count: int) -> str:
    """Words with something bold and something in code, as replies have it."""
    words = [random.choice(_WORDS) for _ in range(count)]
    words[count // 3] = f"**{words[count // 3]} {words[count // 3 - 1]}**"
    words[count // 2] = f"`{words[count // 2]}`"
    return " ".join(words)


def _endless(make: Callable[[Random], str]) -> Callable[[Random], Iterator[str]]:
    return lambda random: (make(random) for _ in count())


def _prose(random: Random) -> str:
    return f"{_marked(random, 60)}.\n\n"


def _sentence(random: Random) -> str:
    return f"{_marked(random, 20)}. "


def _function(random: Random) -> str:
    name = random.choice(_WORDS)
    return (
        f"def {name}_{random.randrange(1000)}(value: int) -> str:\n"
        f'    """{random.choice(_WORDS)} the {name}."""\n'
        f"    # {_plain(random, 6)}\n"
        f"    for index in range({random.randrange(100)}):\n"
        f'        print(f"{{value}} {name}", index)\n'
        f"    return str(value)\n\n"
    )


def _item(random: Random) -> str:
    return f"- {_marked(random, 12)}\n"


def _nested(random: Random) -> str:
    return (
        f"1. {_marked(random, 8)}\n   - {_marked(random, 8)}\n     - {_marked(random, 6)}\n   - {_marked(random, 6)}\n"
    )


def _row(random: Random) -> str:
    return f"| {random.choice(_WORDS)} | {_marked(random, 6)} | {random.randrange(10_000)} |\n"


def _mixed(random: Random) -> Iterator[str]:
    """Every block in turn, each short enough to be the last."""
    blocks: tuple[Callable[[], str], ...] = (
        lambda: f"## {_plain(random, 3)}\n\n{_prose(random)}",
        lambda: f"{_item(random)}{_item(random)}{_item(random)}\n",
        lambda: f"{_plain(random, 12)}:\n\n```python\n{_function(random)}```\n\n",
        lambda: f"> {_marked(random, 20)}\n\n",
        lambda: f"| name | text | count |\n|---|---|--:|\n{_row(random)}{_row(random)}\n",
        lambda: _prose(random),
    )
    return (make() for make in cycle(blocks))


_KINDS: Final = {
    "prose": _Kind("begin{number} ", _endless(_prose), "{words}end{number}"),
    "paragraph": _Kind("begin{number} ", _endless(_sentence), "{words}end{number}"),
    "fence": _Kind("begin{number}\n\n```python\n", _endless(_function), "```\n\n{words}end{number}"),
    "list": _Kind("- begin{number}\n", _endless(_item), "- {words}end{number}"),
    "nested": _Kind("1. begin{number}\n", _endless(_nested), "1. {words}end{number}"),
    "table": _Kind("| begin{number} | text | count |\n|---|---|--:|\n", _endless(_row), "| the | {words}| end{number}"),
    "mixed": _Kind("begin{number}\n\n", _mixed, "{words}end{number}"),
}
KINDS: Final = (*_KINDS, "stamps")
