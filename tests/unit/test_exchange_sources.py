"""Files are recognised by what is in them, and what is wrong with one record costs no other."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.unit.exchange_values import small_tree
from tui_chat.exchange.document import document
from tui_chat.exchange.items import Item
from tui_chat.exchange.sources import CHATGPT, CLAUDE, OURS, conversations

FIXTURES = Path(__file__).parents[1] / "fixtures" / "exchange"


def read(path: Path) -> list[Item]:
    return list(conversations(path))


def titles(path: Path) -> list[str]:
    return [item.tree.conversation.title for item in read(path) if item.tree is not None]


def problems(path: Path) -> list[tuple[str, str]]:
    return [(item.where, item.problem) for item in read(path) if item.problem]


def ours(path: Path) -> Path:
    path.write_text("".join(document(small_tree())))
    return path


ALL_CHATGPT = ["Brewing tea", "Write a line about rain,", "News of the harbour"]
ALL_CLAUDE = ["An apple tree", "Name a river", "Nothing"]


@pytest.mark.parametrize("name", ["conversations.json", "no-idea", "x.zip"])
def test_the_content_says_whose_export_it_is(tmp_path: Path, name: str) -> None:
    for source, kind, found in (("chatgpt.json", CHATGPT, ALL_CHATGPT), ("claude.json", CLAUDE, ALL_CLAUDE)):
        path = tmp_path / name
        path.write_bytes((FIXTURES / source).read_bytes())
        assert titles(path) == found
        assert {item.kind for item in read(path)} == {kind}
        assert [item.where for item in read(path)] == ["record 1", "record 2", "record 3"]
    assert [item.kind for item in read(ours(tmp_path / name))] == [OURS]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_encodings(tmp_path: Path, encoding: str) -> None:
    mark = "\ufeff" if encoding in ("utf-16-le", "utf-16-be") else ""
    path = tmp_path / "a.json"
    path.write_bytes((mark + (FIXTURES / "claude.json").read_text()).encode(encoding))
    assert titles(path) == ALL_CLAUDE


def test_lists_of_several_kinds_and_lines(tmp_path: Path) -> None:
    chatgpt, claude = (json.loads((FIXTURES / name).read_text()) for name in ("chatgpt.json", "claude.json"))
    path = tmp_path / "mixed"
    path.write_text(json.dumps([*chatgpt, *claude]))
    assert titles(path) == [*ALL_CHATGPT, *ALL_CLAUDE]
    path.write_text("\n".join(json.dumps(each) for each in chatgpt))
    assert titles(path) == ALL_CHATGPT
    path.write_text(json.dumps({"exported": "today", "conversations": claude}))
    assert titles(path) == ALL_CLAUDE


def zipped(path: Path, **members: str) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return path


def test_a_zip_as_it_was_downloaded(tmp_path: Path) -> None:
    text = (FIXTURES / "chatgpt.json").read_text()
    members = {"user.json": '{"email": "a@b.example"}', "chat.html": "<html>", "export/conversations.json": text}
    path = zipped(tmp_path / "export.zip", **members, **{"message_feedback.json": "[{}]"})
    assert titles(path) == ALL_CHATGPT
    assert problems(path) == []


def test_a_split_export_in_its_order(tmp_path: Path) -> None:
    records = json.loads((FIXTURES / "chatgpt.json").read_text())
    members = {f"conversations-{number:03}.json": json.dumps([record]) for number, record in enumerate(records)}
    path = zipped(tmp_path / "export.zip", **dict(reversed(members.items())), **{"user.json": "{}"})
    assert titles(path) == ALL_CHATGPT
    shares = [item.share for item in read(path)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_zip_or_folder_of_our_own_files(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    (folder / "deeper").mkdir(parents=True)
    one, two = ours(folder / "one.json"), ours(folder / "deeper" / "two.json")
    (folder / "picture.png").write_bytes(b"\x89PNG")
    assert [item.where for item in read(folder)] == ["deeper/two.json record 1", "one.json record 1"]
    path = zipped(tmp_path / "a.zip", **{"one.json": one.read_text(), "two.json": two.read_text()})
    assert len(titles(path)) == 2
    assert problems(tmp_path / "home") == [("", "there is no .json file in it")]


def test_any_file_name_will_do(tmp_path: Path) -> None:
    found = [ours(tmp_path / name) for name in ("1²2.json", "½.json", "٣.json", "10.json", "9.json")]
    assert len(titles(tmp_path)) == len(found)


def test_bad_records_are_named_by_their_numbers(tmp_path: Path) -> None:
    records = json.loads((FIXTURES / "chatgpt.json").read_text())
    path = tmp_path / "a.json"
    broken = [
        records[0],
        {"id": "a", "mapping": 5},
        None,
        {"hello": 1},
        {"format": "tui-chat conversation", "version": 99},
    ]
    path.write_text(json.dumps([*broken, records[1]]))
    assert titles(path) == ALL_CHATGPT[:2]
    found = problems(path)
    assert [where for where, _ in found] == ["record 2", "record 3", "record 4", "record 5"]
    assert "newer tui-chat" in found[-1][1]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    for content in (b"", b"\x00\x01\x02", b"hello", b"PK\x03\x04 no zip", b"SQLite format 3\x00 no database"):
        path = tmp_path / "a"
        path.write_bytes(content)
        (item,) = read(path)
        assert item.tree is None
        assert item.problem
    (item,) = read(tmp_path / "missing")
    assert "No such file" in item.problem


def test_a_damaged_zip_gives_what_comes_before(tmp_path: Path) -> None:
    text = json.dumps(json.loads((FIXTURES / "chatgpt.json").read_text()) * 200)
    path = zipped(tmp_path / "a.zip", **{"conversations.json": text})
    data = bytearray(path.read_bytes())
    data[len(data) // 2 : len(data) // 2 + 8] = b"\xff" * 8
    path.write_bytes(data)
    found = read(path)
    assert found[-1].problem
    path.write_bytes(data[: len(data) // 2])
    (item,) = read(path)
    assert "zip file is damaged" in item.problem


def test_an_encrypted_zip_is_said(tmp_path: Path) -> None:
    path = zipped(tmp_path / "a.zip", **{"conversations.json": "[]"})
    data = bytearray(path.read_bytes())
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1  # the flag of encryption
    path.write_bytes(data)
    assert [problem for _, problem in problems(path)] == ["it is encrypted"]
