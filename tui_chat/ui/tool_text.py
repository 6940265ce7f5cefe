"""A tool's input as text: one line for the log, and the whole of it for the person who has to allow it.

Why it exists: who allows a call must see what it is. A model, or a web page that speaks through it, can write a path with letters of
another alphabet, turn its direction round, or hide a part behind characters of no width. So nothing is shown as it is that could be
taken for something else: it becomes JSON's escape for it. What stays readable is ASCII, Latin letters with accents, Chinese, Japanese
and Korean, words that are Cyrillic or Greek beyond doubt, and pictures two cells wide; everything else is escaped rather than judged.
What it must not know: widgets, tools, and whether a call is allowed.
"""

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from rich.cells import cell_len

from tui_chat.text import sanitise_line

_EAST_ASIAN: Final = "\u3005-\u3007\u3041-\u3096\u30a1-\u30fa\u30fc\u4e00-\u9fff\uac00-\ud7a3"  # each two cells wide
_IS_EAST_ASIAN: Final = re.compile(f"[{_EAST_ASIAN}]")
_WORD: Final = re.compile(r"[^\W\d_]+|[^ -~]")  # letters only, or one character that is neither a letter nor ASCII
_LATIN: Final = frozenset("ÆÐØÞßæðøþĐđĦħŁłŒœ")  # those that are no ASCII letter with a mark
_SIGNS: Final = frozenset("§°±£€¥¢©®¿¡«»")
# Letters of Cyrillic and Greek that a Latin word or a number could be written with.
_LOOKALIKES: Final = frozenset("асеорхуіјѕһӏԁԛԝѵкгпбзҽҫАВЕЗЅІЈКМНОРСТУХҮӀԌԜѴГБαγικνορτυχϲϳωΑΒΕΖΗΙΚΜΝΟΡΤΥΧϹ")
_UNITS: Final = re.compile(rf"\\u[0-9a-f]{{4}}|\\.|[ -\[\]-~]+|[{_EAST_ASIAN}]+|[^ -~]")
_CONTROL: Final = re.compile(r"[\x00-\x1f]")  # JSON has escaped them already, except in JSON that is none
ESCAPE: Final = re.compile(r'\\u[0-9a-f]{4}|\\(?P<plain>["\\])|\\.')  # `plain`: one that hides nothing


def input_line(input: Mapping[str, Any], longest: int = 200) -> str:
    """The input on one line of at most `longest` characters: a single string as it is, anything else as JSON."""
    values = list(input.values())
    text = values[0] if len(values) == 1 and isinstance(values[0], str) else _json(input) if input else ""
    text = " ".join(sanitise_line(text[: longest * 4]).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def input_lines(input: Mapping[str, Any]) -> list[str]:
    """The whole input, a member of it on each line, as JSON in which nothing can be mistaken; its outer braces are left out."""
    if not input:
        return ["no input"]
    lines = _json(input, indent=2).split("\n")
    if len(lines) > 2:
        lines = [line.removeprefix("  ") for line in lines[1:-1]]
    return [_escaped(line) for line in lines]


def partial_lines(text: str) -> list[str]:
    """An input that was cut off, or is no JSON object: the text as it came, with escapes for what could be mistaken."""
    return [_escaped(_CONTROL.sub(lambda match: _escape(match.group()), line)) for line in text.split("\n")]


def plainly(text: str) -> str:
    """`text` on one line, with everything that could be mistaken as JSON's escapes."""
    return _escaped(json.dumps(text, ensure_ascii=False)[1:-1])


def fold(line: str, width: int) -> list[str]:
    """`line` in rows of at most `width` cells, without losing a space or cutting an escape; later rows hang two cells in."""
    width = max(width, 8)
    hanging = " " * min(len(line) - len(line.lstrip(" ")) + 2, width // 4)
    rows: list[str] = []
    row, room = "", width
    for match in _UNITS.finditer(line):
        unit = match.group()
        each = 1 if " " <= unit[0] <= "~" else cell_len(unit[0])
        while each * len(unit) > room:
            fits = room // each if unit[0] != "\\" else 0
            piece = unit[:fits]
            end = max(piece.rfind(sign) for sign in " /,") + 1
            if f"{row}{piece[:end]}".strip():
                piece = piece[:end]  # rather there than within a word or a number
            rows.append(row + piece)
            unit, row, room = unit[len(piece) :], hanging, width - len(hanging)
        row, room = row + unit, room - each * len(unit)
    return [*rows, row]


def _json(value: Any, indent: int | None = None) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, indent=indent, default=_plain)
    except RecursionError:
        return '"nested too deeply to be shown"'


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else str(value)


def _escaped(text: str) -> str:
    """JSON `text` with escapes for what JSON itself lets pass."""
    return text if text.isascii() and text.isprintable() else _WORD.sub(lambda match: _shown(match.group()), text)


def _shown(part: str) -> str:
    return part if part.isascii() and part != "\x7f" else _judged(part)


@lru_cache(maxsize=4_000)
def _judged(part: str) -> str:
    """A word, or a character that is no letter, with escapes for what could be mistaken."""
    scripts = {_script(sign) for sign in part}
    readable = {"LATIN", "EAST ASIAN", "SIGN"}
    if len(scripts) == 1 and any(sign not in _LOOKALIKES for sign in part):
        readable |= {"CYRILLIC", "GREEK"}
    return "".join(sign if _script(sign) in readable else _escape(sign) for sign in part)


def _escape(sign: str) -> str:
    units = sign.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[place] << 8 | units[place + 1]:04x}" for place in range(0, len(units), 2))


def _script(sign: str) -> str:
    """What a character belongs to; '' for what is never shown as it is."""
    if " " <= sign <= "~":
        return "LATIN"
    if _IS_EAST_ASIAN.match(sign):
        return "EAST ASIAN"
    if unicodedata.normalize("NFKC", sign) != sign:
        return ""  # another form of something else
    if sign in _SIGNS:
        return "SIGN"
    if sign.isalpha():
        script = unicodedata.name(sign, "").split(" ")[0]
        base = unicodedata.normalize("NFD", sign)[0]
        return (
            script
            if script in ("CYRILLIC", "GREEK") or (script == "LATIN" and (sign in _LATIN or base.isascii()))
            else ""
        )
    wide = unicodedata.east_asian_width(sign) == "W"
    return "SIGN" if wide and unicodedata.category(sign) in ("So", "Po", "Ps", "Pe") else ""
