"""`read_file` on real files: nothing outside the folder, nothing that hangs, and text in parts that fit together."""

import asyncio
import contextlib
import os
import re
import socket
import stat
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.engine.tools import RESULT_LIMIT, ToolError, read_file
from tui_chat.engine.tools.allowed_folder import CAN_WALK, AllowedFolder
from tui_chat.engine.tools.read_file import LISTED, READ_LIMIT, ReadFile

SECRET: Final = "the secret outside"
WAYS: Final = [pytest.param(True, marks=pytest.mark.skipif(not CAN_WALK, reason="needs openat")), False]
posix_only = pytest.mark.skipif(os.name == "nt", reason="pipes, modes and links as POSIX has them")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder to read, with a secret beside it."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "file.txt").write_text(SECRET)
    folder = tmp_path / "root"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file.txt").write_text("inside")
    return folder


@pytest.fixture(params=WAYS, ids=["walk", "whole"])
def tool(request: pytest.FixtureRequest, root: Path) -> ReadFile:
    """The tool with both ways of opening."""
    made = ReadFile(root)
    made._folder = AllowedFolder(root, walk=request.param)
    return made


def read(tool: ReadFile, path: Any, **input: Any) -> str:
    return asyncio.run(asyncio.wait_for(tool.run({"path": str(path), **input}), 5))


def refusal(tool: ReadFile, path: Any, **input: Any) -> str:
    with pytest.raises(ToolError) as caught:
        read(tool, path, **input)
    assert SECRET not in str(caught.value)
    return str(caught.value)


# What may be read


def test_a_file_is_given_as_it_is(tool: ReadFile, root: Path) -> None:
    for text in ("one line", "two\nlines\n", "\n", "ünï\r\ncode 🎉\x0b\u2028 here\n", " "):
        (root / "a").write_bytes(text.encode())
        assert read(tool, "a") == text


@pytest.mark.parametrize("path", ["inner/file.txt", "./inner//file.txt", "inner/../inner/file.txt", "inner/./file.txt"])
def test_many_ways_to_say_the_same(tool: ReadFile, path: str) -> None:
    assert read(tool, path) == "inside"


def test_an_absolute_path_inside(tool: ReadFile, root: Path) -> None:
    assert read(tool, root / "inner" / "file.txt") == "inside"


def test_an_empty_file(tool: ReadFile, root: Path) -> None:
    (root / "a").touch()
    (root / "b").write_bytes(b"\xef\xbb\xbf")
    assert read(tool, "a") == read(tool, "b") == "[This file is empty.]"
    assert refusal(tool, "a", first_line=2) == "This file is empty."


def test_a_byte_order_mark_is_dropped(tool: ReadFile, root: Path) -> None:
    (root / "a").write_bytes(b"\xef\xbb\xbfone\n\xef\xbb\xbftwo")
    assert read(tool, "a") == "one\n\ufefftwo"


def test_what_is_not_utf8_is_replaced_and_said(tool: ReadFile, root: Path) -> None:
    (root / "a").write_bytes("naïve\n".encode("latin-1"))
    assert read(tool, "a") == "na\ufffdve\n[Bytes that are not UTF-8 are shown as \ufffd.]"
    (root / "b").write_bytes("na\ufffdve\n".encode())
    assert read(tool, "b") == "na\ufffdve\n"
    (root / "c").write_bytes("cut ü".encode()[:-1])
    assert read(tool, "c") == "cut \ufffd\n[Bytes that are not UTF-8 are shown as \ufffd.]"


@pytest.mark.parametrize("data", [b"a\0b", "utf-16".encode("utf-16"), b"a" * (READ_LIMIT + 1000) + b"\0"])
def test_binary_files_are_refused(tool: ReadFile, root: Path, data: bytes) -> None:
    (root / "a").write_bytes(data)
    assert "binary" in refusal(tool, "a")


# In parts

LINES: Final = "".join(f"line {number}\n" for number in range(1, 21))


@pytest.mark.parametrize(
    ("input", "text"),
    [
        ({"line_count": 1}, "line 1\n[Lines 1 to 1; the file goes on: read on with first_line 2.]"),
        ({"first_line": 2, "line_count": 1}, "line 2\n[Lines 2 to 2; the file goes on: read on with first_line 3.]"),
        ({"first_line": 19}, "line 19\nline 20\n[Lines 19 to 20, the end of the file.]"),
        ({"first_line": 20, "line_count": 1}, "line 20\n[Lines 20 to 20, the end of the file.]"),
        ({"first_line": 20.0, "line_count": 10**100}, "line 20\n[Lines 20 to 20, the end of the file.]"),
        ({"line_count": 20}, LINES),
        ({"first_line": None, "line_count": None}, LINES),
    ],
)
def test_some_lines(tool: ReadFile, root: Path, input: dict[str, Any], text: str) -> None:
    (root / "a").write_text(LINES, newline="")
    assert read(tool, "a", **input) == text


@pytest.mark.parametrize("first_line", [21, 22, 1_000, 10**4_000])
def test_behind_the_last_line(tool: ReadFile, root: Path, first_line: int) -> None:
    (root / "a").write_text(LINES, newline="")
    (root / "b").write_text(LINES.removesuffix("\n"), newline="")
    assert refusal(tool, "a", first_line=first_line) == "The last line of this file is number 20."
    assert refusal(tool, "b", first_line=first_line) == "The last line of this file is number 20."


def all_parts(tool: ReadFile, path: str, line_count: int | None = None) -> list[str]:
    """The parts of a file, read on as the notes say, without the notes."""
    parts: list[str] = []
    first_line = 1
    while True:
        text = read(tool, path, first_line=first_line, line_count=line_count)
        assert len(text) <= RESULT_LIMIT
        note = re.search(r"\[Lines [\d,]+ to [\d,]+(?:, the end of the file|; the file .* first_line (\d+))\.\]$", text)
        if not note:
            return [*parts, text]
        parts.append(text[: note.start()])
        if not note[1]:
            return parts
        first_line = int(note[1])


def test_a_long_file_in_parts_is_the_whole_file(tool: ReadFile, root: Path) -> None:
    text = "".join(f"{number} {'ü€🎉x'[number % 4] * (number % 97)}\n" for number in range(30_000))
    (root / "a").write_bytes(text.encode())
    parts = all_parts(tool, "a")
    assert len(parts) > 5
    assert "".join(parts) == text


lines = st.text(st.sampled_from("ab\n\r🎉ü\x85"), max_size=60)


@settings(max_examples=60, deadline=None)
@given(text=lines, line_count=st.integers(1, 9), read_limit=st.integers(1, 64))
def test_any_text_in_parts_is_the_whole_text(text: str, line_count: int, read_limit: int) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_file, "READ_LIMIT", max(read_limit, *(len(line.encode()) + 1 for line in text.split("\n"))))
        Path(folder, "a").write_bytes(text.encode())
        parts = all_parts(ReadFile(Path(folder)), "a", line_count)
    ended = text if text.endswith("\n") else text + "\n"  # a note stands on a line of its own
    assert "".join(parts) in (text or "[This file is empty.]", ended)


@pytest.mark.parametrize("character", ["x", "ü", "🎉"])
def test_a_line_without_an_end(tool: ReadFile, root: Path, character: str) -> None:
    (root / "a").write_bytes((character * 1_000_000 + "\nlast").encode())
    text = read(tool, "a")
    assert len(text) <= RESULT_LIMIT
    shown = re.fullmatch(
        f"({character}+)\n\\[Line 1 is too long: only its first ([\\d,]+) characters are shown. "
        r"The next line, if there is one, is first_line 2.\]",
        text,
    )
    assert shown
    assert len(shown[1]) == int(shown[2].replace(",", "")) > 60_000
    assert read(tool, "a", first_line=2) == "last\n[Lines 2 to 2, the end of the file.]"


def test_the_search_for_a_line_has_an_end(tool: ReadFile, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a").write_bytes(b"x" * 3_000_000 + b"\nlast")
    assert read(tool, "a", first_line=2).startswith("last\n")
    monkeypatch.setattr(read_file, "SCAN_LIMIT", 1_000_000)
    for first_line in (2, 10**5_000):
        assert "too far into this file" in refusal(tool, "a", first_line=first_line)


# Folders


def test_a_folder_is_listed(tool: ReadFile, root: Path) -> None:
    (root / "b.txt").write_text("x" * 1234)
    (root / "a").touch()
    (root / ".env").touch()
    assert read(tool, ".") == (
        ".: 4 entries\n.env  (not readable: may hold secrets)\na  0 bytes\nb.txt  1,234 bytes\ninner/"
    )
    assert read(tool, root) == read(tool, "inner/..") == read(tool, ".")
    assert read(tool, "inner") == read(tool, "inner/") == "inner: 1 entry\nfile.txt  6 bytes"
    (root / "empty").mkdir()
    assert read(tool, "empty") == "empty: 0 entries"


@posix_only
def test_what_else_is_in_a_folder(tool: ReadFile, root: Path) -> None:
    folder = root / "odd"
    folder.mkdir()
    os.mkfifo(folder / "a pipe")
    (folder / "a link").symlink_to("/")
    (folder / "b\n.: 1 entry").touch()
    (folder / "c\u202etxt").touch()
    (folder / os.fsdecode(b"d\xff")).write_text("bytes")
    assert read(tool, "odd").splitlines() == [
        "odd: 5 entries",
        "a link  (link)",
        "a pipe  (neither file nor folder)",
        '"b\\n.: 1 entry"  0 bytes',
        '"c\\u202etxt"  0 bytes',
        '"d\\udcff"  5 bytes',
    ]
    assert read(tool, "odd/d\udcff") == "bytes"  # the name as listed is one that can be read


def test_a_large_folder_in_parts(tool: ReadFile, root: Path) -> None:
    folder = root / "many"
    folder.mkdir()
    names = [f"{number:04}" for number in range(2000)]
    for name in names:
        (folder / name).touch()
    first = read(tool, "many").splitlines()
    assert first[0] == "many: 2,000 entries"
    assert [line.partition(" ")[0] for line in first[1:-1]] == names[:LISTED]
    assert first[-1] == "[1,500 more; read on with first_line 501.]"
    last = read(tool, "many", first_line=1999, line_count=9).splitlines()
    assert last == ["many: 2,000 entries, from number 1,999 on", "1998  0 bytes", "1999  0 bytes"]
    assert refusal(tool, "many", first_line=2001) == 'The last entry of "many" is number 2,000.'


@posix_only
def test_long_names_fit_too(tool: ReadFile, root: Path) -> None:
    folder = root / "long"
    folder.mkdir()
    for number in range(LISTED):
        (folder / f"{number:03}{chr(7) * 250}").touch()
    text = read(tool, "long")
    assert len(text) <= RESULT_LIMIT
    shown = len(text.splitlines()) - 2
    assert text.endswith(f"[{LISTED - shown} more; read on with first_line {shown + 1}.]")


# What may not


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../outside/file.txt",
        "/",
        "/etc/passwd",
        "inner/../../outside/file.txt",
        "../root2",
        "/dev/zero",
        "/dev/stdin",
    ],
)
def test_outside_is_refused(tool: ReadFile, root: Path, path: str) -> None:
    (root.parent / "root2").mkdir()  # begins like the root and is another
    assert "outside the allowed folder" in refusal(tool, path)
    assert "outside the allowed folder" in refusal(tool, root.parent / "outside" / "file.txt")


def test_whether_something_is_there_outside_is_not_told(tool: ReadFile) -> None:
    assert refusal(tool, "../nothing").replace("nothing", "outside") == refusal(tool, "../outside")


@pytest.mark.parametrize("path", ["", "\0", "inner/file.txt\0", "x" * 5_000, "\ud800", "a\ud800/b"])
def test_what_is_no_path(tool: ReadFile, path: str) -> None:
    assert "path" in refusal(tool, path) or os.name == "nt"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "There is no"),
        ("inner/nothing", "There is no"),
        ("~/file.txt", "There is no"),
        ("y" * 300, "cannot be read: File name too long"),
        ("a/" * 2000 + "b", "There is no"),
        ("inner/file.txt/x", "not a folder"),
    ],
)
@posix_only
def test_what_is_not_there(tool: ReadFile, path: str, message: str) -> None:
    assert message in refusal(tool, path)


@posix_only
def test_links(tool: ReadFile, root: Path) -> None:
    (root / "in").symlink_to("inner/file.txt")
    (root / "folder").symlink_to(root / "inner")
    (root / "out").symlink_to("../outside/file.txt")
    (root / "up").symlink_to("..")
    (root / "by way of outside").symlink_to(root.parent / "outside" / "back" / "file.txt")
    (root.parent / "outside" / "back").symlink_to(root / "inner")
    (root / "zero").symlink_to("/dev/zero")
    (root / "nowhere").symlink_to("nothing")
    (root / "circle").symlink_to("circle")
    for path in ("in", "folder/file.txt", "by way of outside", "up/root/in"):
        assert read(tool, path) == "inside"
    for path in ("out", "up", "up/outside/file.txt", "zero", "folder/../../outside"):
        assert "outside the allowed folder" in refusal(tool, path)
    assert "There is no" in refusal(tool, "nowhere")
    assert "circle" in refusal(tool, "circle")


@posix_only
def test_a_long_chain_of_links(tool: ReadFile, root: Path) -> None:
    for number in range(1500):
        (root / f"l{number}").symlink_to(f"l{number + 1}")
    assert refusal(tool, "l0")


@posix_only
def test_pipes_and_sockets_are_not_opened(tool: ReadFile, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(root / "pipe")
    monkeypatch.chdir(root)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        for path in ("pipe", "socket"):
            assert "neither a file nor a folder" in refusal(tool, path)


@posix_only
def test_devices_and_the_kernels_files_are_refused(root: Path) -> None:
    assert "neither a file nor a folder" in refusal(ReadFile(Path("/dev")), "zero")
    for path in ("/proc/self/environ", "proc/1/mem", "/sys", "proc"):
        assert "outside" in refusal(ReadFile(Path("/")), path)
    assert read(ReadFile(Path("/")), root / "inner" / "file.txt") == "inside"


@contextlib.contextmanager
def as_nobody() -> Iterator[None]:
    """Root may read everything, so the tests of refusals run as somebody else."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@posix_only
@pytest.mark.parametrize("walk", WAYS)
def test_permission_denied(walk: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        (root / "closed").mkdir()
        (root / "closed" / "file").touch()
        (root / "file").write_text(SECRET)
        (root / "closed").chmod(0)
        (root / "file").chmod(0)
        tool = ReadFile(root)
        tool._folder = AllowedFolder(root, walk=walk)
        with as_nobody():
            for path in ("file", "closed", "closed/file"):
                assert "permission denied" in refusal(tool, path)
            assert read(tool, ".").startswith(".: 2 entries\nclosed/\n")
        (root / "closed").chmod(0o700)


SECRETS: Final = (
    *(
        ".env",
        ".env.local",
        ".ENV",
        ".envrc",
        "id_rsa",
        "id_ed25519.old",
        "server.pem",
        "tls.KEY",
        ".netrc",
        "credentials",
    ),
    *(".ssh/config", ".ssh/new/deep", ".SSH/config", "app/.git/config", ".aws/anything", "gcp-credentials.json"),
)


@pytest.mark.parametrize("path", SECRETS)
def test_what_may_hold_secrets_is_refused(tool: ReadFile, root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text(SECRET)
    assert "may hold secrets" in refusal(tool, path)
    assert "may hold secrets" in refusal(tool, root / path)
    if os.name != "nt":
        (root / "harmless").symlink_to(path)
        assert "may hold secrets" in refusal(tool, "harmless")


@posix_only
def test_a_link_named_as_a_secret_is_refused(tool: ReadFile, root: Path) -> None:
    (root / ".env").symlink_to("inner/file.txt")
    assert "may hold secrets" in refusal(tool, ".env")


@pytest.mark.parametrize("path", ["environment", "a.env", "keys.py", "pem", ".github", "credentials/a", "my.key/a"])
def test_what_only_looks_similar_is_read(tool: ReadFile, root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_text("fine")
    assert read(tool, path) == "fine"


@pytest.mark.parametrize("kind", ["", "RSA ", "OPENSSH ", "ENCRYPTED "])
@pytest.mark.parametrize("before", ["", "\ufeff", "\n \n"])
def test_a_private_key_under_any_name(tool: ReadFile, root: Path, kind: str, before: str) -> None:
    (root / "notes.txt").write_bytes(f"{before}-----BEGIN {kind}PRIVATE KEY-----\n{SECRET}\n".encode())
    assert "private key" in refusal(tool, "notes.txt")
    assert "private key" in refusal(tool, "notes.txt", first_line=2)


# The root itself


@posix_only
def test_a_root_that_is_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    tool = ReadFile(tmp_path / "link")
    assert read(tool, "inner/file.txt") == "inside"
    assert read(tool, tmp_path / "link" / "inner" / "file.txt") == "inside"
    assert "outside" in refusal(tool, "../outside/file.txt")
    (tmp_path / "link").unlink()
    (tmp_path / "link").symlink_to(tmp_path / "outside")
    assert "There is no" in refusal(tool, "file.txt")  # the root is the folder it was at the start


def test_a_root_that_is_not_there(tmp_path: Path) -> None:
    tool = ReadFile(tmp_path / "later")
    for path in (".", "file", ".."):
        assert "allowed folder" in refusal(tool, path)
    (tmp_path / "later").mkdir()
    assert read(tool, ".") == ".: 0 entries"
    (tmp_path / "file").touch()
    assert "The allowed folder does not exist" in refusal(ReadFile(tmp_path / "file"), ".")


def test_a_relative_root_stays_where_it_was(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root.parent)
    tool = ReadFile(Path("root"))
    monkeypatch.chdir(root.parent / "outside")
    assert read(tool, "inner/file.txt") == "inside"


# Swaps between the look and the opening


def once_after(name: str, swap: Callable[[], None], monkeypatch: pytest.MonkeyPatch, module: Any = os) -> None:
    """Do `swap` as soon as `module.name` has been called the next time, as another program might."""
    real = getattr(module, name)
    pending = [swap]

    def call(*arguments: Any, **named: Any) -> Any:
        result = real(*arguments, **named)
        while pending:
            pending.pop()()
        return result

    monkeypatch.setattr(module, name, call)


@posix_only
def test_a_file_swapped_for_a_link(tool: ReadFile, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def swap() -> None:
        (root / "inner" / "file.txt").unlink()
        (root / "inner" / "file.txt").symlink_to(root.parent / "outside" / "file.txt")

    once_after("realpath", swap, monkeypatch, os.path)
    assert "changed while it was opened" in refusal(tool, "inner/file.txt")


@posix_only
@pytest.mark.parametrize("path", ["inner/file.txt", "inner", "inner/deep"])
def test_a_folder_swapped_for_a_link(tool: ReadFile, root: Path, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "inner" / "deep").mkdir()
    (root.parent / "outside" / "deep").mkdir()

    def swap() -> None:
        (root / "inner").rename(root / "aside")
        (root / "inner").symlink_to(root.parent / "outside")

    once_after("realpath", swap, monkeypatch, os.path)
    assert re.search("changed while it was opened|not a folder", refusal(tool, path))


@posix_only
@pytest.mark.skipif(not CAN_WALK, reason="needs openat")
@pytest.mark.parametrize("kind", ["pipe", "link"])
def test_a_file_swapped_at_the_last_moment(root: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "file"
    file.touch()

    def swap() -> None:
        file.unlink()
        if kind == "pipe":
            os.mkfifo(file)
        else:
            file.symlink_to("../outside/file.txt")

    real = os.stat

    def look(path: Any, **named: Any) -> os.stat_result:
        result = real(path, **named)
        if path == "file" and stat.S_ISREG(result.st_mode):
            swap()
        return result

    monkeypatch.setattr(os, "stat", look)
    assert re.search("neither a file|changed while", refusal(ReadFile(root), "file"))


@posix_only
@pytest.mark.skipif(not CAN_WALK, reason="needs openat")
def test_a_folder_that_is_swapped_all_the_time(root: Path) -> None:
    """Another thread swaps a folder for a link and back; whatever is read, it is never the secret."""
    done = threading.Event()
    inner, aside, outside = root / "inner", root / "aside", root.parent / "outside"

    def swap_and_swap_back() -> None:
        while not done.is_set():
            inner.rename(aside)
            inner.symlink_to(outside)
            inner.unlink()
            aside.rename(inner)

    swapper = threading.Thread(target=swap_and_swap_back)
    swapper.start()
    folder = AllowedFolder(root)
    outcomes = set()
    try:
        for _ in range(1000):
            try:
                with folder.open("inner/file.txt") as opened:
                    assert isinstance(opened.place, int)
                    outcomes.add(os.read(opened.place, 100).decode())
            except ToolError:
                outcomes.add("refused")
    finally:
        done.set()
        swapper.join()
    assert outcomes <= {"inside", "refused"}


# Whatever is asked


@pytest.fixture(scope="module")
def playground(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("playground")
    (folder / "secret").write_text(SECRET)
    (folder / "root" / "a" / "b").mkdir(parents=True)
    (folder / "root" / "a" / "c").write_text("text\n" * 10)
    if os.name != "nt":
        (folder / "root" / "up").symlink_to("..")
        (folder / "root" / "a" / "out").symlink_to("../../secret")
        os.mkfifo(folder / "root" / "pipe")
    return folder


paths = st.lists(
    st.sampled_from(["a", "b", "c", "up", "out", "pipe", "secret", "root", "..", ".", "", "~", ".env", "\0", "\ud800"]),
    max_size=6,
).map("/".join)


@settings(max_examples=300, deadline=None)
@given(
    path=paths | st.text(max_size=10), first_line=st.integers(1, 12), line_count=st.integers(1, 12), walk=st.booleans()
)
def test_no_path_leads_out(playground: Path, path: str, first_line: int, line_count: int, walk: bool) -> None:
    tool = ReadFile(playground / "root")
    tool._folder = AllowedFolder(playground / "root", walk=walk and CAN_WALK)
    before = descriptors()
    try:
        text = read(tool, path, first_line=first_line, line_count=line_count)
    except ToolError as error:
        text = str(error)
    assert SECRET not in text
    assert descriptors() == before


def descriptors() -> int:
    """How many files this program has open, where that can be seen."""
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").is_dir() else 0


async def test_a_cancelled_read_ends(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Escape in the middle of a long file: the wait ends at once, and the thread at the next chunk."""
    (root / "long").write_bytes(b"x" * 10 * READ_LIMIT)
    first, release, reads = threading.Event(), threading.Event(), []
    real = os.read

    def slow(descriptor: int, size: int) -> bytes:
        if size == READ_LIMIT:
            reads.append(size)
            first.set()
            release.wait(5)
        return real(descriptor, size)

    monkeypatch.setattr(os, "read", slow)
    task = asyncio.create_task(ReadFile(root).run({"path": "long", "first_line": 2}))
    assert await asyncio.to_thread(first.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    for thread in threading.enumerate():
        if thread.name == "tool":
            thread.join(5)
    assert len(reads) == 1
