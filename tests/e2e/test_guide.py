"""Every program of the library's guide, and of the README, is run, and prints what stands below it.

`…` in what is to be printed stands for what differs from run to run. The demo is made quick by a header that the SDK adds; the
prompts that take their time (`flaky`, `stall`) still do. The relay is a server: it gets a process and a browser.
"""

import http.client
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

ROOT: Final = Path(__file__).parents[2]
GUIDE: Final = ROOT / "tui_chat" / "guide.md"
README: Final = ROOT / "README.md"
HEADING: Final = "## As a library"
EXAMPLE: Final = re.compile(
    r"^```python\n(?P<code>.*?)^```\n\n```text\n(?P<printed>.*?)^```$", re.MULTILINE | re.DOTALL
)
QUICK: Final = "x-demo-pacing: ttft=0.01 rate=2000"
PACED: Final = "x-demo-pacing: ttft=0.01 rate=100"


def section() -> str:
    """Of the README: from the heading to the next one of its level."""
    return README.read_text(encoding="utf-8").partition(f"\n{HEADING}\n")[2].partition("\n## ")[0]


def guide() -> str:
    return GUIDE.read_text(encoding="utf-8")


def examples() -> dict[str, tuple[str, str]]:
    """Code and output of each, by the bold words that it stands under; the first one stands under none."""
    found = {}
    at = 0
    text = guide()
    for match in EXAMPLE.finditer(text):
        titles = re.findall(r"^\*\*(.+?)\*\*", text[at : match.start()], re.MULTILINE)
        found[titles[-1] if titles else "events"] = match["code"], match["printed"]
        at = match.end()
    return found


EXAMPLES: Final = examples()
RELAY: Final = "To a browser"


def expect_printed(expected: str, printed: str) -> None:
    """What was printed is what was to be, but for `…`; trailing spaces are of no matter."""
    pattern = "".join(".*" if part == "…" else re.escape(part) for part in re.split("(…)", tidy(expected)))
    assert re.fullmatch(pattern, tidy(printed), re.DOTALL), f"expected:\n{expected}\nprinted:\n{printed}"


def tidy(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().split("\n"))


def test_all_are_found() -> None:
    assert len(EXAMPLES) == guide().count("```python") == guide().count("```text")
    for kind in ("event", "text", "block", "message", "error", "end"):
        assert f"`on_{kind}`" in EXAMPLES


def test_the_program_of_the_readme_is_the_first_of_the_guide() -> None:
    (shown,) = EXAMPLE.finditer(section())
    assert (shown["code"], shown["printed"]) == EXAMPLES["events"]


@pytest.mark.parametrize("name", [name for name in EXAMPLES if name != RELAY])
def test_an_example(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, expected = EXAMPLES[name]
    monkeypatch.chdir(tmp_path)
    # What a reply is stopped within must not all be there at once.
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", PACED if "cancel()" in code else QUICK)
    exec(compile(code, f"guide: {name}", "exec"), {"__name__": "__main__"})
    printed, errors = capsys.readouterr()
    expect_printed(expected, printed)
    assert errors == ""


@contextmanager
def relay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple["subprocess.Popen[str]", str, int]]:
    """The relay, running, and where."""
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", PACED)
    monkeypatch.setenv("PYTHONPATH", str(README.parent))
    program = folder / "relay.py"
    program.write_text(EXAMPLES[RELAY][0], encoding="utf-8")
    with subprocess.Popen([sys.executable, program], cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            address = urlsplit(process.stdout.readline().strip())
            assert address.hostname is not None
            assert address.port is not None
            yield process, address.hostname, address.port
        finally:
            process.send_signal(signal.SIGINT)
    assert process.returncode == 0


@pytest.mark.timeout(30)  # two processes load the SDK
def test_the_relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with relay(tmp_path, monkeypatch) as (process, host, port):
        assert process.stdout is not None
        browser = http.client.HTTPConnection(host, port)
        browser.request("GET", "/")
        page = browser.getresponse().read().decode()
        assert 'new EventSource("/reply?prompt=long")' in page

        browser.request("GET", "/reply?prompt=limit")
        response = browser.getresponse()
        assert response.headers["content-type"] == "text/event-stream"
        events = response.read().decode().split("\n\n")
        assert all(event.startswith('event: text\ndata: "') for event in events[:-2])
        assert events[-2:] == ['event: end\ndata: {"outcome": "completed", "stop_reason": "max_tokens"}', ""]
        assert process.stdout.readline() == "the reply was completed\n"

        browser.request("GET", "/reply?prompt=long")
        response = browser.getresponse()
        assert response.readline() == b"event: text\n"
        response.close()  # the browser leaves
        browser.close()
        assert process.stdout.readline() == "the reply was cancelled\n"
