"""File names from titles.

Why it exists: a title is text from outside. It may hold slashes, controls, a name that Windows keeps for itself, or a text
that reads backwards; none of that may decide where a file goes.
"""

import re
import unicodedata
from typing import Final

LONGEST: Final = 80  # characters; and in bytes, with an ending and a number, below the 255 that file systems take
_LONGEST_BYTES: Final = 200
_FALLBACK: Final = "conversation"
_RESERVED: Final = re.compile(r"(?i:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?:\..*)?")
_FORBIDDEN: Final = re.compile(r'[<>:"/\\|?*]+')
_EDGES: Final = " .-_~"  # a leading dash is an option, a leading dot hides, trailing dots and spaces vanish on Windows


def safe_name(title: str) -> str:
    """A name for a file, without its ending, that every system takes and that goes nowhere else."""
    normal = unicodedata.normalize("NFC", title)
    seen = (" " if character.isspace() else character for character in normal)
    kept = "".join(character for character in seen if unicodedata.category(character)[0] != "C")
    name = " ".join(_FORBIDDEN.sub("-", kept).split()).strip(_EDGES)
    name = _shortened(name).strip(_EDGES)
    if _RESERVED.fullmatch(name):
        name = f"{name.partition('.')[0]}-"[: LONGEST - 5] + _FALLBACK[:4]
    return name or _FALLBACK


def _shortened(name: str) -> str:
    if len(name) > LONGEST:
        name = name[:LONGEST].rpartition(" ")[0] or name[:LONGEST]
    return name.encode()[:_LONGEST_BYTES].decode(errors="ignore")
