"""The tools a model may call: what a tool is (`tool.py`) and the three that are shipped, all harmless and read-only.

Why it exists: the loop in `engine/turn.py` knows tools by the `Tool` protocol alone, and gets its set from here.
What it must not know: turns, approvals, requests, the screen. Whether a call may run is decided before `run`.
"""

from pathlib import Path

from tui_chat.engine.tools.tool import RESULT_LIMIT, Tool, ToolError, cut_result, definitions, input_hash

__all__ = ["RESULT_LIMIT", "Tool", "ToolError", "cut_result", "definitions", "input_hash", "standard_tools"]


def standard_tools(root: Path) -> tuple[Tool, ...]:
    """`current_time`, `calculator` and `read_file`, which reads under `root` only.

    `root` is resolved now: a later change of the working directory, or of a link that leads to it, changes nothing. It
    need not exist yet.
    """
    # Late: zone data, fractions and decimals are of no use before the first call, and this waits for no paint.
    from tui_chat.engine.tools.calculator import Calculator
    from tui_chat.engine.tools.current_time import CurrentTime
    from tui_chat.engine.tools.read_file import ReadFile

    return CurrentTime(), Calculator(), ReadFile(root)
