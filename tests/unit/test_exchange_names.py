"""Names from titles are safe on every system, and files are private, whole and never in the place of another."""

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tui_chat.exchange.names import LONGEST, safe_name
from tui_chat.files import write_new


@given(st.text(max_size=300) | st.text("/\\.:- \x00\x1f<>|conCON1\u202e\ud800é🏴", max_size=120))
def test_any_title_makes_a_name_that_every_system_takes(title: str) -> None:
    name = safe_name(title)
    assert name
    assert len(name) <= LONGEST
    assert len(name.encode()) <= 200
    assert not set(name) & set('<>:"/\\|?*')
    assert name.isprintable()
    assert name[0] not in " .-~"
    assert name[-1] not in " ."
    assert name.split(".", maxsplit=1)[0].upper() not in {"CON", "PRN", "AUX", "NUL", "COM1", "LPT1"}
    assert safe_name(name) == name


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("Why TTFT matters", "Why TTFT matters"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf /", "rf"),
        (".hidden", "hidden"),
        ("a\nb\tc\x1b[2J", "a b c[2J"),
        ("\u202egnp.exe", "gnp.exe"),
        ("con", "con-conv"),
        ("NUL.txt", "NUL-conv"),
        ("", "conversation"),
        ("...", "conversation"),
        ("e\u0301te\u0301", "\u00e9t\u00e9"),
        ("日本語の会話", "日本語の会話"),
        ("word " * 40, ("word " * 16).strip()),
        ("x" * 500, "x" * 80),
        ("漢" * 100, "漢" * 66),
    ],
)
def test_names(title: str, name: str) -> None:
    assert safe_name(title) == name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder."""
    made = tmp_path / "out"
    made.mkdir()
    return made


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_file_is_private_whatever_the_umask(folder: Path) -> None:
    before = os.umask(0)
    try:
        path = write_new(folder / "a.md", ["one\n", "two é\n"])
    finally:
        os.umask(before)
    assert path == folder / "a.md"
    assert path.read_bytes() == "one\ntwo é\n".encode()
    assert mode(path) == 0o600
    assert list(folder.iterdir()) == [path]


def test_nothing_is_overwritten_unless_told(folder: Path) -> None:
    path = folder / "a.b.md"
    path.write_text("mine")
    (folder / "a.b-2.md").symlink_to(folder / "nowhere")
    assert write_new(path, ["x"]) == folder / "a.b-3.md"
    assert path.read_text() == "mine"
    assert not (folder / "nowhere").exists()
    assert write_new(path, ["y"], overwrite=True) == path
    assert path.read_text() == "y"
    assert mode(path) == 0o600


def test_a_missing_folder_is_named(folder: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_new(folder / "missing" / "a.md", ["x"])
    assert caught.value.filename == str(folder / "missing")


def test_a_file_that_fails_half_way_leaves_nothing(folder: Path) -> None:
    def pieces() -> Iterator[str]:
        yield "half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_new(folder / "a.md", pieces())
    assert list(folder.iterdir()) == []


def test_many_at_once_take_a_name_each(folder: Path) -> None:
    found: list[Path] = []

    def write(number: int) -> None:
        found.append(write_new(folder / "same.txt", [str(number)] * 1000))

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 8
    assert {path.read_text() for path in found} == {str(number) * 1000 for number in range(8)}
    assert set(folder.iterdir()) == set(found)


def test_a_folder_is_refused_and_a_device_is_written_into(folder: Path) -> None:
    with pytest.raises(IsADirectoryError):
        write_new(folder, ["x"])
    assert write_new(Path(os.devnull), ["x"]) == Path(os.devnull)
