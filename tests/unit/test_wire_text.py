"""Words of the inspector: columns that fit, JSON laid out to the character, and a command line that holds no key."""

import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from tests.unit.wire_captures import BODY, begun
from tui_chat.events import WireFrame
from tui_chat.ui import wire_text
from tui_chat.ui.wire_text import WireRow
from tui_chat.wire import WireLog


def frame(data: str, event: str | None = "content_block_delta") -> WireFrame:
    return WireFrame(101.0, 4567, 123, event, data)


def row(data: str, event: str = "content_block_delta") -> WireRow:
    return wire_text.event_row(frame(data, event), 0.012, event)


DELTA = '{"type":"content_block_delta","index":3,"delta":{"type":"text_delta","text":"Hi \\"you\\"\\n"}}'


def test_an_event_as_its_row() -> None:
    found = row(DELTA)
    assert (found.type, found.delta, found.index, found.text) == (
        "content_block_delta",
        "text_delta",
        3,
        '"Hi \\"you\\"\\n"',
    )
    assert row('{"type":"ping"}', "ping").tone == "quiet"
    assert row('{"type":"error","error":{}}', "error").tone == "error"
    assert row('{"type":"x","index":true}').index is None
    assert row("no json").text == "no json"
    assert row("[1, 2]").text == "[1, 2]"
    assert row('{"delta":{"stop_reason":"end_turn"},"usage":{}}').delta == ""
    assert len(row(json.dumps({"text": "x" * 100_000})).text) <= 400


@pytest.mark.parametrize("width", [0, 1, 8, 20, 37, 44, 52, 62, 84, 200])
def test_a_row_fits_its_width(width: int) -> None:
    wide = json.dumps(
        {"type": "x", "index": 0, "delta": {"type": "text_delta", "text": "日本語" * 80}}, ensure_ascii=False
    )
    rows = [
        row(DELTA),
        row(wide),
        WireRow("gap", 3.0),
        WireRow("note", text="語" * 300),
        WireRow("hole", text="a" * 300),
    ]
    for each in rows:
        pieces = wire_text.pieces(each, width)
        if width >= 20:
            assert sum(cell_len(text) for text, _ in pieces) <= width


def test_columns_leave_where_there_is_no_room() -> None:
    def text(width: int) -> str:
        return "".join(piece for piece, _ in wire_text.pieces(row(DELTA), width))

    assert text(100) == '    +12     4,567     123  content_block_delta  3 text_delta "Hi \\"you\\"\\n"'
    assert text(62) == '    +12     4,567     123  text_delta        3 "Hi \\"you\\"\\n"'
    assert "4,567" not in text(54)
    assert "123" not in text(44)
    assert "text_delta" in text(37)


def test_numbers_have_units() -> None:
    assert [wire_text.milliseconds(each) for each in (None, 0, 0.0004, 0.00994, 0.00996, 1.5, 99.9, 120)] == [
        "",
        "+0",
        "+0.4",
        "+9.9",
        "+10",
        "+1,500",
        "+99,900",
        "+120s",
    ]
    assert [wire_text.bytes_text(each) for each in (0, 999, 1_000, 99_949, 99_960, 999_600, 12_345_678)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "99.9 kB",
        "100 kB",
        "1.0 MB",
        "12.3 MB",
    ]
    assert [wire_text.seconds_text(each) for each in (0.5, 0.9996, 2.314, 100)] == [
        "500 ms",
        "1.00 s",
        "2.31 s",
        "100 s",
    ]


# JSON ------------------------------------------------------------------------------------------------------------------

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_json_is_laid_out_as_python_does_it(value: object, ascii_only: bool) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only)
    assert wire_text.pretty(text) == json.dumps(value, ensure_ascii=ascii_only, indent=2)


def test_what_was_written_stays_as_it_was_written() -> None:
    assert wire_text.pretty('{"a":1.50e+1,"a":"\\u00e9\\/"}') == '{\n  "a": 1.50e+1,\n  "a": "\\u00e9\\/"\n}'


@pytest.mark.parametrize(
    "text", ["", "{", "}}}", '{"a', '{"a": "x\\', "[1 2", "{]", '{"a":1}{"b":2}', "no json at all", "[" * 5_000]
)
def test_broken_json_is_shown_as_far_as_it_goes(text: str) -> None:
    assert "".join(wire_text.pretty(text).split()) == "".join(text.split())
    assert len(wire_text.pretty(text)) < 80 * len(text) + 10


def test_a_long_content_is_cut_and_says_so() -> None:
    capture = begun(body=json.dumps({"x": "y" * 1_000_000}).encode())
    detail = wire_text.request_detail(capture, "turn 1 request 1")
    assert len(detail.content) < 500_000
    assert detail.content.endswith("more bytes are not shown")


# curl ------------------------------------------------------------------------------------------------------------------


def arguments(command: str, tmp_path: Path) -> tuple[list[str], bytes]:
    """What curl would be called with by a shell, and its standard input."""
    fake = tmp_path / "curl"
    fake.write_text('#!/bin/sh\nfor each in "$@"; do printf "%s\\0" "$each"; done >"$OUT"\ncat >"$OUT.in"\n')
    fake.chmod(0o700)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "OUT": str(tmp_path / "out"),
        "ANTHROPIC_API_KEY": "the-key",
    }
    (tmp_path / "script").write_text(command)  # for a command line it may be too long
    subprocess.run(["sh", str(tmp_path / "script")], env=environment, check=True, stdin=subprocess.DEVNULL)
    return (tmp_path / "out").read_text().split("\0")[:-1], (tmp_path / "out.in").read_bytes()


def test_the_command_sends_what_was_sent(tmp_path: Path) -> None:
    body = json.dumps({**BODY, "system": "'; rm -rf / #\n$(reboot) `reboot` \\ ! % \" é 日本"}, ensure_ascii=False)
    capture = begun(body=body.encode())
    capture.request_headers = (
        *capture.request_headers,
        ("x-note", "it's $HOME"),
        ("host", "x"),
        ("authorization", "***"),
        ("content-length", "9"),
    )
    found, _ = arguments(wire_text.curl(capture), tmp_path)
    assert found[:4] == ["-N", "-X", "POST", "https://api.anthropic.com/v1/messages"]
    pairs = dict(zip(found[4::2], found[5::2], strict=True))
    assert pairs["--data-raw"] == body
    headers = [value for name, value in zip(found[4::2], found[5::2], strict=True) if name == "-H"]
    assert headers == [
        "content-type: application/json",
        "x-api-key: the-key",
        "anthropic-version: 2023-06-01",
        "x-note: it's $HOME",
        "authorization: Bearer the-key",
    ]


def test_no_key_is_in_the_command() -> None:
    log = WireLog()
    capture = log.begin("turn", 0, "m", 0.0, 0.0)
    secrets = [
        ("Authorization", "Bearer sk-ant-oat01-hidden"),
        ("X-Api-Key", "sk-ant-api03-hidden"),
        ("cookie", "session=hidden"),
        ("x-note", "Bearer hidden-too"),
        ("x-stainless-os", "Linux"),
    ]
    capture.left("POST", "https://user:hidden@host.example/v1/messages?token=hidden", secrets, b"{}")
    command = wire_text.curl(capture)
    assert "hidden" not in command
    assert "sk-ant" not in command
    assert '-H "authorization: Bearer ${ANTHROPIC_API_KEY:-$ANTHROPIC_AUTH_TOKEN}"' in command
    assert '-H "x-api-key: $ANTHROPIC_API_KEY"' in command
    assert "stainless" not in command
    assert shlex.split(command.replace("\\\n", ""))


def test_a_huge_body_goes_to_standard_input(tmp_path: Path) -> None:
    body = json.dumps({"text": "it's BODY1 $HOME " * 20_000})
    found, sent = arguments(wire_text.curl(begun(body=body.encode())), tmp_path)
    assert found[-2:] == ["--data-binary", "@-"]
    assert sent == body.encode() + b"\n"


def test_a_request_without_a_body() -> None:
    capture = begun(body=b"")
    assert "--data" not in wire_text.curl(capture)
