"""Records of a large JSON file, one by one: the same however it is read, and what is broken costs no other."""

import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.store_values import json_values
from tui_chat.exchange.records import NotJsonError, Record, Records


def read(data: bytes | str, **options: int) -> list[Record]:
    return list(Records(io.BytesIO(data.encode() if isinstance(data, str) else data), **options))


def values(data: bytes | str, **options: int) -> list[Any]:
    """The values, and None for each record that is broken."""
    return [record.value for record in read(data, **options)]


def conversations(count: int = 5) -> list[dict[str, Any]]:
    return [
        {
            "uuid": str(number),
            "name": 'a "quoted" {[ ' * number,
            "chat_messages": [{"uuid": "m", "text": "]}" * number}],
        }
        for number in range(count)
    ]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.dictionaries(st.text(max_size=3), json_values, max_size=3), max_size=4), st.integers(1, 9), st.data()
)
def test_the_same_values_in_whatever_pieces(found: list[dict[str, Any]], chunk: int, data: st.DataObject) -> None:
    expected = json.loads(json.dumps(found), parse_constant=lambda _name: None)
    text = json.dumps(found, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.none() | st.integers(0, 2)))
    assert values(text, chunk=chunk) == expected
    assert [record.number for record in read(text)] == list(range(1, len(found) + 1))
    assert values(json.dumps({"a": 1, "conversations": found, "b": {"x": 1}}), chunk=chunk * 30) == expected
    assert values("\n".join(json.dumps(each) for each in found) or "{}", chunk=chunk) == (expected or [{}])


@pytest.mark.parametrize("data", [b"", b"  \n", b"<html>", b"\x00\xff", b"hello", b'"text"'])
def test_what_is_no_json_is_said(data: bytes) -> None:
    with pytest.raises(NotJsonError):
        read(data)


def test_a_byte_order_mark_and_wrong_bytes_are_no_reason_to_lose_anything() -> None:
    assert values(b'\xef\xbb\xbf[{"a": "\xff\x80"}, {"b": "raw \x01 control"}]') == [
        {"a": "��"},
        {"b": "raw \x01 control"},
    ]


def test_bare_values_have_a_number_too() -> None:
    found = read('[null, {"a": 1}, 5, "x" , [1], {"a": 2}]')
    assert [(each.number, each.value) for each in found if each.value] == [(2, {"a": 1}), (6, {"a": 2})]
    assert {each.problem for each in found if not each.value} == {"it is no object"}


@pytest.mark.parametrize("chunk", [5, 1 << 20])
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"uuid": "2", "name": ', b'"uuid": "2", "name: '),  # a quote is lost: inside and outside change places
        (b'"uuid": "2", "name": ', b'"uuid": "2" "name": '),
        (b'"uuid": "2", "name": ', b'"uuid": "2", "name"]]: '),
        (b'"uuid": "2", "name": ', b'"uuid": "2", "name": [[[{{'),
        (b'{"uuid": "2", "name": ', b'{"uuid": 00, "name": '),
    ],
)
def test_a_broken_record_costs_no_other(old: bytes, new: bytes, chunk: int) -> None:
    data = json.dumps(conversations()).encode()
    assert old in data
    found = read(data.replace(old, new), chunk=chunk)
    assert [each.value for each in found if not each.problem] == [
        each for each in conversations() if each["uuid"] != "2"
    ]
    assert [each.number for each in found if each.problem] == [3]


def test_garbage_between_records_costs_what_it_covers() -> None:
    data = json.dumps(conversations()).encode().replace(b'}, {"uuid": "3"', b"garbage \x00\xff ", 1)
    assert [value["uuid"] for value in values(data) if value] == ["0", "1", "4"]


def test_a_cut_file_gives_all_that_is_whole() -> None:
    data = json.dumps(conversations())
    for cut in range(1, len(data)):
        found = read(data[:cut], chunk=16)
        whole = [each.value for each in found if not each.problem]
        assert whole == conversations()[: len(whole)]
        assert found[-1].problem
    last = read(data[:-1])[-1]
    assert (last.number, last.problem) == (6, "the file ends here, before its list does")


def test_a_record_that_is_too_large_is_passed_over() -> None:
    found = conversations()
    found[2]["name"] = "x" * 5_000
    data = json.dumps(found)
    records = read(data, largest=2_000, chunk=100)
    assert [each.number for each in records if each.problem] == [3]
    assert [each.value["uuid"] for each in records if each.value] == ["0", "1", "3", "4"]


def test_nesting_without_end_is_a_problem_of_one_record() -> None:
    data = b'[{"a": 1}, {"a": ' + b"[" * 100_000 + b"]" * 100_000 + b'}, {"a": 2}]'
    assert values(data) == [{"a": 1}, None, {"a": 2}]


def test_reading_says_how_far_it_is() -> None:
    data = json.dumps(conversations(50)).encode()
    records = Records(io.BytesIO(data), chunk=64)
    shares = [records.read / len(data) for _ in records]
    assert shares == sorted(shares)
    assert shares[0] < 0.1
    assert shares[-1] == 1.0


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_any_damage_ends_and_loses_no_more_than_its_neighbours(data: st.DataObject) -> None:
    """A few bytes anywhere replaced by any others: reading ends, and records far from there are the same."""
    whole = json.dumps(conversations(8)).encode()
    at = data.draw(st.integers(len(whole) // 2, len(whole) - 1))
    damage = data.draw(st.binary(max_size=3) | st.sampled_from([b'"', b"\\", b"{", b"}", b"[", b"]"]))
    records = read(whole[:at] + damage + whole[at + len(damage) :], chunk=data.draw(st.sampled_from([7, 64, 4096])))
    assert [each.value for each in records][:3] == conversations(3)
    assert len(records) <= 12
