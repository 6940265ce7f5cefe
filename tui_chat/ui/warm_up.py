"""What is loaded before it is needed, in a thread: the markdown renderer, and the lexers of common languages."""

from typing import Final

LANGUAGES: Final = ("python", "sh", "json", "diff", "js", "ts", "html", "css", "yaml", "sql", "rust", "go", "c")


def warm_up(*languages: str) -> None:
    """Load and use the renderer once, so that the first token of the first reply does not wait for it."""
    from tui_chat.ui.markdown import MarkdownTheme, render  # not with this module: the first paint needs neither

    for language in languages or ("text",):
        render(f"A *first* `line`, https://example.org.\n\n```{language}\npass\n```\n", 80, MarkdownTheme())
