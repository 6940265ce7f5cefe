"""What stands below the text of a reply: its sources, the program's notes about it, its footer.

Made anew only when one of them, the width or the looks have changed, since the reply above it is painted with every token. It knows
neither the text nor where it stands.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from tui_chat.text import sanitise_line
from tui_chat.ui.links import to_ascii
from tui_chat.ui.markdown.layout import Fragment, segments, wrap
from tui_chat.ui.widgets.log_items import BLANK, INDENT, cut, cut_front
from tui_chat.ui.widgets.markdown_view import Looks
from tui_chat.ui.wording import Footer

_NOTES: Final = 8  # different ones that are shown; a broken server may send any number
_NOTE: Final = 300  # cells of one, for the same reason
_PAD: Final = Segment(" " * INDENT)


@dataclass(frozen=True, slots=True)
class Source:
    """What a reply cites: the number it has in the text, and where it stands."""

    number: int
    title: str
    url: str

    @property
    def host(self) -> str:
        """The host as it is looked up; '' if the address has none."""
        try:
            return to_ascii(urlsplit(self.url).hostname or "")
        except ValueError:  # a bracket left open, or no valid name
            return ""

    @property
    def line(self) -> str:
        """The source as a line of text."""
        number, title, url = f"[{self.number}]", sanitise_line(self.title).strip(), sanitise_line(self.url)
        return " ".join(part for part in (number, title, f"<{url}>" if url else "") if part)


class ReplyFoot:
    """The lines below one reply. `footer` is None until the reply has ended."""

    def __init__(self, turn_id: str) -> None:
        self._turn_id = turn_id
        self._footer: Footer | None = None
        self._notes: dict[str, int] = {}  # how often each was said
        self._sources: tuple[Source, ...] = ()
        self._lines: list[Strip] | None = None
        self.source_rows: list[Strip] = []  # those of the lines that list sources
        self._made_for: tuple[int, Looks] | None = None

    @property
    def footer(self) -> Footer | None:
        """The footer; None while the reply grows, and above another part of it."""
        return self._footer

    @footer.setter
    def footer(self, footer: Footer | None) -> None:
        self._footer, self._lines = footer, None

    @property
    def sources(self) -> tuple[Source, ...]:
        """What the reply cites."""
        return self._sources

    @sources.setter
    def sources(self, sources: tuple[Source, ...]) -> None:
        self._sources, self._lines = sources, None

    def note(self, text: str) -> None:
        """Say something on a line of its own; what was said before is counted."""
        self._notes[text] = self._notes.get(text, 0) + 1
        self._lines = None

    def lines(self, width: int, looks: Looks) -> list[Strip]:
        """All of it in `width` cells behind the log's indentation."""
        if self._lines is None or self._made_for != (width, looks):
            self._made_for = width, looks
            sources = [line for source in self._sources for line in _source_lines(source, width, looks)]
            self.source_rows = sources
            groups = [sources, self._note_lines(width, looks), self._footer_lines(width, looks)]
            lines = [line for group in groups if group for line in (BLANK, *group)]
            self._lines = lines[1:]
        return self._lines

    def _note_lines(self, width: int, looks: Looks) -> list[Strip]:
        texts = [
            cut(sanitise_line(text), _NOTE) + (f" ({count} times)" if count > 1 else "")
            for text, count in list(self._notes.items())[:_NOTES]
        ]
        if len(self._notes) > _NOTES:
            texts.append(f"and {len(self._notes) - _NOTES} more notes of other kinds")
        rows = [row for text in texts for row in wrap([(text, looks["note"])], width)]
        return [Strip([_PAD, *segments(row.fragments)]) for row in rows]

    def _footer_lines(self, width: int, looks: Looks) -> list[Strip]:
        footer = self._footer
        if footer is None:
            return []
        tone = {"dim": "footer", "warm": "footer_warm", "error": "footer_error"}[footer.tone]
        return offering((sanitise_line(footer.text), looks[tone]), _actions(footer, self._turn_id, looks), width)


def offering(text: Fragment, actions: Sequence[Fragment], width: int) -> list[Strip]:
    """`text` wrapped, and behind it what can be done: below it where that does not fit."""
    rows = wrap([text], width)
    lines = [[_PAD, *segments(row.fragments)] for row in rows]
    if actions:
        if rows and rows[-1].cells + 3 + sum(cell_len(text) for text, _ in actions) <= width:
            lines[-1] += [Segment("   "), *segments(actions)]
        else:
            lines += [[_PAD, *segments(row.fragments)] for row in wrap(actions, width)]
    return [Strip(line) for line in lines]


def _source_lines(source: Source, width: int, looks: Looks) -> list[Strip]:
    """The number, the title as a link, and the host, which a title cannot counterfeit: below it where there is no room."""
    number, host = f"[{source.number}] ", source.host
    given = " ".join(sanitise_line(source.title).split())
    title = given or sanitise_line(source.url)
    room = width - len(number)
    if not given and host in title and cell_len(title) <= room:
        host = ""  # the address itself is shown, and whole
    fits = cell_len(title) + cell_len(host) + 2 <= room
    link = looks["source"] + Style(meta={"href": source.url}) if source.url else looks["footer"]
    line = [_PAD, Segment(number, looks["footer"]), Segment(cut(title, room), link)]
    if not host:
        return [Strip(line).crop(0, INDENT + width)]
    if fits:
        return [Strip([*line, Segment(f"  {host}", looks["footer"])])]
    # Of a host the end says whose it is.
    below = [_PAD, Segment(" " * len(number)), Segment(cut_front(host, room), looks["footer"])]
    return [Strip(each).crop(0, INDENT + width) for each in (line, below)]


def _actions(footer: Footer, turn_id: str, looks: Looks) -> list[tuple[str, Style]]:
    """The footer's actions as text whose cells carry what a click on them means."""
    runs: list[tuple[str, Style]] = []
    for action in footer.actions:
        click = Style(meta={"action": action.name, "turn_id": turn_id})
        if runs:
            runs.append(("   ", Style()))
        runs += [(action.key, looks["action"] + click), (" ", click), (action.label, looks["footer"] + click)]
    return runs
