"""What one line can be: CommonMark's and GFM's markers as pure functions.

Why it exists: the block parser asks these questions of a line; here they can be read beside the specification.
What it must not know: which blocks are open.
"""

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.common.utils import normalizeReference
from markdown_it.helpers import parseLinkDestination, parseLinkTitle

_SPACES: Final = re.compile(" *")
HEADING: Final = re.compile(r"(#{1,6})(?:[ ]+|$)")
FENCE: Final = re.compile(r"(`{3,})([^`]*)$|(~{3,})(.*)$")
SETEXT: Final = re.compile(r"(=+|-+)[ ]*$")
RULE: Final = re.compile(r"(?:(?:\*[ ]*){3,}|(?:-[ ]*){3,}|(?:_[ ]*){3,})$")
ITEM: Final = re.compile(r"([-+*]|(\d{1,9})([.)]))(?=[ ]|$)")
_TABLE_RULE: Final = re.compile(r"[-:|][-:|\s]*$")
_TABLE_CELL: Final = re.compile(r":?-+:?$")
_LABEL: Final = re.compile(r"\[(?!\^)((?:[^\[\]\\]|\\.){1,999})\]:", re.DOTALL)
_UNCLOSED_LABEL: Final = re.compile(r"\[(?!\^)(?:[^\[\]\\]|\\.){0,999}\\?$|\[(?:[^\[\]\\]|\\.){0,999}\]$", re.DOTALL)
LONGEST_DEFINITION: Final = 2_000  # characters after which no further line is waited for
LONGEST_LINE: Final = 8_000  # a line that goes on after so many characters is text, unless it is code


class Align(Enum):
    """How a table's column is aligned."""

    LEFT = "left"
    CENTER = "center"
    RIGHT = "right"


def heading_text(text: str) -> str:
    """The text of an ATX heading's line after its opening marker, without the closing one."""
    text = text.strip(" ")
    before = text.rstrip("#")
    return before.rstrip(" ") if before[-1:] in ("", " ") else text


def cells(line: str) -> list[str]:
    r"""The cells of a table's line: split at each `|` that is not escaped, outer pipes dropped, `\|` made `|`."""
    parts: list[str] = []
    current = ""
    start = 0
    at = line.find("|")
    while at >= 0:
        if at and line[at - 1] == "\\":
            current += line[start : at - 1]
            start = at
        else:
            parts.append(current + line[start:at])
            current = ""
            start = at + 1
        at = line.find("|", at + 1)
    parts.append(current + line[start:])
    if parts and not parts[0].strip():
        parts.pop(0)
    if parts and not parts[-1].strip():
        parts.pop()
    return [part.strip() for part in parts]


def alignments(line: str) -> list[Align] | None:
    """The columns of a table's delimiter row, or None if `line` is none."""
    if not _TABLE_RULE.match(line) or "-" not in line or (line[0] == "-" and line[1:2] == " ") or len(line) < 2:
        return None
    parts = line.split("|")
    found: list[Align] = []
    for index, part in enumerate(parts):
        cell = part.strip()
        if not cell:
            if index in (0, len(parts) - 1):
                continue
            return None
        if not _TABLE_CELL.match(cell):
            return None
        right = cell.endswith(":")
        found.append(Align.CENTER if right and cell[0] == ":" else Align.RIGHT if right else Align.LEFT)
    return found


def spaces(text: str, start: int) -> int:
    """The end of the run of spaces at `start`."""
    match = _SPACES.match(text, start)
    return match.end() if match else start


def from_column(raw: str, column: int) -> str:
    """What of `raw` stands at or after `column`, tabs kept; of a tab that is cut the rest comes as spaces."""
    at = 0
    for index, character in enumerate(raw):
        if at >= column:
            return " " * (at - column) + raw[index:]
        at += 4 - at % 4 if character == "\t" else 1
    return " " * max(0, at - column)


@dataclass(frozen=True, slots=True)
class Definition:
    """A link reference definition: `label` is normalised, `end` is where it ends in the text it was found in."""

    label: str
    href: str
    end: int


class Unfinished(Enum):
    """The text so far may still become a definition, or a longer one: the next line decides."""

    UNFINISHED = 0


UNFINISHED: Final = Unfinished.UNFINISHED


def definition(text: str, markdown: MarkdownIt, *, final: bool) -> Definition | Unfinished | None:
    """The link reference definition at the start of `text` (whole lines of a paragraph), or None.

    With `final` no further line follows and the answer is never UNFINISHED.
    """
    if len(text) >= LONGEST_LINE:
        return None
    final = final or len(text) > LONGEST_DEFINITION
    match = _LABEL.match(text)
    if match is None:
        return UNFINISHED if not final and _UNCLOSED_LABEL.match(text) else None
    label = normalizeReference(match[1])
    if not label:
        return None
    position = _gap(text, match.end())
    if position == len(text):
        return None if final else UNFINISHED
    destination = parseLinkDestination(text, position, len(text))
    if not destination.ok:
        return None
    href = markdown.normalizeLink(destination.str)
    if not markdown.validateLink(href):
        return None
    after = _skip(text, destination.pos)
    line_ends = after == len(text) or text[after] == "\n"
    bare = Definition(label, href, min(after + 1, len(text))) if line_ends else None
    if after == len(text):
        return bare if final else UNFINISHED
    start = _skip(text, after + 1) if line_ends else after
    if start == destination.pos or start == len(text) or text[start] not in "\"'(":
        return bare
    title = parseLinkTitle(text, start, len(text))
    if not title.ok:
        return UNFINISHED if title.can_continue and not final else bare
    end = _skip(text, title.pos)
    if end == len(text) or text[end] == "\n":
        return Definition(label, href, min(end + 1, len(text)))
    return bare


def _skip(text: str, position: int) -> int:
    while position < len(text) and text[position] == " ":
        position += 1
    return position


def _gap(text: str, position: int) -> int:
    """Past spaces and at most one line ending."""
    position = _skip(text, position)
    if position < len(text) and text[position] == "\n":
        position = _skip(text, position + 1)
    return position
