"""What a link says before it is followed: where it really goes, and whether it is followed at all.

Why it exists: a reply is not to be trusted. Its link may show one host and go to another, hide the host behind a user name, or
look like a known host in another alphabet. So the sentence for the status bar names the target itself, and says what is odd.
Nothing here opens anything. Replies are asked for http, https and mailto only; every other scheme stays unopened.
"""

import re
import unicodedata
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from tui_chat.text import sanitise_line

SCHEMES: Final = frozenset({"http", "https", "mailto"})
LONGEST: Final = 200  # characters of a target that are shown

_UNSAFE: Final = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
_NAMED: Final = re.compile(r"(?:(?:https?://)(?:[^\s/@]*@)?|(?=www\.))(\[[^\s\]]*\]|[^\s/:?#]+)", re.IGNORECASE)
_HOST_ALONE: Final = re.compile(r"((?:[^\W_][\w-]*\.)+[^\W\d_]{2,24})\.?(?::\d+)?(?:/\S*)?")
# Endings of files that are also top-level domains or look like ones.
_FILES: Final = frozenset(
    [
        "c",
        "cc",
        "cfg",
        "cpp",
        "cs",
        "css",
        "csv",
        "go",
        "h",
        "html",
        "ini",
        "ipynb",
        "java",
        "js",
        "json",
        "lock",
        "md",
        "pl",
        "png",
        "py",
        "rb",
        "rs",
        "sh",
        "sql",
        "toml",
        "ts",
        "txt",
        "xml",
        "yaml",
        "yml",
        "zip",
    ]
)

# Letters of other alphabets that a Latin word could be written with.
_LOOKALIKES: Final = frozenset("аеорсухіјѕһӏԁԛԝαονρτυ-0123456789")


@dataclass(frozen=True, slots=True)
class LinkNote:
    """One line about a link. `warning`: something about it may deceive, or it is not opened."""

    sentence: str
    warning: bool = False


def may_open(url: str) -> bool:
    """Whether a link of a reply may be handed to the system: http, https and mailto, and nothing that hides in it."""
    if _UNSAFE.search(url):
        return False
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:  # a bracket left open
        return False
    scheme = parts.scheme.lower()
    return scheme in SCHEMES and (scheme == "mailto" or bool(host))


def link_note(href: str, text: str = "") -> LinkNote:
    """What to say about a link to `href` that is shown as `text`."""
    if not may_open(href):
        return LinkNote(f"not opened: {_short(href)}", warning=True)
    parts = urlsplit(href)
    if parts.scheme.lower() == "mailto":
        return LinkNote(_short(href))
    host = (parts.hostname or "").rstrip(".")
    plain, pretty = to_ascii(host), to_unicode(host)
    target = _short(href)
    if plain != pretty:
        target = f"{target} (host {pretty if plain == host else plain})"
    if parts.username is not None:
        return LinkNote(f"goes to {plain}, not to the name before the @: {target}", warning=True)
    named = named_host(text, parts.path)
    if named and not _same(to_ascii(named), plain):
        return LinkNote(f"shown as {sanitise_line(named)[:80]}, goes to {plain}: {target}", warning=True)
    return LinkNote(target, warning=plain != pretty and _mixed(pretty))


def named_host(text: str, path: str = "") -> str:
    """The host that a link's visible text names, or ''. The name of a file, or of a part of `path`, is none."""
    text = text.strip().strip("<>()[]\"'")
    if (match := _NAMED.match(text)) is not None:
        return match[1].lower().rstrip(".").strip("[]")
    if (match := _HOST_ALONE.fullmatch(text)) is None:
        return ""
    host = match[1].lower()
    if host.rsplit(".", 1)[1] in _FILES or host in path.lower().split("/"):
        return ""
    return host


def to_ascii(host: str) -> str:
    """A host as it is looked up: labels with other letters in their `xn--` form."""
    labels = unicodedata.normalize("NFKC", host).lower().split(".")
    return ".".join(label if label.isascii() else f"xn--{label.encode('punycode').decode()}" for label in labels)


def to_unicode(host: str) -> str:
    """A host as it is meant to be read, on one line; labels that are no valid `xn--` form stay."""
    return sanitise_line(".".join(map(_decoded, host.lower().split("."))))


def _decoded(label: str) -> str:
    if not label.startswith("xn--"):
        return label
    try:
        return label[4:].encode("ascii").decode("punycode")
    except UnicodeError:
        return label


def _same(named: str, host: str) -> bool:
    """Whether two hosts are one, or one is a part of the other."""
    named, host = named.removeprefix("www."), host.removeprefix("www.")
    return named == host or host.endswith("." + named) or named.endswith("." + host)


def _mixed(host: str) -> bool:
    """Whether a label of a host mixes letters of several alphabets, or has only letters that look like Latin ones."""
    for label in host.split("."):
        alphabets = {unicodedata.name(sign, "?").split()[0] for sign in label if sign.isalpha()}
        if len(alphabets & {"LATIN", "CYRILLIC", "GREEK"}) > 1:
            return True
        if alphabets and alphabets <= {"CYRILLIC", "GREEK"} and not set(label) - _LOOKALIKES:
            return True
    return False


def _short(url: str) -> str:
    shown = sanitise_line(url)
    return shown if len(shown) <= LONGEST else f"{shown[: LONGEST - 1]}…"
