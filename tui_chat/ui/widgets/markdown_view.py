"""The common ground of the two widgets that show markdown: line API, component styles, one renderer.

Looks stand in `app.tcss` as component classes with theme variables; `looks` turns them into plain rich styles once per theme,
so that laying out a line never asks the stylesheet.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Final

from rich.style import Style

from tui_chat.ui.markdown.theme import MarkdownTheme
from tui_chat.ui.widgets.line_view import LineView
from tui_chat.ui.widgets.looks import component_style

_ROLES: Final = (
    "emphasis",
    "strong",
    "strike",
    "code",
    "link",
    "url",
    "image",
    "math",
    "footnote",
    "quote_bar",
    "quote_text",
    "bullet",
    "task_open",
    "task_done",
    "rule",
    "table_head",
    "table_rule",
    "code_block",
    "code_label",
)
_TOKENS: Final = MappingProxyType(
    {
        "comment": ("Comment",),
        "keyword": ("Keyword", "Operator.Word"),
        "constant": ("Keyword.Constant", "Literal.Number"),
        "builtin": ("Name.Builtin", "Name.Attribute"),
        "class": ("Name.Class", "Name.Decorator", "Name.Exception"),
        "function": ("Name.Function", "Name.Tag", "Generic.Subheading"),
        "string": ("Literal.String",),
        "deleted": ("Generic.Deleted",),
        "inserted": ("Generic.Inserted",),
        "faint": ("Generic.Prompt",),
    }
)
_OWN: Final = (
    "user_bar",
    "user_text",
    "thinking",
    "footer",
    "footer_warm",
    "footer_error",
    "action",
    "tool",
    "tool_name",
    "tool_text",
    "source",
    "note",
    "seam",
    "cursor",
    "below",
    "welcome",
    "entry",
    "found",
    "found_now",
)


@dataclass(frozen=True, slots=True)
class Looks:
    """The styles of one theme: of markdown, and of what stands around it."""

    markdown: MarkdownTheme
    own: Mapping[str, Style]

    def __getitem__(self, name: str) -> Style:
        return self.own[name]


class MarkdownView(LineView):
    """A scrolling widget of lines that shows markdown."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"markdown--{role}" for role in _ROLES),
        *(f"markdown--heading-{level}" for level in range(1, 7)),
        *(f"code--{family}" for family in _TOKENS),
        *(f"log--{name}" for name in _OWN),
    }

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._looks: Looks | None = None

    def lay_out_again(self) -> None:
        """The width or the looks have changed."""
        raise NotImplementedError

    def notify_style_update(self) -> None:
        """The styles may have changed; what they are now is known after the next refresh."""
        super().notify_style_update()
        if self._looks is not None:
            self.call_after_refresh(self._restyle)

    def _restyle(self) -> None:
        looks = self.looks()
        if looks != self._looks:
            self._looks = looks
            self.lay_out_again()

    def looks(self) -> Looks:
        """The styles of the current theme."""

        def style(name: str) -> Style:
            return component_style(self, name)

        roles = {role: style(f"markdown--{role}") for role in _ROLES}
        levels = [style(f"markdown--heading-{level}") for level in range(1, 7)]
        headings = (levels[0], levels[1], levels[2], levels[3], levels[4], levels[5])
        tokens = {name: style(f"code--{family}") for family, names in _TOKENS.items() for name in names}
        theme = MarkdownTheme(**roles, headings=headings, tokens=tokens)
        return Looks(theme, {name: style(f"log--{name}") for name in _OWN})
