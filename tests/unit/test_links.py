"""A link says where it really goes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.style import Style

from tui_chat.ui.links import LONGEST, link_note, may_open, named_host, to_ascii, to_unicode
from tui_chat.ui.markdown import MarkdownTheme
from tui_chat.ui.markdown.inline import InlineRenderer


@pytest.mark.parametrize(
    "url", ["http://a.b", "HTTPS://a.b/c?d#e", "mailto:me@a.b", "http://[::1]:80/", "http://localhost:1"]
)
def test_opened(url: str) -> None:
    assert may_open(url)
    assert link_note(url) == link_note(url, url)
    assert link_note(url).sentence == url
    assert not link_note(url).warning


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "file:///etc/passwd",
        "ftp://a.b",
        "vscode://x",
        "./a.md",
        "#x",
        "",
        "http://[",
        "http://",
        "https:a.b",
        " https://a.b",
        "java\nscript:x",
        "https://a.b/\x1b]0;x\x07",
        "https://a.b/\u2028",
    ],
)
def test_not_opened(url: str) -> None:
    assert not may_open(url)
    note = link_note(url, "a link")
    assert note.warning
    assert note.sentence.startswith("not opened: ")
    assert note.sentence.isprintable()


@pytest.mark.parametrize(
    ("href", "text", "warning", "parts"),
    [
        ("https://evil.example/x", "https://bank.example", True, ["shown as bank.example", "goes to evil.example"]),
        ("https://evil.example/x", "bank.example/login", True, ["shown as bank.example", "evil.example/x"]),
        ("https://bank.example.evil.org/", "bank.example", True, ["goes to bank.example.evil.org"]),
        ("https://evil.example/x", "www.bank.example", True, ["www.bank.example"]),
        ("https://www.bank.example/x", "bank.example", False, []),
        ("https://docs.bank.example/x", "bank.example", False, []),
        ("https://evil.example/x", "the bank", False, []),
        ("https://github.com/a/b/blob/main/main.rs", "main.rs", False, []),
        ("https://github.com/a/site.com/tree", "site.com", False, []),
        ("https://x.example/", "see 3.14 or e.g. this", False, []),
        ("https://bank.example@evil.example/x", "click", True, ["goes to evil.example", "before the @"]),
        ("https://bank.example:pw@evil.example/", "https://bank.example:pw@evil.example/", True, ["evil.example"]),
        ("https://xn--mnchen-3ya.de/", "a city", False, ["https://xn--mnchen-3ya.de/", "(host münchen.de)"]),
        ("https://münchen.de/", "a city", False, ["https://münchen.de/", "(host xn--mnchen-3ya.de)"]),
        ("https://xn--mnchen-3ya.de/", "münchen.de", False, ["münchen.de"]),
        ("https://xn--80ak6aa92e.com/", "аррӏе.com", True, ["xn--80ak6aa92e.com", "аррӏе.com"]),
        ("https://xn--80ak6aa92e.com/", "apple.com", True, ["shown as apple.com", "goes to xn--80ak6aa92e.com"]),
        ("https://xn--a-\x7f/", "x", True, ["not opened"]),
        ("https://xn--99999999999/", "x", False, ["xn--99999999999"]),
    ],
)
def test_sentences(href: str, text: str, warning: bool, parts: list[str]) -> None:
    note = link_note(href, text)
    assert note.warning is warning
    assert all(part in note.sentence for part in parts)
    assert "\n" not in note.sentence


def test_a_long_target_is_cut_at_its_end() -> None:
    note = link_note("https://evil.example/" + "a" * 500, "bank.example")
    assert note.sentence.startswith("shown as bank.example, goes to evil.example: https://evil.example/aaa")
    assert len(note.sentence) < LONGEST + 80


def test_hosts_in_both_forms() -> None:
    assert to_ascii("BÜCHER.example") == "xn--bcher-kva.example"
    assert to_unicode("xn--bcher-kva.example") == "bücher.example"
    assert to_unicode("xn--\xff") == "xn--\xff"
    assert named_host("<https://A.example:8080/x>") == "a.example"
    assert named_host("a sentence. with dots") == ""


def test_what_the_renderer_makes_a_link_is_opened() -> None:
    """The renderer and the rule here agree on what can be followed."""
    source = "[a](https://x.y) [b](javascript:alert%281%29) [c](mailto:a@b.c) [d](file:///x) https://münchen.de/ü"
    runs = InlineRenderer(MarkdownTheme.default()).runs(source, Style())
    targets = [str(style.meta["href"]) for _, style in runs if "href" in style.meta]
    assert len(targets) == 3
    assert all(may_open(target) for target in targets)
    assert "(host münchen.de)" in link_note(targets[-1]).sentence


@given(st.text(max_size=80), st.text(max_size=40))
def test_any_link_is_one_printable_line(rest: str, text: str) -> None:
    for href in (rest, "https://" + rest, "https://a.b/" + rest):
        sentence = link_note(href, text).sentence
        assert "\n" not in sentence
        assert "\x1b" not in sentence
