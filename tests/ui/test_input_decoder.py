"""What the terminal's input means, with invented clocks: sequences, Escape and its late tail, pastes."""

from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import events
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.message import Message

from tui_chat.text import sanitise
from tui_chat.ui.input_decoder import InputDecoder

START, END = "\x1b[200~", "\x1b[201~"


def make_decoder() -> InputDecoder:
    return InputDecoder(XTermParser(), escape_wait=0.008, paste_quiet=0.03)


def describe(messages: Iterable[Message]) -> list[str]:
    """Keys by name, pastes by their text, other messages by their class."""
    return [
        message.key
        if isinstance(message, events.Key)
        else f"paste {message.text}"
        if isinstance(message, events.Paste)
        else type(message).__name__
        for message in messages
    ]


def decode(*texts: str) -> list[str]:
    """All messages of texts that come at once, and then nothing more."""
    decoder = make_decoder()
    found = [message for text in texts for message in decoder.feed(text, 0.0)]
    while decoder.deadline is not None:
        found += decoder.tick(decoder.deadline)
    return describe(found)


def test_keys() -> None:
    assert decode("aB\r\n\t\x7f\x03") == ["a", "B", "enter", "ctrl+j", "tab", "backspace", "ctrl+c"]
    assert decode("\x1b[A\x1bOB\x1b[1;5C\x1b[Z\x1bOP\x1b[15~") == ["up", "down", "ctrl+right", "shift+tab", "f1", "f5"]


@pytest.mark.parametrize("sequence", [key for key in ANSI_SEQUENCES_KEYS if len(key) > 2])
def test_every_sequence_that_textual_knows_is_passed_on_whole(sequence: str) -> None:
    assert decode(sequence) == describe(XTermParser().feed(sequence))


@pytest.mark.parametrize(
    ("texts", "read"),
    [
        ([("\x1b", 5.0)], [5.0]),
        ([("\x1b", 5.0), ("\x1b", 5.004)], [5.0, 5.004]),
        ([("a\x1b", 5.0)], [5.0]),
        ([("\x1b", 1.0), ("[A", 1.001), ("\x1b\x1b", 5.0)], [5.0, 5.0]),
    ],
    ids=["alone", "twice", "behind a letter", "after a sequence that came in two"],
)
def test_an_escape_has_the_time_at_which_its_byte_was_read(texts: list[tuple[str, float]], read: list[float]) -> None:
    """The wait that tells it from the start of a sequence is a part of what a cancel takes."""
    decoder = make_decoder()
    found = [message for text, at in texts for message in decoder.feed(text, at)]
    while decoder.deadline is not None:
        found += decoder.tick(decoder.deadline)
    assert [message.time for message in found if isinstance(message, events.Key) and message.key == "escape"] == read


def test_new_lines() -> None:
    assert decode("\x1b\r") == ["alt+enter"]
    assert decode("\x1b[27;2;13~") == ["shift+enter"]
    assert decode("\x1b[13;2u") == ["shift+enter"]
    assert decode("\x1b[27;5;13~") == ["ctrl+enter"]
    assert decode("\x1b[27;2;65~") == ["A"]


def test_alt_and_a_key_is_immediate_and_types_nothing() -> None:
    decoder = make_decoder()
    (key,) = decoder.feed("\x1bx", 0.0)
    assert isinstance(key, events.Key)
    assert (key.key, key.character, decoder.deadline) == ("alt+x", None, None)
    assert decode("\x1b1\x1b0") == ["alt+1", "alt+0"]
    assert decode("\x1b[") == ["alt+left_square_bracket"]
    assert decode("\x1bO") == ["alt+shift+o"]


def test_a_lone_escape_is_reported_after_the_wait_and_not_before() -> None:
    decoder = make_decoder()
    assert describe(decoder.feed("\x1b", 1.0)) == []
    assert decoder.deadline == pytest.approx(1.008)
    assert describe(decoder.tick(1.007)) == []
    assert describe(decoder.tick(1.008)) == ["escape"]
    assert decoder.deadline is None


def test_the_kitty_escape_needs_no_wait() -> None:
    decoder = make_decoder()
    assert describe(decoder.feed("\x1b[27u", 0.0)) == ["escape"]
    assert decoder.deadline is None


@pytest.mark.parametrize(
    "tail", [("[A",), ("[", "A"), ("[1", ";5C"), ("OA",), ("O", "P"), ("[27;2;13~",), ("[",), ("O",)]
)
def test_a_late_tail_is_swallowed(tail: tuple[str, ...]) -> None:
    decoder = make_decoder()
    assert describe([*decoder.feed("\x1b", 0.0), *decoder.tick(0.008)]) == ["escape"]
    found = [message for part in tail for message in decoder.feed(part, 0.03)]
    found += decoder.tick(1.0)
    found += decoder.feed("[x", 1.2)
    assert describe(found) == ["left_square_bracket", "x"]


def test_a_bracket_typed_by_hand_after_escape_is_typed() -> None:
    decoder = make_decoder()
    found = [*decoder.feed("\x1b", 0.0), *decoder.tick(0.008), *decoder.feed("[", 0.2), *decoder.feed("A", 0.3)]
    assert describe(found) == ["escape", "left_square_bracket", "A"]


def test_a_late_tail_that_is_no_key_still_counts() -> None:
    decoder = make_decoder()
    found = [*decoder.feed("\x1b", 0.0), *decoder.tick(0.008), *decoder.feed("[I", 0.02)]
    assert describe(found) == ["escape", "AppFocus"]
    found = [*decoder.feed("\x1b", 1.0), *decoder.tick(1.008), *decoder.feed(f"[200~a\rb{END}", 1.02)]
    assert describe([*found, *decoder.tick(2.0)]) == ["escape", "paste a\nb"]


@pytest.mark.parametrize(
    "noise", ["\x1b[?1;2c", "\x1b[?65;1;9c", "\x1b[>0;276;0c", "\x1b[12;7", "\x1b[99999;1u", "\x1b[" + "1;" * 40 + "m"]
)
def test_what_has_no_name_is_not_typed(noise: str) -> None:
    found = decode(noise, "\x1b[A")
    assert found[-1] == "up"
    assert not [key for key in found if key.isascii() and (key.isdigit() or "semicolon" in key or "bracket" in key)]


def test_several_characters_from_an_input_method_arrive() -> None:
    text = "終端で話す会話"
    assert decode(f"\x1b[0;;{':'.join(str(ord(character)) for character in text)}u") == list(text)


@pytest.mark.parametrize(
    "text",
    [
        "one\rtwo\r\nthree\n",
        "\x1b",
        "\x1b\r\x11\x03",
        "\x1b[A\x1b[200~\x1b[I",
        "\x1b[31mred\x1b[0m \x9b1m \u202e",
        f"harmless{END}rm -rf ~\r",
        f"a{END}b{START}c{END}d\r",
        "\x1b[201",
        "",
    ],
)
def test_a_paste_is_text_whatever_is_in_it(text: str) -> None:
    whole = START + text + END
    wanted = ["x", f"paste {sanitise(text)}", "y"]
    assert decode("x" + whole + "y") == wanted
    assert decode("x", *whole, "y") == wanted


@settings(deadline=None)  # a busy machine is not a wrong result
@given(st.data(), st.text(alphabet="\x1b[201~0;\ra"))
def test_any_cut_of_a_paste_gives_the_same(data: st.DataObject, text: str) -> None:
    whole = START + text + END
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert decode(*parts) == [f"paste {sanitise(text)}"]


@settings(deadline=None)  # a busy machine is not a wrong result
@given(st.data())
def test_any_cut_of_keys_gives_the_same(data: st.DataObject) -> None:
    whole = "a\x1b[A\x1b[1;5Cb\x1bOP\x1bx\x1b[<35;10;5Mé\x1b[27;2;13~\x1b[I\x1b[48;24;80;480;800t."
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=8)))
    parts = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    wanted = ["a", "up", "ctrl+right", "b", "f1", "alt+x", "MouseMove", "é", "shift+enter", "AppFocus", "Resize"]
    assert decode(*parts) == [*wanted, "full_stop"]


def test_keys_typed_after_a_paste_are_keys() -> None:
    decoder = make_decoder()
    assert describe(decoder.feed(f"{START}a{END}", 0.0)) == []
    assert decoder.deadline == pytest.approx(0.03)
    assert describe([*decoder.tick(0.03), *decoder.feed("\r", 0.04)]) == ["paste a", "enter"]


def test_keys_that_never_pause_are_released() -> None:
    decoder = make_decoder()
    found = list(decoder.feed(f"{START}a{END}", 0.0))
    now = 0.0
    while decoder.deadline is not None and now < 2:
        now += 0.02
        found += decoder.tick(now)
        found += decoder.feed("k", now)
    assert describe(found)[:2] == ["paste a", "k"]
    assert now == pytest.approx(0.5, abs=0.05)


def test_a_paste_without_an_end_gives_the_keyboard_back() -> None:
    decoder = make_decoder()
    found = [*decoder.feed(f"{START}one\r", 0.0), *decoder.tick(1.9), *decoder.feed("two", 1.9)]
    assert describe(found) == []
    assert describe([*decoder.tick(3.9), *decoder.feed("k", 4.0), *decoder.feed(END, 4.1)]) == ["paste one\ntwo", "k"]
