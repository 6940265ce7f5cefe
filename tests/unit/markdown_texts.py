"""Texts for the tests of the markdown renderer: one sample with everything in it, and pieces to make others of."""

import random

from hypothesis import strategies as st

SAMPLE = """\
# Streaming

With `stream: true` the server **pushes *events***, see [the guide](https://example.com/a_b) or <https://x.y>, and so
on and so forth until the line is long enough to be taken in parts, which is after some hundred and sixty characters.

1. one
   - [ ] nested
   - [x] done

     loose
10. ten

> quote
lazy
> > deeper

```python
def f(x: int) -> str:
    \"\"\"A string
    over lines.\"\"\"
\treturn f"{x}"  # tab
```

| A | B |
|:-:|--:|
| `x` | a rather long cell that must be wrapped in a narrow place |

Title
---

See [late] and ![image](https://x.y/z.png)[^1]; $a_b$ costs $5.

***

    indented

中文字符的测试，也要换行。 👩‍👩‍👧 e\u0301

[late]: https://late.example 'title'
[^1]: note
"""

PIECES = [
    *(
        "- ",
        "1. ",
        "10) ",
        "> ",
        ">",
        "  ",
        "    ",
        "\t",
        "# ",
        "## ",
        "\n",
        "\n\n",
        "  \n",
        "\\\n",
        "\r\n",
        "\r",
        "|",
        " | ",
    ),
    *("```", "```py\n", "~~~\n", "***", "---", "===", "|---|:-:|\n", "| a | b |\n", "`", "``", "*", "**", "_", "~~"),
    *(
        "[",
        "](",
        ")",
        "[a]",
        "[a]: /b\n",
        "[a](http://x.y)",
        "![b](c)",
        "[^1]",
        "<http://x.y>",
        "https://x.y",
        "$",
        "\\(",
    ),
    *(
        "word\t" * 40,
        "word ",
        "word",
        "some more words ",
        "x" * 90,
        "word " * 40,
        "中文，",
        "👩‍👧",
        "e\u0301",
        "\x1b[2J",
        "&#x9b;",
        "&lt;",
    ),
    *("def f():\n", '"""', "/* ", " */", "# c\n", "[ ] ", "[x] "),
]
DOCUMENTS = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.text(max_size=60),
    st.sampled_from([SAMPLE]),
)


def cut(source: str, seed: int, longest: int) -> list[str]:
    randomness = random.Random(seed)
    deltas = []
    start = 0
    while start < len(source):
        stop = start + randomness.randint(1, longest)
        deltas.append(source[start:stop])
        start = stop
    return deltas
