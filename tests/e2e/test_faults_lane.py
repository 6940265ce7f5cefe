"""The fault lane: nothing acknowledged may be missing after any fault. `python -m tests.faults` prints it as a table."""

from collections.abc import Iterator

import pytest

from tests.faults import table
from tests.faults.ground import prepared
from tests.faults.nursery import Nursery
from tests.lanes import EVERYTHING, lane
from tui_chat.demo import DemoServer


@pytest.fixture(scope="module")
def shared() -> Iterator[tuple[DemoServer, Nursery]]:
    with prepared() as both:
        yield both


@lane(900)
@pytest.mark.parametrize("row", list(table.ROWS))
def test_fault(row: str, shared: tuple[DemoServer, Nursery]) -> None:
    report = table.run_one(row, *shared, everything=EVERYTHING)
    if report.skipped:
        pytest.skip(report.skipped)
    print(
        f"\n{row}: {report.runs} runs, {report.acknowledged} acknowledged, {report.lost} lost", *report.notes, sep="\n"
    )
    assert report.verdict == "passed", report.explain()
