"""Markdown to lines of the screen, while it arrives.

Why it exists: a reply grows token by token, and the cost of a token must not grow with the reply. No widget in here:
`LiveDocument` takes deltas and offers lines (`document.py` tells how), widgets show them.

```text
source -> document -> blocks (structure, line by line) -> renderer (places, spacing) -> lines
                        paragraph, scan: what a line is     textleaf: segments, inline, tokens: text -> styled runs
                                                            code: highlight; table; late: links defined later
                                                            layout: wrapping
```
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tui_chat.ui.markdown.code import CodeBlock
    from tui_chat.ui.markdown.document import SLICE, LiveDocument, render
    from tui_chat.ui.markdown.layout import LineInfo
    from tui_chat.ui.markdown.theme import MarkdownTheme

__all__ = ["SLICE", "CodeBlock", "LineInfo", "LiveDocument", "MarkdownTheme", "render"]

_HOMES = {
    "SLICE": "document",
    "CodeBlock": "code",
    "LineInfo": "layout",
    "LiveDocument": "document",
    "MarkdownTheme": "theme",
    "render": "document",
}


def __getattr__(name: str) -> Any:
    """The public names, imported when first asked for: the parsers take 30 ms, which the first paint must not wait for."""
    if name not in _HOMES:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
