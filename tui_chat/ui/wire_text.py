"""The words of the wire inspector: rows, details and copies, from what went over the wire. Pure.

A row is pieces of text with a tone; the widgets know what a tone looks like. All text from outside is sanitised here. JSON is laid out
by moving its tokens apart and nothing else: numbers, escapes and doubled names stay as the server wrote them, and JSON that is broken
is shown as far as it goes.
"""

import json
import re
import shlex
import time
from dataclasses import dataclass
from typing import Any, Final

from rich.cells import cell_len, set_cell_size

from tui_chat.events import WireFrame
from tui_chat.json_text import decode
from tui_chat.text import sanitise, sanitise_line
from tui_chat.ui.wording import model_name
from tui_chat.wire import HIDDEN, Capture, Headers

Piece = tuple[str, str]  # text, tone: "", heading, dim, type, gap, error, note

LONGEST_SHOWN: Final = 400_000  # characters of one body or event
_EXCERPT: Final = 400  # characters; no row is as wide
_LOOKED_AT: Final = 20_000  # characters of an event that are parsed for its row
_DEEPEST: Final = 30  # levels that are indented
_QUIET: Final = frozenset({"ping", "comment"})
_PART: Final = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_OPENING: Final = frozenset("{[")
_CLOSING: Final = frozenset("}]")
_PUNCTUATION: Final = frozenset(",:")
LONGEST_ARGUMENT: Final = 100_000  # bytes; Linux takes 131,071 in one
_CONTINUED: Final = " \\\n  "
_CREDENTIALS: Final = {  # the SDK sends an API key as it sends a token
    "x-api-key": "$ANTHROPIC_API_KEY",
    "authorization": "Bearer ${ANTHROPIC_API_KEY:-$ANTHROPIC_AUTH_TOKEN}",
}
_CURLS_OWN: Final = frozenset(
    {"host", "content-length", "connection", "accept-encoding", "transfer-encoding", "user-agent"}
)
_SINCE, _OFFSET, _SIZE, _TYPE, _INDEX = 7, 9, 7, 19, 3  # cells of the columns
_SHORT_TYPE: Final = 16  # ... of the column of types where it has only that of the delta, and no `content_`
_WITH_BOTH: Final = 76  # cells of a row from which there is room for the type of an event and that of its delta
_WITH_OFFSET: Final = 56  # ... for a column
_WITH_SIZE: Final = 48
_WITH_INDEX: Final = 40


@dataclass(frozen=True, slots=True)
class Key:
    """A row's name: the number its request got here, its offset there, and whether it is the gap before that row."""

    request: int
    offset: int
    gap: bool = False


@dataclass(frozen=True, slots=True)
class WireRow:
    """One line: `tone` is heading, step, event, quiet, gap, hole, error, end or note; `since` seconds from the row before, sizes in bytes."""

    tone: str
    since: float | None = None
    offset: int | None = None
    size: int | None = None
    type: str = ""
    index: int | None = None
    text: str = ""
    delta: str = ""  # the type of a delta: where there is room beside the event's type, else in its place


@dataclass(frozen=True, slots=True)
class Detail:
    """All of one row: a title, lines about it, and its content, which is JSON or plain text. Sanitised."""

    title: str
    about: tuple[str, ...]
    content: str
    is_json: bool = False

    @property
    def text(self) -> str:
        """What copying it gives."""
        return "\n".join([self.title, *self.about, *([""] if self.about and self.content else []), self.content])


# Numbers ---------------------------------------------------------------------------------------------------------------


def milliseconds(seconds: float | None) -> str:
    """A difference in at most seven characters, in milliseconds; from 100 s on in seconds."""
    if seconds is None:
        return ""
    if seconds == 0:
        return "+0"
    if seconds < 0.00995:
        return f"+{seconds * 1000:.1f}"
    return f"+{seconds * 1000:,.0f}" if seconds < 99.9995 else f"+{seconds:,.0f}s"


def bytes_text(count: float) -> str:
    """A number of bytes in at most seven characters."""
    for unit, size in (("MB", 1_000_000), ("kB", 1_000)):
        if count >= size * 0.9995:
            return f"{count / size:.1f} {unit}" if count < 99.95 * size else f"{count / size:.0f} {unit}"
    return f"{count:.0f} B"


def seconds_text(seconds: float) -> str:
    """A duration with a unit."""
    return (
        f"{seconds * 1000:.0f} ms"
        if seconds < 0.9995
        else f"{seconds:.2f} s"
        if seconds < 99.995
        else f"{seconds:,.0f} s"
    )


def quoted(text: str) -> str:
    """A text that was typed, in few characters."""
    return f"“{_cut(sanitise_line(text), 24)}”"


# Rows ------------------------------------------------------------------------------------------------------------------


def request_row(capture: Capture, title: str, events: int) -> WireRow:
    """The heading of a request."""
    parts = [title, model_name(capture.model), _state(capture)]
    if capture.received:
        parts += [bytes_text(capture.received), f"{events:,} event{'' if events == 1 else 's'}"]
    if capture.ended is not None:
        parts.append(seconds_text(capture.ended - capture.sent))
    return WireRow("heading", text="  ".join(parts))


def _state(capture: Capture) -> str:
    if capture.status is not None:
        return str(capture.status)
    return "no answer" if capture.ended is not None else "no answer yet"


def response_line(capture: Capture) -> str:
    """What the headers' row says of them."""
    kind = next((value for name, value in capture.response_headers if name.lower() == "content-type"), "")
    number = next((value for name, value in capture.response_headers if name.lower() == "request-id"), "")
    return sanitise_line(" ".join(part for part in (_state(capture), kind.partition(";")[0], number) if part))


def end_row(capture: Capture, since: float | None, *, complete: bool, why: str) -> WireRow:
    """How the body ended. `why`: what is known where nobody read it to its end."""
    if capture.body_ended_at is None and not complete:
        return WireRow("error", since, type="closed", text=sanitise_line(why) or "the connection closed")
    if complete or (capture.status or 0) >= 400:
        return WireRow("end", since, type="end", text=f"{bytes_text(capture.received)} read")
    return WireRow("error", since, type="end", text=sanitise_line(why) or "the body ended without a message_stop")


def event_row(frame: WireFrame, since: float | None, type: str) -> WireRow:
    """An event as its row."""
    index, delta, text = _said(frame)
    tone = "error" if type == "error" else "quiet" if type in _QUIET else "event"
    return WireRow(tone, since, frame.offset, frame.size, type, index, _one_line(text), _one_line(delta))


def _said(frame: WireFrame) -> tuple[int | None, str, str]:
    """What an event says: its index, the type of its delta, and the rest, without what stands in other columns."""
    data = frame.data
    if not data and frame.comment is not None:
        return None, "", frame.comment
    value: Any = None
    if len(data) <= _LOOKED_AT:
        try:
            value = decode(data)
        except ValueError:
            value = None
    if not isinstance(value, dict):
        return None, "", data
    index = value.pop("index", None)
    value.pop("type", None)
    number = index if isinstance(index, int) and not isinstance(index, bool) else None
    delta = value.get("delta")
    if isinstance(delta, dict) and len(value) == 1 and isinstance(delta.get("type"), str):
        kind = delta.pop("type")
        only = next(iter(delta.values()), None)
        return number, kind, json.dumps(only if len(delta) == 1 else delta, ensure_ascii=False) if delta else ""
    return number, "", json.dumps(value, ensure_ascii=False)[1:-1]


def excerpt_of(raw: bytes) -> str:
    """The beginning of some bytes, on one line."""
    return _one_line(raw[: 4 * _EXCERPT].decode("utf-8", "replace"))


def _one_line(text: str) -> str:
    return sanitise_line(text[:_EXCERPT])


def dropped(count: int) -> str:
    """What stands in place of bytes that are gone."""
    return f"{bytes_text(count)} before this were dropped: the memory for the wire is full"


def pieces(row: WireRow, width: int) -> list[Piece]:
    """A row in at most `width` cells."""
    match row.tone:
        case "heading" | "note" | "hole":
            return [(_cut(row.text, width), "gap" if row.tone == "hole" else row.tone)]
        case "gap":
            text = f"{'─' * (_SINCE - 1)} {seconds_text(row.since or 0.0)} of silence "
            return [(_cut(text + "─" * max(0, width - cell_len(text)), width), "gap")]
    tone = {"error": "error", "quiet": "dim", "step": "dim", "end": "dim"}.get(row.tone, "")
    found: list[Piece] = [(f"{milliseconds(row.since):>{_SINCE}} ", "dim")]
    if width >= _WITH_OFFSET:
        found.append((f"{'' if row.offset is None else f'{row.offset:,}':>{_OFFSET}} ", "dim"))
    if width >= _WITH_SIZE:
        found.append((f"{'' if row.size is None else f'{row.size:,}':>{_SIZE}} ", "dim"))
    spaced = width >= _WITH_BOTH
    type_width = _TYPE if spaced else _SHORT_TYPE if width >= _WITH_INDEX else max(6, width - _SINCE - 16)
    name = row.type if spaced else row.delta or row.type.removeprefix("content_")
    found.append((f" {_fitted(name, type_width)} ", tone or "type"))
    if width >= _WITH_INDEX:
        found.append((f"{'' if row.index is None else row.index:>{_INDEX - 1}} ", "dim"))
    used = sum(cell_len(text) for text, _ in found)
    if used < width:
        text = f"{row.delta} {row.text}" if row.delta and spaced else row.text
        found.append((_cut(text, width - used), tone))
    return found


def _fitted(text: str, width: int) -> str:
    return set_cell_size(_cut(text, width), width)


def _cut(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    return f"{set_cell_size(text, max(0, width - 1)).rstrip()}…" if width > 0 else ""


def copied_row(row: WireRow, content: str = "") -> str:
    """A row as a line of text, its columns two blanks apart; `content` in place of the excerpt."""
    if row.tone in ("heading", "note", "hole"):
        return row.text
    if row.tone == "gap":
        return f"--- {seconds_text(row.since or 0.0)} of silence ---"
    columns = [
        f"{milliseconds(row.since):>{_SINCE}}",
        f"{'' if row.offset is None else row.offset:>{_OFFSET}}",
        f"{'' if row.size is None else row.size:>{_SIZE}}",
        f"{row.type:<{_TYPE}}",
        f"{'' if row.index is None else row.index:>2}",
        content or f"{row.delta} {row.text}".strip(),
    ]
    return "  ".join(columns).rstrip()


# Details ---------------------------------------------------------------------------------------------------------------


def event_detail(frame: WireFrame, row: WireRow, title: str, after: float, raw: bytes) -> Detail:
    """All of an event; `after` is seconds since the request was sent."""
    about = [_facts(row, after)]
    lines = re.split(r"\r\n?|\n", raw[:LONGEST_SHOWN].decode("utf-8", "replace"))
    about += [sanitise_line(line) for line in lines if line and not line.startswith("data")]
    return Detail(f"{title}  {row.type}", tuple(about), *_content(frame.data.encode("utf-8", "replace")))


def bytes_detail(row: WireRow, title: str, after: float, raw: bytes) -> Detail:
    """All of a body that is no event stream, or of bytes that are no event."""
    return Detail(f"{title}  {row.type}", (_facts(row, after),), *_content(raw))


def _facts(row: WireRow, after: float) -> str:
    parts = [f"{after:.3f} s after sending"]
    if row.since is not None:
        parts.insert(0, f"{milliseconds(row.since)} ms" if row.since < 99.9995 else milliseconds(row.since))
    if row.size is not None and row.offset is not None:
        parts.append(f"{row.size:,} bytes at {row.offset:,}")
    return " · ".join(parts)


def request_detail(capture: Capture, title: str) -> Detail:
    """The request as it left: its first line, its headers, its body."""
    began = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(capture.started_at))
    first = sanitise_line(f"{capture.method} {capture.url}") if capture.method else "nothing has left yet"
    about = (f"sent {began} · {len(capture.body):,} bytes", "", first, *_header_lines(capture.request_headers))
    return Detail(f"{title}  sent", about, *_content(capture.body))


def response_detail(capture: Capture, title: str) -> Detail:
    """The answer's status and headers."""
    if capture.headers_at is None:
        return Detail(f"{title}  answered", ("no headers have come",), "")
    after = f"{seconds_text(capture.headers_at - capture.sent)} after sending"
    headers = _header_lines(capture.response_headers)
    return Detail(f"{title}  answered", (after, "", f"HTTP status {_state(capture)}", *headers), "")


def row_detail(row: WireRow, title: str) -> Detail:
    """Of a row that has nothing more to it: the row."""
    return Detail(f"{title}  {row.type}" if row.type else title, (copied_row(row).strip(),), "")


def _header_lines(headers: Headers) -> list[str]:
    return [sanitise_line(f"{name}: {value}") for name, value in headers]


def _content(raw: bytes) -> tuple[str, bool]:
    """Bytes as they are shown, and whether as JSON."""
    text = raw[:LONGEST_SHOWN].decode("utf-8", "replace")
    is_json = text.lstrip()[:1] in ("{", "[")
    text = sanitise(pretty(text) if is_json else text).expandtabs(4)
    more = len(raw) - LONGEST_SHOWN
    return f"{text}\n… {more:,} more bytes are not shown" if more > 0 else text, is_json


def shown_raw(raw: bytes) -> str:
    """Bytes as text that can be shown, and pasted anywhere."""
    return sanitise(raw.decode("utf-8", "replace"))


def pretty(text: str) -> str:
    """JSON with each member on a line of its own; its tokens are as they were, whatever they are."""
    parts: list[str] = []
    level, before = 0, ""
    for part in _PART.findall(text):
        if part in _CLOSING:
            level = max(0, level - 1)
            if before not in _OPENING:
                parts.append(_line_at(level))
        elif before in _OPENING or before == ",":
            parts.append(_line_at(level))
        elif part not in _PUNCTUATION and before and before != ":":  # no JSON: two values side by side
            parts.append(" " if level else "\n")
        level += part in _OPENING
        parts.append(": " if part == ":" else part)
        before = part
    return "".join(parts)


def _line_at(level: int) -> str:
    return "\n" + "  " * min(level, _DEEPEST)


# A request as a command ------------------------------------------------------------------------------------------------


def curl(capture: Capture) -> str:
    """The request as a command line for a POSIX shell. Where a credential was sent it names the environment variable for it.

    Other hidden headers are left out, and so are those that curl makes itself or that only tell of the SDK.
    """
    lines = [f"curl -N -X {shlex.quote(capture.method)} {shlex.quote(capture.url)}"]
    for name, value in capture.request_headers:
        lowered = name.lower()
        if lowered in _CREDENTIALS:
            lines.append(f'-H "{lowered}: {_CREDENTIALS[lowered]}"')
        elif HIDDEN not in value and lowered not in _CURLS_OWN and not lowered.startswith("x-stainless-"):
            lines.append(f"-H {shlex.quote(f'{name}: {value}')}")
    body = capture.body.decode("utf-8", "replace")
    if not body:
        return _CONTINUED.join(lines)
    if len(capture.body) <= LONGEST_ARGUMENT:
        return _CONTINUED.join([*lines, f"--data-raw {shlex.quote(body)}"])
    number = 1
    while (end := f"BODY{number}") in body:
        number += 1
    lines.append(f"--data-binary @- <<'{end}'")
    return f"{_CONTINUED.join(lines)}\n{body}\n{end}"
