"""`tui-chat export` and `tui-chat import` as processes: files, exit codes, a terminal, a stop, and no key anywhere."""

import asyncio
import json
import os
import pty
import re
import select
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Final

import pytest

from tests.unit.exchange_values import small_tree
from tests.unit.store_databases import names
from tui_chat.conversation import Tree
from tui_chat.store import Store
from tui_chat.text import sanitise

pytestmark = pytest.mark.timeout(60)

COMMAND: Final = (sys.executable, "-m", "tui_chat")
FIXTURES: Final = Path(__file__).parents[1] / "fixtures" / "exchange"
KEY: Final = "sk-ant-api03-a-secret-that-no-file-may-hold"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The working directory of the runs."""
    made = tmp_path / "work"
    made.mkdir()
    return made


def data_dir(folder: Path) -> Path:
    return folder.parent / "data"


def run(folder: Path, *arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """Run the program with its data beside `folder`; a key is in its environment, as it usually is."""
    environment = {**os.environ, "TUI_CHAT_DATA_DIR": str(data_dir(folder)), "ANTHROPIC_API_KEY": KEY}
    done = subprocess.run(
        [*COMMAND, *map(str, arguments)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
    )
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert "Traceback" not in done.stdout + done.stderr
    return done


async def store_with(folder: Path, *trees: Tree) -> None:
    store = await Store.open(data_dir(folder) / "conversations.db")
    for tree in trees:
        await store.library.add(tree)
    await store.close()


def titled(title: str) -> Tree:
    tree = small_tree()
    tree.conversation.title = title
    return tree


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_in_and_out_and_in_again(folder: Path) -> None:
    done = run(folder, "import", FIXTURES / "chatgpt.json", FIXTURES / "claude.json")
    assert done.stdout.splitlines()[0] == "5 conversations with 12 turns: 5 added"
    assert done.stderr == ""
    first, second = folder / "first", folder / "second"
    run(folder, "export", "--all", first, "--format", "json")
    assert len(names(first)) == 5
    assert mode(first) == 0o700
    assert {mode(path) for path in first.iterdir()} == {0o600}
    other = folder / "other"
    other.mkdir()
    done = run(folder, "import", "--data-dir", other, first)
    assert done.stdout.splitlines()[0] == "5 conversations with 12 turns: 5 added"
    run(folder, "export", "--data-dir", other, "--all", second, "--format", "json")
    assert {path.name: path.read_bytes() for path in first.iterdir()} == {
        path.name: path.read_bytes() for path in second.iterdir()
    }
    done = run(folder, "import", first)
    assert done.stdout.splitlines()[0] == "5 conversations with 12 turns: 5 here already"


@pytest.mark.parametrize("format", ["md", "json", "html", "txt"])
def test_one_conversation_to_a_file_and_to_standard_output(folder: Path, format: str) -> None:
    asyncio.run(store_with(folder, titled("First: it/s"), titled("Second")))
    done = run(folder, "export", "first", "--format", format)
    assert done.stdout == f"First- it-s.{format}\n"
    path = folder / f"First- it-s.{format}"
    assert mode(path) == 0o600
    text = path.read_text()
    assert "really sure?" in text if format == "json" else "really sure?" not in text
    assert run(folder, "export", "first", "--format", format, "-o", "-").stdout == text
    again = run(folder, "export", "first", "-o", f"First- it-s.{format}")
    assert again.stdout == f"First- it-s-2.{format}\n"
    run(folder, "export", "first", "-o", path, "--overwrite")
    assert names(folder) == [f"First- it-s-2.{format}", f"First- it-s.{format}"]


def test_replacing_all_replaces_none_of_the_same_run(folder: Path) -> None:
    asyncio.run(store_with(folder, titled("Same"), titled("same"), titled("Same-2")))
    for _ in range(2):
        run(folder, "export", "--all", "out", "--overwrite")
        found = names(folder / "out")
        assert len({name.casefold() for name in found}) == len(found) == 3
    heads = {(folder / "out" / name).read_text().partition("\n")[0] for name in found}
    assert heads == {"# Same", "# same", "# Same-2"}


def test_a_folder_that_is_not_there_is_named(folder: Path) -> None:
    asyncio.run(store_with(folder, titled("First")))
    for place in ("missing/", "missing/a.md"):
        done = run(folder, "export", "-o", place, code=1)
        assert done.stderr == "tui-chat: it cannot be written (No such file or directory: missing)\n"
    assert names(folder) == []


def test_which_conversation_is_meant(folder: Path) -> None:
    older, newer = titled("Trees and tea"), titled("Tea and stones")
    asyncio.run(store_with(folder, older, newer))
    assert "Trees" in run(folder, "export", older.conversation.id, "-o", "-").stdout
    assert "Trees" in run(folder, "export", "trees", "-o", "-").stdout
    done = run(folder, "export", "tea", code=2)
    assert "2 conversations fit 'tea'" in done.stderr
    assert "Trees and tea" in done.stderr
    assert "no conversation's id or title fits 'nothing'" in run(folder, "export", "nothing", code=2).stderr
    assert names(folder) == []


def test_nothing_there_yet(folder: Path) -> None:
    assert "there is no conversation yet" in run(folder, "export", code=2).stderr
    assert "there is no file" in run(folder, "import", "missing.json", code=2).stderr
    assert "FILE" in run(folder, "import", code=2).stderr
    assert "leave out WANTED" in run(folder, "export", "--all", "x", "y", code=2).stderr
    assert "usage: tui-chat export" in run(folder, "export", "--help").stdout
    assert "usage: tui-chat import" in run(folder, "import", "--help").stdout


def test_a_dry_run_and_bad_records(folder: Path) -> None:
    bad = folder / "bad.json"
    bad.write_text(json.dumps([{"mapping": {}}, *json.loads((FIXTURES / "chatgpt.json").read_text())]))
    done = run(folder, "import", "--dry-run", bad, code=1)
    assert done.stdout.splitlines() == [
        "3 conversations with 6 turns: 3 would be added",
        "1 problem:",
        "  bad.json, record 1: it has no id",
        "nothing was written (--dry-run)",
    ]
    assert not data_dir(folder).exists()
    run(folder, "import", bad, code=1)
    assert "3 here already" in run(folder, "import", bad, code=1).stdout


def test_no_key_and_nothing_that_acts_on_a_terminal(folder: Path) -> None:
    tree = titled("\x1b]0;gone\x07 title")
    tree.turns[2].requests[0].blocks[0].start = {"type": "text", "text": "\x1b[2J\u202e hidden"}
    asyncio.run(store_with(folder, tree))
    for kind in ("md", "json", "html", "txt"):
        done = run(folder, "export", "--format", kind)
        text = next(folder.glob(f"*.{kind}")).read_text()
        assert KEY not in text
        assert sanitise(text) == text
        assert sanitise(done.stdout + done.stderr) == done.stdout + done.stderr


def test_a_place_that_cannot_be_written(folder: Path) -> None:
    asyncio.run(store_with(folder, titled("A")))
    done = run(folder, "export", "-o", "missing/a.md", code=1)
    assert done.stderr.startswith("tui-chat: it cannot be written")
    assert names(folder) == []


def test_a_closed_pipe_is_no_traceback(folder: Path) -> None:
    asyncio.run(store_with(folder, titled("A")))
    environment = {**os.environ, "TUI_CHAT_DATA_DIR": str(data_dir(folder))}
    process = subprocess.Popen(
        [*COMMAND, "export", "-o", "-"], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=folder
    )
    assert process.stdout is not None
    process.stdout.close()
    process.stdout = None
    _, errors = process.communicate(timeout=30)
    assert errors == b""
    assert process.returncode == 141


def big_export(path: Path, count: int, size: int = 2_000) -> None:
    """A ChatGPT export of `count` conversations with replies of `size` characters."""
    with path.open("w") as file:
        for number in range(count):
            file.write("[\n" if not number else ",\n")
            json.dump(_record(number, "word " * (size // 5)), file)
        file.write("]")


def _record(number: int, text: str) -> dict[str, Any]:
    def message(role: str, content: str) -> dict[str, Any]:
        return {
            "author": {"role": role},
            "create_time": 1.7e9 + number,
            "content": {"content_type": "text", "parts": [content]},
        }

    return {
        "title": f"Number {number}",
        "create_time": 1.7e9 + number,
        "mapping": {
            "a": {"id": "a", "parent": None, "children": ["b"], "message": message("user", f"question {number}")},
            "b": {"id": "b", "parent": "a", "children": [], "message": message("assistant", text)},
        },
        "current_node": "b",
        "id": f"id-{number}",
    }


def on_terminal(folder: Path, *arguments: str | Path) -> tuple[subprocess.Popen[bytes], int]:
    """The program with its standard error on a terminal; its reading end comes second."""
    reading, writing = pty.openpty()
    environment = {**os.environ, "TUI_CHAT_DATA_DIR": str(data_dir(folder))}
    process = subprocess.Popen(
        [*COMMAND, *map(str, arguments)], cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=writing
    )
    os.close(writing)
    return process, reading


def read_until(descriptor: int, pattern: bytes, seconds: float = 30) -> bytes:
    """What comes until `pattern` has come; everything if it ends first."""
    found, deadline = b"", time.monotonic() + seconds
    while not re.search(pattern, found) and time.monotonic() < deadline:
        if select.select([descriptor], [], [], 0.5)[0]:
            try:
                found += os.read(descriptor, 4096)
            except OSError:  # the other end is closed
                break
    return found


def test_a_bar_on_the_terminal_and_a_stop_that_keeps_whole_conversations(folder: Path) -> None:
    path = folder / "big.json"
    big_export(path, 20_000)
    process, terminal = on_terminal(folder, "import", path)
    shown = read_until(terminal, rb"\d+%  \d\d+ from big.json")
    process.send_signal(signal.SIGINT)
    rest = read_until(terminal, rb"(?!)")  # to its end
    out, _ = process.communicate(timeout=30)
    os.close(terminal)
    assert re.search("importing [█░]+ +[0-9]+%", shown.decode()), shown
    assert rest.endswith(b"\r\x1b[K")  # the bar is gone
    assert process.returncode == 130
    lines = out.decode().splitlines()
    assert lines[-1] == "stopped; all that is counted here is in: import the same again to go on"
    found = re.match(r"([\d,]+) conversations with ([\d,]+) turns", lines[0])
    assert found is not None
    counted = int(found[1].replace(",", ""))
    assert 0 < counted < 20_000
    assert found[1] == found[2]  # a turn each

    async def stored() -> int:
        store = await Store.open(data_dir(folder) / "conversations.db")
        ids = await store.library.ids()
        trees = [await store.library.tree(id_) for id_ in ids]
        assert all(tree is not None and len(tree.turns) == 1 and tree.turns[0].text for tree in trees)
        await store.close()
        return len(ids)

    assert counted <= asyncio.run(stored()) <= counted + 1
