"""A conversation as markdown: everything in it, in order, and readable as markdown again."""

from itertools import pairwise

import pytest
from markdown_it import MarkdownIt

from tui_chat.ui.chat_markdown import Said, chat_markdown


def headings(text: str) -> list[str]:
    tokens = MarkdownIt().parse(text)
    return [after.content for token, after in pairwise(tokens) if token.type == "heading_open"]


def test_messages_stand_below_their_headings() -> None:
    said = [Said("You", "Hi\n\n  there"), Said("Claude", "- a\n- b\n", "stopped by you"), Said("You", "")]
    assert chat_markdown(said) == ("## You\n\nHi\n\n  there\n\n## Claude\n\n- a\n- b\n\n*stopped by you*\n\n## You\n")
    assert chat_markdown([]) == ""


@pytest.mark.parametrize(
    "cut",
    [
        "Look:\n\n```python\ndef f():\n    pass",
        "~~~~\n```\n~~~\n",
        "````md\n```\ncode\n```\n",
        "```\na\n```\n\n```b\n",
        "```a\n````  \n```",
        "`` not a fence ``\n```x`y```\n",
        "1. a\n   ```\n   b",
        "> ```\n> b",
        "text",
        "\r\n```\r\ncode\r\n",
    ],
)
def test_a_fence_left_open_does_not_swallow_the_next_heading(cut: str) -> None:
    text = chat_markdown([Said("You", "a"), Said("Claude", cut), Said("You", "b")])
    assert headings(text) == ["You", "Claude", "You"]
    assert cut in text
