"""The exported page: whatever a conversation holds, no tag, attribute or address gets in that is not ours."""

import base64
import hashlib
import re
from html.parser import HTMLParser
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.exchange_values import figures, said, small_tree
from tui_chat.conversation import Conversation, Outcome, ToolCall
from tui_chat.errors import Failure
from tui_chat.exchange.page import LONGEST_CODE, LONGEST_MARKDOWN, page

# Every tag that a page may have, with the attributes that may be on it.
_BARE: Final = """head title style body header main summary details em strong h2 h3 h4 h5 h6 ul blockquote hr br thead
tbody tr s table code"""
ALLOWED: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(_BARE.split(), frozenset()),
    **dict.fromkeys(["article", "span", "li", "th", "td"], frozenset({"class"})),
    **dict.fromkeys(["p", "div"], frozenset({"class", "dir"})),
    **dict.fromkeys(["h1", "pre"], frozenset({"dir"})),
    "html": frozenset({"lang"}),
    "meta": frozenset({"charset", "http-equiv", "content", "name"}),
    "section": frozenset({"class", "id"}),
    "ol": frozenset({"class", "start"}),
    "a": frozenset({"href", "rel"}),
}
VOID: Final = {"meta", "hr", "br"}


class Checker(HTMLParser):
    """Fails on whatever is not allowed; keeps the text that a reader sees, and the addresses."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text = ""
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ALLOWED, tag
        assert {name for name, _ in attrs} <= ALLOWED[tag], (tag, attrs)
        for name, value in attrs:
            if name == "href":
                assert value is not None
                assert re.match(r"(?i:https?://|mailto:)", value.strip()), value
                self.links.append(value)
            if name in ("class", "id"):
                assert re.fullmatch(r"[a-z0-9-]+", value or ""), value
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in VOID, tag
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.text += data

    def handle_comment(self, data: str) -> None:
        pytest.fail(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        pytest.fail(f"a declaration: {data}")

    def handle_pi(self, data: str) -> None:
        pytest.fail(f"an instruction: {data}")


def checked(conversation: Conversation) -> Checker:
    html = "".join(page(conversation, figures))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert html.count("<style>") == html.count("</style>") == 1
    checker = Checker()
    checker.feed(html)
    checker.close()
    assert checker.open == []
    return checker


HOSTILE: Final = (
    "<script>alert(1)</script>",
    "</style><script>alert(1)</script>",
    "</title></head><body onload=alert(1)>",
    "</code></pre></div><img src=x onerror=alert(1)>",
    "<svg/onload=alert(1)>",
    "[a](javascript:alert(1)) [b](JaVaScRiPt:alert(1)) [c](\tjavascript:alert(1)) [d](java\nscript:alert(1))",
    "[e](&#106;avascript:alert(1)) [f](vbscript:x) [g](data:text/html,<script>alert(1)</script>) [h](file:///etc/passwd)",
    """[i](https://x.example/"onclick=alert(1)) [j](https://x.example 'onmouseover=alert(1)')""",
    "<javascript:alert(1)> <https://x.example/<script>>",
    '![x](https://tracker.example/pixel.gif) ![y](javascript:alert(1)) ![z" onerror="alert(1)](https://a.example)',
    "[k](//evil.example) [l](relative.html) [m](#turn-1) [n](\\\\evil\\share)",
    "```html onload=alert(1)\n</code></pre><script>alert(1)</script>\n```",
    '```"><script>alert(1)</script>\ncode\n```',
    "    </code><script>alert(1)</script>",
    "| a | b |\n|:-:|--:|\n| <script>alert(1)</script> | `</td>` |",
    "\x1b]52;c;ZXZpbA==\x07 \x1b[2J \x9b31m \u202e gnp.exe \u2066 hidden \u2069 \ud800 \ufeff \U000e0041",
    "<!-- <script>alert(1)</script> --> <![CDATA[x]]> <?php x ?>",
    "&lt;script&gt; &#60;script&#62; &#x3c;script>",
    "www.evil.example/\"><script>alert(1)</script> http://a.example/'onclick='x",
    "- [ ] <script>alert(1)</script>\n- [x] done",
    "<base href=//evil.example> <meta http-equiv=refresh content='0;url=//evil.example'> <link rel=stylesheet href=//e>",
    "<iframe srcdoc='<script>alert(1)</script>'> <form action=//evil.example> <input autofocus onfocus=alert(1)>",
)  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_inert_wherever_it_stands(text: str) -> None:
    conversation = said(
        text,
        {
            "type": "text",
            "text": text,
            "citations": [{"url": text, "title": text}, {"url": f"https://x.example/{text}"}],
        },
        {"type": "thinking", "thinking": text},
        {"type": "tool_use", "id": "toolu_1", "name": text, "input": {text: text}},
        {"type": "server_tool_use", "id": "s", "name": text, "input": {"query": text}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"title": text, "url": text}]},
        {"type": text},
        title=text,
        system=text,
        origin={"source": text},
    )
    (turn,) = conversation.turns
    turn.model, turn.server, turn.stop_reason = text, text, text
    turn.outcome, turn.error = Outcome.FAILED, Failure(text, text)
    turn.requests[0].calls["toolu_1"] = ToolCall("toolu_1", text, {}, "", result=text, skipped=text)
    conversation.versions = {turn.id: (turn.id, "other")}
    checked(conversation)


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.sampled_from(
            ["<", ">", "script", "a", " ", "\n", "[", "](", ")", "javascript:", "https://a.example", "`", "```", "*", "|", "-",
             '"', "'", "&", "#", ":", "!", "\\", "\t", "www.", "> ", "1. ", "<b ", "/>", "=", "(", "\x00", "&lt;"]
        ),
        max_size=40,
    ).map("".join)
)  # fmt: skip
def test_any_mixture_of_signs_is_inert(text: str) -> None:
    checked(said(text, {"type": "text", "text": text}, title=text))


def test_what_was_said_can_be_read() -> None:
    conversation = said(
        "Is <b> bold?\n  two spaces",
        {"type": "thinking", "thinking": "Let me *think*."},
        {
            "type": "text",
            "text": "# Yes\n\nIt **is**, see [here](https://a.example/?a=1&b=2).\n\n```python\nx = '<b>'\n```",
        },
        {
            "type": "text",
            "text": "| l | r |\n|---|--:|\n| 1 | 2 |\n\n- [x] done\n- [ ] open\n\n![a cat](https://a.example/cat.png)",
        },
        {"type": "text", "text": "cited", "citations": [{"url": "https://s.example", "title": "A source"}]},
        title="Bold & italic",
    )
    checker = checked(conversation)
    for piece in (
        "Bold & italic",
        "Is <b> bold?\n  two spaces",
        "Let me think.",
        "Yes",
        "It is, see here.",
        "x = '<b>'",
    ):
        assert piece in checker.text
    for piece in ("☑ done", "☐ open", "[a cat]", "A source", "12 tokens in", "34 tokens out", "claude-x"):
        assert piece in checker.text
    assert checker.links == ["https://a.example/?a=1&b=2", "https://a.example/cat.png", "https://s.example"]
    html = "".join(page(conversation, figures))
    assert '<td class="right">2</td>' in html
    assert '<span class="s">' in html


def test_a_link_that_leads_nowhere_shows_where_it_would_have_led() -> None:
    text = "[tap](javascript:alert(1)) [get](ftp://a.example) [near](notes.html) []()"
    checker = checked(said("q", {"type": "text", "text": text}))
    assert "[tap](javascript:alert(1)) [get](ftp://a.example) [near](notes.html)" in checker.text
    assert checker.links == []


def test_the_policy_of_the_page_fits_its_one_style_sheet() -> None:
    html = "".join(page(said("a", {"type": "text", "text": "b"}), figures))
    style = re.search("<style>(.*?)</style>", html, re.DOTALL)
    assert style is not None
    digest = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert f'content="{policy}"' in html
    assert "prefers-color-scheme: dark" in style[1]
    assert "@media print" in style[1]
    assert not re.search(r"url\(|@import|expression", style[1])


def test_a_stopped_turn_and_versions_say_so() -> None:
    tree = small_tree()
    owner = tree.conversation
    owner.turns = [tree.turns[1], tree.turns[3]]
    owner.versions = {tree.turns[1].id: (tree.turns[0].id, tree.turns[1].id)}
    owner.turns[1].outcome = Outcome.CANCELLED
    text = checked(owner).text
    assert "version 2 of 2" in text
    assert "stopped before it was complete" in text


def test_what_is_very_long_is_shown_plain() -> None:
    code = "x = 1\n" * (LONGEST_CODE // 6 + 1)
    text = "word *w* " * (LONGEST_MARKDOWN // 9 + 1)
    html = "".join(
        page(said("q", {"type": "text", "text": f"```python\n{code}```"}, {"type": "text", "text": text}), figures)
    )
    assert '<span class="m">' not in html
    assert "<em>" not in html
    assert "word *w* word" in html
