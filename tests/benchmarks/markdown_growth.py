"""Cost per token of the markdown renderer as a reply grows: the figure that must not grow.

Run it from the top of the repository: `python -m tests.benchmarks.markdown_growth`. For each kind of reply it prints
the CPU time of one token (four characters, one update each) around 1k, 10k, 50k and 100k characters, the ratio of the
last to the first, and the slowest single update; then what a whole reply costs when it is rendered at once, and the
slowest of its slices. Ratios are the result; the times depend on the machine.
"""

import gc
import random
import sys
import time
from collections.abc import Callable

from tui_chat.ui.markdown import SLICE, LiveDocument, MarkdownTheme

WORDS = [
    "the",
    "stream",
    "brings",
    "text",
    "a",
    "few",
    "characters",
    "at",
    "time",
    "and",
    "each",
    "event",
    "has",
    "its",
    "own",
    "name",
    "so",
    "that",
    "readers",
    "can",
    "follow",
    "what",
    "happens",
    "while",
    "server",
    "keeps",
    "connection",
    "open",
    "because",
    "nothing",
    "else",
    "would",
    "show",
    "progress",
    "until",
    "end",
    "of",
    "reply",
]
SIZES = (1_000, 10_000, 50_000, 100_000)
WINDOW = 2_000  # characters measured around each size; the first window stands at the start
TOKEN = 4


def _words(source: random.Random, count: int) -> str:
    words = [source.choice(WORDS) for _ in range(count)]
    words[count // 3] = f"**{words[count // 3]} {words[count // 3 - 1]}**"
    words[count // 2] = f"`{words[count // 2]}`"
    return " ".join(words)


def prose(source: random.Random) -> str:
    return _words(source, 60) + ".\n\n"


def paragraph(source: random.Random) -> str:
    return _words(source, 20) + ". "


def fence(source: random.Random) -> str:
    name = source.choice(WORDS)
    return (
        f"def {name}_{source.randrange(1000)}(value: int) -> str:\n"
        f'    """{source.choice(WORDS)} the {name}."""\n'
        f"    # {' '.join(source.choice(WORDS) for _ in range(6))}\n"
        f"    for index in range({source.randrange(100)}):\n"
        f'        print(f"{{value}} {name}", index)\n'
        f"    return str(value)\n\n"
    )


def one_list(source: random.Random) -> str:
    return f"- {_words(source, 12)}\n"


def nested_list(source: random.Random) -> str:
    return f"1. {_words(source, 8)}\n   - {_words(source, 8)}\n     - {_words(source, 6)}\n   - {_words(source, 6)}\n"


def table(source: random.Random) -> str:
    return f"| {source.choice(WORDS)} | {_words(source, 6)} | {source.randrange(10_000)} |\n"


def mixed(source: random.Random) -> str:
    return (
        f"## {source.choice(WORDS)} {source.choice(WORDS)}\n\n{prose(source)}{one_list(source)}{one_list(source)}\n"
        f"```python\n{fence(source)}```\n\n> {_words(source, 20)}\n\n"
        f"| a | b | c |\n|---|---|--:|\n{table(source)}{table(source)}\n"
    )


KINDS: dict[str, tuple[str, Callable[[random.Random], str]]] = {
    "prose": ("", prose),
    "one paragraph": ("", paragraph),
    "one fence": ("```python\n", fence),
    "one list": ("", one_list),
    "nested lists": ("", nested_list),
    "one table": ("| name | text | count |\n|---|---|--:|\n", table),
    "mixed": ("", mixed),
}


def text_of(kind: str, length: int) -> str:
    """`length` characters of one kind of reply."""
    head, make = KINDS[kind]
    source = random.Random(kind)
    parts = [head]
    size = len(head)
    while size < length:
        parts.append(make(source))
        size += len(parts[-1])
    return "".join(parts)[:length]


def grow(text: str, width: int = 100) -> tuple[dict[int, float], float]:
    """Microseconds of CPU per token around each size, and the slowest update in milliseconds."""
    document = LiveDocument(width, MarkdownTheme.default())
    spans = {size: (max(0, size - WINDOW), size) for size in SIZES if size <= len(text)}
    spans[SIZES[0]] = (0, WINDOW)
    spent = dict.fromkeys(spans, 0.0)
    slowest = 0.0
    for start in range(0, len(text), TOKEN):
        before = time.process_time()
        document.write(text[start : start + TOKEN])
        document.update()
        cost = time.process_time() - before
        slowest = max(slowest, cost)
        for size, (low, high) in spans.items():
            if low <= start < high:
                spent[size] += cost
    per_token = {size: spent[size] / ((high - low) / TOKEN) * 1e6 for size, (low, high) in spans.items()}
    return per_token, slowest * 1e3


def at_once(text: str, width: int = 100) -> tuple[float, float]:
    """Milliseconds of CPU for a whole text in slices, and for the slowest of them."""
    document = LiveDocument(width, MarkdownTheme.default())
    document.write(text)
    document.finish()
    total = slowest = 0.0
    while document.behind:
        before = time.process_time()
        document.update(SLICE)
        cost = time.process_time() - before
        total += cost
        slowest = max(slowest, cost)
    return total * 1e3, slowest * 1e3


def main() -> None:
    """Print the tables."""
    kinds = sys.argv[1:] or list(KINDS)
    gc.disable()
    grow(text_of("mixed", 5_000))  # imports, caches
    print(f"{'µs CPU per token':<16}" + "".join(f"{size // 1000:>7}k" for size in SIZES) + "   ratio  slowest ms")
    for kind in kinds:
        runs = [grow(text_of(kind, SIZES[-1])) for _ in range(3)]
        best = {size: min(run[0][size] for run in runs) for size in SIZES}
        slowest = min(run[1] for run in runs)
        ratio = best[SIZES[-1]] / best[SIZES[0]]
        print(f"{kind:<16}" + "".join(f"{best[size]:8.0f}" for size in SIZES) + f"{ratio:8.2f}{slowest:12.1f}")
        gc.collect()
    print()
    print("at once, ms per 1,000 tokens; slowest slice, ms")
    for kind in kinds:
        text = text_of(kind, 40_000)
        total, slowest = min(at_once(text) for _ in range(3))
        print(f"{kind:<16}{total / (len(text) / TOKEN / 1000):8.1f}{slowest:8.1f}")


if __name__ == "__main__":
    main()
