"""The block structure of a text, from our parser and from markdown-it, in one form: a list of events."""

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tui_chat.ui.markdown.blocks import BlockParser
from tui_chat.ui.markdown.scan import Align
from tui_chat.ui.markdown.tokens import markdown

Event = tuple[object, ...]
REFERENCE = MarkdownIt("gfm-like", {"html": False, "maxNesting": 200})


class Recorder:
    """A sink that writes down what it is told."""

    def __init__(self) -> None:
        self.source_line = 0
        self.events: list[Event] = []
        self.definitions: dict[str, str] = {}
        self._open: list[str] = []
        self._leaf: Event = ()
        self._text: list[str] = []

    def open_quote(self) -> None:
        self._push("quote")

    def open_list(self) -> None:
        self._push("list")

    def open_item(self, marker: str) -> None:
        self._push("item")

    def _push(self, kind: str) -> None:
        self._open.append(kind)
        self.events.append((f"{kind} open",))

    def close_container(self) -> None:
        self.events.append((f"{self._open.pop()} close",))

    def open_paragraph(self, *, blank: bool) -> None:
        self._begin("paragraph")

    def open_heading(self, level: int, *, blank: bool) -> None:
        self._begin("heading", level)

    def open_code(self, info: str | None, *, blank: bool) -> None:
        self._begin("code", info or "")

    def open_table(self, header: list[str], columns: list[Align], *, blank: bool) -> None:
        self._begin("table", [column.value for column in columns])
        self.add_row(header)

    def rule(self, *, blank: bool) -> None:
        self.events.append(("rule",))

    def _begin(self, *leaf: object) -> None:
        assert not self._leaf, "a leaf is open"
        self._leaf = leaf
        self._text = []

    def add(self, text: str) -> None:
        self._text.append(text)

    def add_code(self, text: str, raw: str) -> None:
        self._text.append(raw)

    def end_code_line(self) -> None:
        self._text.append("\n")

    def add_row(self, row: list[str]) -> None:
        self._text.append("|".join(row) + "\n")

    def underline(self, level: int) -> None:
        self._leaf = ("heading", level)
        self.close_leaf()

    def define(self, label: str, href: str) -> None:
        self.definitions.setdefault(label, href)

    def close_leaf(self) -> None:
        text = "".join(self._text)
        self.events.append((*self._leaf, text if self._leaf[0] in ("code", "table") else text.strip()))
        self._leaf = ()


def ours(source: str) -> Recorder:
    """What our parser makes of `source`."""
    recorder = Recorder()
    parser = BlockParser(recorder, markdown())
    lines = source.split("\n")
    for line in lines if lines[-1] else lines[:-1]:
        parser.line(line)
    parser.finish()
    return recorder


def reference(source: str) -> tuple[list[Event], dict[str, str]]:
    """What markdown-it makes of `source`."""
    environment: dict[str, dict[str, dict[str, str]]] = {}
    events: list[Event] = []
    tokens = REFERENCE.parse(source, environment)
    names = {"blockquote": "quote", "bullet_list": "list", "ordered_list": "list", "list_item": "item"}
    rows: list[list[str]] = []
    aligns: list[str] = []
    for index, token in enumerate(tokens):
        kind, _, way = token.type.rpartition("_")
        if kind in names:
            events.append((f"{names[kind]} {way}",))
        elif token.type == "paragraph_open":
            events.append(("paragraph", tokens[index + 1].content))
        elif token.type == "heading_open":
            events.append(("heading", int(token.tag[1]), tokens[index + 1].content))
        elif token.type in ("fence", "code_block"):
            # A tab inside code is shown as spaces.
            events.append(("code", token.info.strip(), token.content.rstrip("\n") + "\n" if token.content else ""))
        elif token.type == "hr":
            events.append(("rule",))
        elif token.type == "table_open":
            rows, aligns = [], []
        elif token.type == "tr_open":
            rows.append([])
        elif token.type in ("th_open", "td_open"):
            rows[-1].append(tokens[index + 1].content)
            if token.type == "th_open":
                aligns.append(_align(token))
        elif token.type == "table_close":
            events.append(("table", aligns, "".join("|".join(row) + "\n" for row in rows)))
    found = {label: value["href"] for label, value in environment.get("references", {}).items()}
    return events, found


def _align(token: Token) -> str:
    return str(token.attrs.get("style", "text-align:left")).removeprefix("text-align:")


def comparable(events: list[Event]) -> list[Event]:
    """`events` without differences that do not matter: blank lines at the end of code, the way text is trimmed."""
    result: list[Event] = []
    for event in events:
        match event:
            case ("code", info, str(text)):
                result.append(("code", info, text.rstrip("\n")))
            case (*head, str(text)) if head:
                result.append((*head, "\n".join(line.strip() for line in text.strip().split("\n"))))
            case _:
                result.append(event)
    return result
