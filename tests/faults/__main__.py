"""`python -m tests.faults [--all | --tenth] [ROW ...]`: the table of faults, the figures of each row, and why one failed.

The exit code is 1 if any row failed. `--all` (the default) takes some minutes.
"""

import argparse
import sys

from tests.faults import table
from tests.faults.report import Report

LINE = "{:<36}{:>6}{:>15}{:>7}{:>8}  {}"


def main() -> int:
    """Run the rows and print the table as it grows."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    share = parser.add_mutually_exclusive_group()
    share.add_argument("--all", action="store_true", help="every run (the default)")
    share.add_argument("--tenth", action="store_true", help="what a plain test run takes")
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(table.ROWS)}; default: all of them")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - table.ROWS.keys():
        parser.error(f"no such row: {', '.join(sorted(unknown))}")
    print(LINE.format("fault", "runs", "acknowledged", "lost", "s", "verdict"))
    reports: dict[str, Report] = {}
    for name, report, seconds in table.run(arguments.rows or table.ROWS, everything=not arguments.tenth):
        reports[name] = report
        figures = report.runs, report.acknowledged, report.lost, f"{seconds:.0f}"
        print(LINE.format(table.ROWS[name].title, *figures, report.verdict), flush=True)
    print()
    for name, report in reports.items():
        for note in report.notes:
            print(f"{name}: {note}")
        if report.problems:
            print(f"{name}:\n{report.explain()}")
    return int(any(report.verdict == "FAILED" for report in reports.values()))


if __name__ == "__main__":
    sys.exit(main())
