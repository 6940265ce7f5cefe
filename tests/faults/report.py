"""What a row found."""

from dataclasses import dataclass, field
from typing import Final

_SHOWN: Final = 20  # problems of a row that are printed in full


@dataclass(slots=True)
class Report:
    """The figures of a row. `lost` counts promises that were not kept; there may be problems of other kinds too."""

    runs: int = 0
    acknowledged: int = 0
    lost: int = 0
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    skipped: str = ""

    def expect(self, holds: object, problem: str) -> None:
        """Add `problem` unless it `holds`."""
        if not holds:
            self.problems.append(problem)

    def lose(self, count: int, what: str) -> None:
        """So many promises were broken."""
        self.lost += count
        self.problems.append(f"lost: {what}")

    @property
    def verdict(self) -> str:
        """What the table says of it: passed, FAILED, or why it was left out."""
        if self.skipped:
            return f"left out: {self.skipped}"
        return "FAILED" if self.lost or self.problems or not self.runs else "passed"

    def explain(self) -> str:
        """The problems, one a line."""
        more = len(self.problems) - _SHOWN
        return "\n".join([*self.problems[:_SHOWN], *([f"and {more} more"] if more > 0 else [])])
