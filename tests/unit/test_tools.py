"""The tools' common ground, the clock and the calculator: any input ends in a text or a ToolError, and soon."""

import asyncio
import hashlib
import json
import math
import operator
import os
import re
import subprocess
import sys
import threading
import time
import zoneinfo
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tui_chat.engine.tools import (
    RESULT_LIMIT,
    Tool,
    ToolError,
    cut_result,
    definitions,
    input_hash,
    standard_tools,
)
from tui_chat.engine.tools.calculator import DEEPEST, LONGEST, calculate
from tui_chat.engine.tools.current_time import CurrentTime
from tui_chat.engine.tools.threads import off_the_loop

MOMENT = datetime(2026, 3, 5, 23, 30, 15, 999_999, tzinfo=UTC)
TOOLS = standard_tools(Path("no such folder"))
any_text = st.text(st.characters(categories=None), max_size=20)
any_json = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.just(10**4_000) | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)
any_input = st.dictionaries(
    st.sampled_from(["expression", "timezone", "path", "first_line", "line_count"]) | any_text, any_json, max_size=3
)
needs_zones = pytest.mark.skipif(not zoneinfo.available_timezones(), reason="this system has no time zone data")


def result_of(tool: Tool, input: Mapping[str, Any]) -> str:
    return asyncio.run(asyncio.wait_for(tool.run(input), 5))


def refusal_of(tool: Tool, input: Mapping[str, Any]) -> str:
    with pytest.raises(ToolError) as caught:
        result_of(tool, input)
    return str(caught.value)


# What all tools share


def test_the_standard_tools() -> None:
    assert [(tool.name, tool.timeout) for tool in TOOLS] == [("current_time", 5), ("calculator", 5), ("read_file", 20)]


def test_definitions_are_what_a_request_takes() -> None:
    made = definitions(TOOLS)
    assert json.loads(json.dumps(made)) == made
    for definition in made:
        assert set(definition) == {"name", "description", "input_schema"}
        schema = definition["input_schema"]
        assert schema["type"] == "object"
        assert set(schema.get("required", ())) <= set(schema["properties"])


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: str(tool.name))
@settings(deadline=None)
@given(input=any_input)
def test_any_input_gives_a_text_or_a_tool_error(tool: Tool, input: dict[str, Any]) -> None:
    try:
        text = result_of(tool, input)
    except ToolError as error:
        text = str(error)
    assert text
    assert len(text) <= RESULT_LIMIT
    text.encode()


@pytest.mark.parametrize(
    ("input", "message"),
    [
        ({}, '"expression" is missing'),
        ({"expression": None}, '"expression" is missing'),
        ({"expression": 3}, '"expression" must be a string'),
        ({"expression": ["1"]}, '"expression" must be a string'),
        ({"expression": "1", "extra": 1}, 'Unknown input "extra"'),
        ({"expression": "1", "\ud800": 1}, "Unknown input"),
    ],
)
def test_a_wrong_input_is_told_what_is_wanted(input: dict[str, Any], message: str) -> None:
    refusal = refusal_of(TOOLS[1], input)
    assert message in refusal
    assert '"expression" (string, required)' in refusal


@pytest.mark.parametrize("input", [None, [], "1+1", 3])
def test_an_input_that_is_no_object(input: Any) -> None:
    assert "must be an object" in refusal_of(TOOLS[1], input)


@pytest.mark.parametrize("value", ["1", True, 1.5, math.nan, math.inf, [1]])
def test_what_is_no_integer(value: Any) -> None:
    assert '"first_line" must be an integer' in refusal_of(TOOLS[2], {"path": ".", "first_line": value})


@pytest.mark.parametrize("value", [0, -1, -(10**30), 0.0])
def test_what_is_too_small(value: Any) -> None:
    assert '"first_line" must be at least 1' in refusal_of(TOOLS[2], {"path": ".", "first_line": value})


def test_a_long_result_is_cut_with_a_note() -> None:
    assert cut_result("x" * RESULT_LIMIT) == "x" * RESULT_LIMIT
    cut = cut_result("x" * (RESULT_LIMIT + 1))
    assert len(cut) == RESULT_LIMIT
    assert cut.endswith("x\n[Cut here: the result has 100,001 characters, only the first part is shown.]")


def test_results_and_errors_can_be_encoded() -> None:
    assert cut_result("a\ud83d") == "a\ufffd"
    assert str(ToolError("a\ud83d")) == "a\ufffd"


# The hash of an input


@settings(deadline=None)
@given(any_text, st.dictionaries(any_text, any_json, max_size=4))
def test_the_hash_is_stable_and_knows_no_order(name: str, input: dict[str, Any]) -> None:
    expected = input_hash(name, input)
    assert len(expected) == 64
    assert input_hash(name, dict(reversed(input.items()))) == expected
    assert input_hash(name + "x", input) != expected
    assert input_hash(name, {**input, "one more": None}) != expected


small_json = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.integers() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None)
@given(any_text, st.dictionaries(any_text, small_json, max_size=4))
def test_the_hash_is_that_of_canonical_json(name: str, input: dict[str, Any]) -> None:
    canonical = json.dumps([name, input], sort_keys=True, separators=(",", ":"))
    assert input_hash(name, input) == hashlib.sha256(canonical.encode()).hexdigest()
    assert input_hash(name, MappingProxyType(input)) == input_hash(name, input)  # written the long way


def test_the_hash_tells_apart_what_looks_alike() -> None:
    values = [1, 1.0, True, "1", [1], {"1": 1}, None, "", [], {}, [[]], 0.0, -0.0, math.nan, "NaN", "\ud800", "\ufffd"]
    values += [10**5_000, 10**5_000 + 1, hex(10**5_000), [1, [2]], [[1], 2], ["1,2"], [1, 2]]
    assert len({input_hash("tool", {"value": value}) for value in values}) == len(values)


def test_the_hash_of_a_deep_input() -> None:
    deep: dict[str, Any] = {}
    for _ in range(100_000):
        deep = {"a": [deep]}
    assert len(input_hash("tool", deep)) == 64
    while deep:  # taken apart, since freeing it as a whole is deep as well
        deep = deep["a"].pop()


def test_the_hash_of_a_large_input_knows_no_order_either() -> None:
    numbers = {str(number): 10**5_000 + number for number in range(3)}  # more digits than Python writes
    assert input_hash("tool", {"a": 1, **numbers}) == input_hash("tool", {**numbers, "a": 1})


# Threads


async def test_cancelling_does_not_wait_for_the_work() -> None:
    begun, release, ended = threading.Event(), threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    complaints: list[Any] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    def work() -> None:
        begun.set()
        release.wait()

    task = asyncio.create_task(off_the_loop(work))
    assert await asyncio.to_thread(begun.wait, 5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 5)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "tool":
            thread.join(5)
    loop.call_soon(ended.set)  # behind what the thread has left there
    await ended.wait()
    assert not complaints


async def test_what_the_work_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        await off_the_loop(lambda: 1 // 0)


def test_the_program_can_end_while_work_hangs() -> None:
    program = """
import asyncio, threading
from tui_chat.engine.tools.threads import off_the_loop
async def main():
    begun = threading.Event()
    asyncio.get_running_loop().create_task(off_the_loop(lambda: (begun.set(), threading.Event().wait())))
    while not begun.is_set():
        await asyncio.sleep(0)
asyncio.run(main())
"""
    subprocess.run([sys.executable, "-W", "error", "-c", program], check=True, timeout=8)


# The clock


def clock_result(timezone: str | None = None) -> dict[str, str]:
    text = result_of(CurrentTime(now=lambda: MOMENT), {} if timezone is None else {"timezone": timezone})
    return dict(line.split(": ", 1) for line in text.splitlines())


@needs_zones
def test_the_time_in_a_zone_far_ahead() -> None:
    assert clock_result("Asia/Kathmandu") == {
        "time": "2026-03-06T05:15:15+05:45",
        "weekday": "Friday",
        "zone": "Asia/Kathmandu (+0545)",
        "utc": "2026-03-05T23:30:15Z",
    }


@needs_zones
def test_summer_and_winter() -> None:
    summer = result_of(CurrentTime(now=lambda: MOMENT.replace(month=7)), {"timezone": "Europe/Berlin"})
    assert "time: 2026-07-06T01:30:15+02:00\nweekday: Monday\nzone: Europe/Berlin (CEST)\n" in summer
    assert clock_result("Europe/Berlin")["time"] == "2026-03-06T00:30:15+01:00"


@pytest.mark.parametrize("name", ["UTC", "Z"])
def test_utc_needs_no_zone_data(name: str) -> None:
    zoneinfo.reset_tzpath([])
    try:
        assert clock_result(name) == {
            "time": "2026-03-05T23:30:15+00:00",
            "weekday": "Thursday",
            "zone": "UTC",
            "utc": "2026-03-05T23:30:15Z",
        }
    finally:
        zoneinfo.reset_tzpath()


@needs_zones
@pytest.mark.skipif(not hasattr(time, "tzset"), reason="the zone of a running program is fixed on this system")
@pytest.mark.parametrize(
    ("setting", "zone", "now"),
    [
        ("America/New_York", "America/New_York (EST)", "2026-03-05T18:30:15-05:00"),
        (":Asia/Tokyo", "Asia/Tokyo (JST)", "2026-03-06T08:30:15+09:00"),
        ("XYZ-3", "XYZ", "2026-03-06T02:30:15+03:00"),
    ],
)
def test_the_machines_own_zone(setting: str, zone: str, now: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", setting)
    time.tzset()
    try:
        assert (clock_result()["zone"], clock_result()["time"]) == (zone, now)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_the_time_is_now() -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    lines = result_of(CurrentTime(), {}).splitlines()
    assert before <= datetime.fromisoformat(lines[0].removeprefix("time: ")) <= datetime.now(UTC)


@needs_zones
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("berlin", "did you mean Europe/Berlin?"),
        ("New York", "did you mean America/New_York?"),
        ("Europe/Atlantis", "give an IANA name"),
        ("UTC+2", "give an IANA name"),
        ("", "give an IANA name"),
        ("\ud800", "give an IANA name"),
        ("x" * 100_000, "give an IANA name"),
    ],
)
def test_a_wrong_zone_is_answered_with_a_hint(name: str, hint: str) -> None:
    refusal = refusal_of(CurrentTime(), {"timezone": name})
    assert hint in refusal
    assert len(refusal) < 500


@pytest.mark.parametrize(
    "name",
    ["../../etc/passwd", "/etc/localtime", "Europe/../UTC", "Europe", "Europe/", "zone.tab", "UTC\0", ".", "C:UTC"],
)
def test_a_zone_is_no_path(name: str) -> None:
    assert "There is no time zone" in refusal_of(CurrentTime(), {"timezone": name})


# The calculator


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("0.1 + 0.2", "0.3"),
        ("1/3*3", "1"),
        ("1/3", "≈ 0.33333333333333333333"),
        ("-2**2", "-4"),
        ("2**3**2", "512"),
        ("2**-1", "0.5"),
        ("- - +1", "1"),
        ("-7//2", "-4"),
        ("-7 % 3", "2"),
        ("7.5 % 2", "1.5"),
        ("2 + 3 * 4 - 10 / 4", "11.5"),
        ("(1 + 2) * (3 + 4)", "21"),
        ("1_000.5e3", "1000500"),
        (".5 + 5.", "5.5"),
        ("3 × 4 ÷ 2 − 1", "5"),
        ("2**100", str(2**100)),
        ("factorial(1000)", str(math.factorial(1000))),
        ("123456789.123456789 * 987654321.987654321", "121932631356500531.347203169112635269"),
        ("0.12345678901234567890123456789 + 0", "0.12345678901234567890123456789"),
        ("1e-25 * 1", "1E-25"),
        ("1/2**400", "≈ 3.8725919148493182728E-121"),
        ("sqrt(16)", "4"),
        ("sqrt(9/4)", "1.5"),
        ("4**0.5", "2"),
        ("sqrt(10**3000)", str(10**1500)),
        ("sqrt(2)", "≈ 1.4142135623731"),
        ("2**0.5 * 2**0.5", "≈ 2"),
        ("abs(-3/2)", "1.5"),
        ("round(2.675, 2)", "2.68"),
        ("round(2.5)", "2"),
        ("round(1234.5, -2)", "1200"),
        ("round(pi, 3)", "≈ 3.142"),
        ("min(3, 1/2, pi)", "0.5"),
        ("max(3, 1/2, pi)", "≈ 3.14159265358979"),
        ("floor(-2.5) + ceil(2.1)", "0"),
        ("log(e)", "≈ 1"),
        ("log(8, 2)", "≈ 3"),
        ("log10(10**3000)", "≈ 3000"),
        ("exp(1) - e", "≈ 0"),
        ("sin(0) + cos(0) + tan(0)", "≈ 1"),
        ("-sin(0)", "≈ 0"),
        ("1**10**100", "1"),
        ("1" + "+1" * 400, "401"),
        ("0**0", "1"),
    ],
)
def test_results(expression: str, result: str) -> None:
    assert calculate(expression) == result


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("", "ends where a number"),
        ("(", "ends where a number"),
        ("(1", 'ends where ")"'),
        ("1 +", "ends where a number"),
        ("2 3", 'Found "3" where an operator'),
        ("2pi", 'Found "pi" where an operator'),
        ("1)", 'Found ")" where an operator'),
        ("10^3", "use **"),
        ("5!", "use factorial"),
        ("x = 3", 'Unknown name "x"'),
        ("3 = 3", "without ="),
        ("1,000", "no thousands separators"),
        ("½", 'Found "½"'),
        ("1\0", "Found"),
        ("sqrt", "needs its argument"),
        ("pi(3)", 'Unknown function "pi"'),
        ("sqrt(1, 2)", "sqrt takes 1 number"),
        ("round(1, 2, 3)", "round takes 1 to 2 numbers"),
        ("min()", 'Found ")"'),
        ("__import__('os')", 'Unknown function "__import__"'),
        ("().__class__", 'Found ")"'),
        ("1 .real", 'Found "."'),
        ("1/0", "Division by zero"),
        ("1 % 0.0", "Division by zero"),
        ("0**-1", "Division by zero"),
        ("sqrt(-1)", "no value in the real numbers"),
        ("log(0)", "no value in the real numbers"),
        ("(-8)**(1/3)", "no real power"),
        ("factorial(-1)", "no negative"),
        ("factorial(2.5)", "must be an integer"),
        ("round(1, 0.5)", "must be an integer"),
        ("9**9**9", "too large"),
        ("9**-(9**9)", "too large"),
        ("(1/3)**99999999", "too large"),
        ("factorial(10**9)", "too large"),
        ("factorial(factorial(9))", "too large"),
        ("1e999999999", "too large"),
        ("1e-999999999", "too large"),
        ("1e" + "9" * 900, "too large"),
        ("exp(1000)", "too large"),
        ("1.5**0.1 * 10**400", "too large"),
        ("round(1, 10**9)", "too large"),
        ("round(pi, 10**9)", "too large"),
        ("1" + "0" * LONGEST, "at most 1,000"),
        ("(" * 400 + "1" + ")" * 400, f"more than {DEEPEST} deep"),
        ("-" * 999 + "1", f"more than {DEEPEST} deep"),
        ("2" + "**1" * 300, f"more than {DEEPEST} deep"),
        ("abs(" * 240 + "1", f"more than {DEEPEST} deep"),
    ],
)
def test_what_has_no_result(expression: str, message: str) -> None:
    with pytest.raises(ToolError) as caught:
        calculate(expression)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "step",
    ["**9", "*factorial(1400)", "+1/9**4000", "%factorial(1300)", "//3**8000", "/1e4000", "*sqrt(10**3000)", "+e"],
)
@pytest.mark.parametrize("start", ["9", "factorial(1400)", "1/9**4100", "pi"])
def test_long_work_is_bounded(start: str, step: str) -> None:
    for length in range(1, (LONGEST - len(start)) // len(step), 7):
        try:
            outcome = calculate(start + step * length)
        except ToolError as error:
            outcome = str(error)
        assert re.search(r"^[-≈\d]|too large|more than .* deep", outcome)


pieces = st.sampled_from(
    [*"0123456789.+-*/%()eE,^!_ ", "**", "//", "9" * 50, "1e300", "factorial(", "sqrt(", "log(", "round(", "min(", "pi"]
)


@settings(max_examples=500, deadline=None)
@given(st.lists(pieces, max_size=40).map("".join) | any_text)
def test_any_expression_has_a_result_or_an_error(expression: str) -> None:
    try:
        outcome = calculate(expression)
    except ToolError as error:
        outcome = str(error)
    assert outcome


numbers = st.integers(-(10**20), 10**20).map(str) | st.decimals(-1000, 1000, places=3).map(
    lambda value: format(value, "f")
)
OPERATORS = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "//": operator.floordiv,
    "%": operator.mod,
}


@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("+-*"), numbers, st.booleans()), min_size=1, max_size=8), numbers)
def test_sums_and_products_are_exact(terms: list[tuple[str, str, bool]], first: str) -> None:
    expression, value = f"({first})", Fraction(first)
    for sign, number, swap in terms:
        left, right = (Fraction(number), value) if swap else (value, Fraction(number))
        value = OPERATORS[sign](left, right)
        expression = f"(({number}) {sign} {expression})" if swap else f"({expression} {sign} ({number}))"
    assert Fraction(calculate(expression)) == value


few_powers = st.lists(st.sampled_from(["+", "-", "*", "//", "%", "**"]), max_size=5).filter(
    lambda signs: signs.count("**") < 3  # Python has no bounds
)


@settings(deadline=None)
@given(few_powers, st.data())
def test_precedence_is_pythons(signs: list[str], data: st.DataObject) -> None:
    digits = [data.draw(st.sampled_from(["1", "2", "3", "-2"])) for _ in range(len(signs) + 1)]
    expression = digits[0] + "".join(f" {sign} {digit}" for sign, digit in zip(signs, digits[1:], strict=True))
    try:
        value: Any = eval(expression.replace("2", "F(2)").replace("1", "F(1)").replace("3", "F(3)"), {"F": Fraction})
    except (ZeroDivisionError, OverflowError):
        return
    assert float(calculate(expression).removeprefix("≈ ")) == pytest.approx(float(value))


@settings(deadline=None)
@given(st.floats(0.001, 1000), st.floats(0.001, 100), st.sampled_from(["/", "//", "%", "**"]))
def test_division_and_powers_are_close_to_pythons(left: float, right: float, sign: str) -> None:
    result = calculate(f"{left!r} {sign} {right!r}")
    match sign:
        case "/":
            exact = left / right
        case "**":
            exact = left**right
        case _:  # of the decimals as they are written
            exact = float(OPERATORS[sign](Fraction(repr(left)), Fraction(repr(right))))
    assert float(Fraction(result.removeprefix("≈ "))) == pytest.approx(exact, rel=1e-12)


def test_nothing_of_the_home_or_the_environment_is_in_a_definition() -> None:
    made = json.dumps(definitions(standard_tools(Path.home())))
    assert os.fspath(Path.home()) not in made
