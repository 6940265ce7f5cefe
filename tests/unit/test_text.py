"""The sanitiser: nothing that acts on a terminal or hides text comes through, however the text was cut."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.text import LineEndings, sanitise, sanitise_line, storable

# Written anew from the policy, not taken from the code under test.
FORBIDDEN = frozenset(
    chr(code)
    for first, last in (
        (0x00, 0x08),
        (0x0B, 0x1F),
        (0x7F, 0x9F),
        (0x061C, 0x061C),
        (0x200E, 0x200F),
        (0x2028, 0x202E),
        (0x2066, 0x2069),
        (0xD800, 0xDFFF),
        (0xFEFF, 0xFEFF),
        (0xFFF9, 0xFFFB),
        (0xE0000, 0xE007F),
    )
    for code in range(first, last + 1)
)
anything = st.text(
    st.one_of(
        st.characters(),
        st.characters(categories=["Cc", "Cf", "Cs", "Mn", "Zl", "Zp"]),
        st.sampled_from(["\r", "\n", "\x1b", "\u202e", "\ud83d", "\ude00", "\u0301"]),
    ),
    max_size=30,
)
# How many marks a character bears is seen only in the joined text, so the limit on them may depend on the cuts.
unmarked = anything.map(lambda text: "".join(each for each in text if unicodedata.category(each) not in ("Mn", "Me")))


@given(anything)
def test_no_forbidden_character_survives(text: str) -> None:
    assert not FORBIDDEN & set(sanitise(text))
    assert not (FORBIDDEN | {"\n", "\t"}) & set(sanitise_line(text))


@given(anything)
def test_sanitising_twice_changes_nothing(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)
    assert sanitise_line(sanitise_line(text)) == sanitise_line(text)


@given(st.text(st.characters(exclude_categories=["Cc", "Cf", "Cs", "Mn", "Me", "Zl", "Zp"]), max_size=30))
def test_harmless_text_is_untouched(text: str) -> None:
    assert sanitise(text) == text


@given(unmarked, st.lists(st.integers(0, 30)))
def test_the_cuts_do_not_matter(text: str, cuts: list[int]) -> None:
    pieces = [text[start:end] for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(text)], strict=True)]
    endings = LineEndings()
    joined = "".join(sanitise(endings.write(piece)) for piece in pieces) + endings.finish()
    assert joined == sanitise(text)


@given(anything)
def test_what_is_storable_can_be_encoded(text: str) -> None:
    stored = storable(text)
    stored.encode()
    assert storable(stored) == stored
    if not re.search("[\ud800-\udfff]", text):
        assert stored == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]52;c;eA==\x07", "␛]52;c;eA==␇"),
        ("\x9b31m", "⟨U+009B⟩31m"),
        ("\x7f", "␡"),
        ("\u202eevil", "⟨U+202E⟩evil"),
        ("\ud800", "\ufffd"),
        ("a\r\nb\rc\n\td", "a\nb\nc\n\td"),
        ("a\u2028b", "a⟨U+2028⟩b"),
        ("tag\U000e0041", "tag⟨U+E0041⟩"),
        ("z" + "\u0301" * 9, "z" + "\u0301" * 4),
        ("👩‍👩‍👧 نص 日本語", "👩‍👩‍👧 نص 日本語"),
        ("[bold]x[/x]", "[bold]x[/x]"),
    ],
)
def test_what_is_shown(text: str, shown: str) -> None:
    assert sanitise(text) == shown


def test_one_line() -> None:
    assert sanitise_line("a\r\nb\tc\rd") == "a b c d"


def test_a_surrogate_pair_is_joined_and_a_lone_half_replaced() -> None:
    assert storable("\ud83d\ude00 \ud83d") == "😀 \ufffd"


def test_a_carriage_return_waits_for_its_line_feed() -> None:
    endings = LineEndings()
    assert [endings.write(piece) for piece in ("a\r", "\nb\r", "\r", "c")] == ["a", "\nb", "\n", "\nc"]
    assert endings.finish() == ""
    assert endings.write("d\r") == "d"
    assert endings.finish() == "\n"
    assert endings.finish() == ""
