"""Versions in a real terminal: what is painted past the compositor when the end of the log gives way to another."""

from pathlib import Path

import pytest

from tests.e2e.test_painting import assert_painted, program, settle
from tui_chat.demo import DemoServer


@pytest.mark.timeout(90)
@pytest.mark.parametrize(("columns", "rows"), [(100, 30), (41, 16)])
def test_after_a_switch_the_screen_is_that_of_a_full_repaint(
    server: DemoServer, tmp_path: Path, columns: int, rows: int
) -> None:
    with program(server, tmp_path, columns=columns, rows=rows) as terminal:
        terminal.wait_for("ready")
        for prompt in ("hello", "table", "list"):
            terminal.send(f"{prompt}\r")
            terminal.wait_for("end_turn", 20)
            terminal.wait_for(" ready ")
            settle(terminal)
        terminal.send("\t")
        terminal.send("kkr")  # the second reply again; what follows it goes away
        terminal.wait_for("2/2", 20)
        assert_painted(terminal, columns, rows, "again")
        terminal.send("\tr")
        terminal.wait_for("3/3", 20)
        settle(terminal)
        terminal.send("\tk")  # from the prompt
        for keys in (",", ",", ".", "\x1b[5~,", ".", "\x1b[1;5H", "d", "u"):
            terminal.send(keys)
            assert_painted(terminal, columns, rows, keys)
        terminal.press("ctrl+q")
        assert terminal.wait_until_exit() == 0
