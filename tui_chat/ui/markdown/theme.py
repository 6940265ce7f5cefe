"""The looks of a reply: one rich style per role.

Why it exists: widgets build a theme from Textual's theme variables, the renderer only asks it for styles by role.
What it must not know: Textual's themes, colours by name, and what a block is.

A style with no colours of its own lets the widget's colours through, so `text` is normally empty.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from pygments.token import STANDARD_TYPES, Token
from rich.style import Style

_NOTHING: Final = Style()


def _tokens(colours: Mapping[str, str]) -> Mapping[str, Style]:
    return MappingProxyType({name: Style.parse(text) for name, text in colours.items()})


@dataclass(frozen=True, slots=True)
class MarkdownTheme:
    """Styles by role. Inline roles are laid over the block's style; the others stand for themselves.

    `tokens` maps families of Pygments tokens ("Keyword", "Name.Function", "Literal.String") to styles; a token takes
    the nearest family above it.
    """

    text: Style = _NOTHING
    emphasis: Style = Style(italic=True)
    strong: Style = Style(bold=True)
    strike: Style = Style(strike=True)
    code: Style = _NOTHING
    link: Style = Style(underline=True)
    url: Style = Style(dim=True)
    image: Style = Style(italic=True)
    math: Style = _NOTHING
    footnote: Style = Style(dim=True)
    headings: tuple[Style, Style, Style, Style, Style, Style] = (Style(bold=True),) * 6
    quote_bar: Style = Style(dim=True)
    quote_text: Style = _NOTHING
    bullet: Style = Style(dim=True)
    task_open: Style = Style(dim=True)
    task_done: Style = Style(dim=True)
    rule: Style = Style(dim=True)
    table_head: Style = Style(bold=True)
    table_rule: Style = Style(dim=True)
    code_block: Style = _NOTHING
    code_label: Style = Style(dim=True)
    tokens: Mapping[str, Style] = field(default_factory=lambda: MappingProxyType({}))

    @classmethod
    def default(cls, dark: bool = True) -> "MarkdownTheme":
        """A quiet theme with one accent colour, for tests and for pictures without an app."""
        accent, soft, faint = ("#7aa2f7", "#9aa5b1", "#6b7683") if dark else ("#2f5fb3", "#57606a", "#8a929b")
        code = "#d7ba8a" if dark else "#8a5a00"
        colours = (
            {
                "Comment": "#6b7683 italic",
                "Keyword": "#b294d6",
                "Keyword.Constant": "#d19a66",
                "Name.Builtin": "#7fb4ca",
                "Name.Class": "#e0c080",
                "Name.Decorator": "#e0c080",
                "Name.Exception": "#e0c080",
                "Name.Function": "#7aa2f7",
                "Name.Tag": "#7aa2f7",
                "Name.Attribute": "#7fb4ca",
                "Literal.String": "#98bb6c",
                "Literal.Number": "#d19a66",
                "Operator.Word": "#b294d6",
                "Generic.Deleted": "#e46876",
                "Generic.Inserted": "#98bb6c",
                "Generic.Heading": "bold",
                "Generic.Subheading": "#7aa2f7",
                "Generic.Prompt": "#6b7683",
            }
            if dark
            else {
                "Comment": "#8a929b italic",
                "Keyword": "#7c3aa8",
                "Keyword.Constant": "#a34e00",
                "Name.Builtin": "#0b6e83",
                "Name.Class": "#7a5b00",
                "Name.Decorator": "#7a5b00",
                "Name.Exception": "#7a5b00",
                "Name.Function": "#2f5fb3",
                "Name.Tag": "#2f5fb3",
                "Name.Attribute": "#0b6e83",
                "Literal.String": "#3f6e1e",
                "Literal.Number": "#a34e00",
                "Operator.Word": "#7c3aa8",
                "Generic.Deleted": "#b3261e",
                "Generic.Inserted": "#3f6e1e",
                "Generic.Heading": "bold",
                "Generic.Subheading": "#2f5fb3",
                "Generic.Prompt": "#8a929b",
            }
        )
        return cls(
            code=Style.parse(code),
            link=Style.parse(f"{accent} underline"),
            url=Style.parse(faint),
            image=Style.parse(f"{soft} italic"),
            math=Style.parse(code),
            footnote=Style.parse(accent),
            headings=(
                Style.parse(f"{accent} bold"),
                Style.parse("bold"),
                Style.parse("bold"),
                Style.parse(f"{soft} bold"),
                Style.parse(f"{soft} bold"),
                Style.parse(f"{soft} italic"),
            ),
            quote_bar=Style.parse(faint),
            quote_text=Style.parse(soft),
            bullet=Style.parse(accent),
            task_open=Style.parse(faint),
            task_done=Style.parse(accent),
            rule=Style.parse(faint),
            table_rule=Style.parse(faint),
            code_label=Style.parse(faint),
            tokens=_tokens(colours),
        )

    def token(self, kind: object) -> Style:
        """The style of a Pygments token type, or `code_block` for families the theme does not name."""
        while kind is not Token and kind in STANDARD_TYPES:
            style = self.tokens.get(str(kind)[6:])  # "Token." goes
            if style is not None:
                return self.code_block + style
            kind = getattr(kind, "parent", Token)
        return self.code_block
