"""What all rows stand on: a folder of their own, one demo server, one nursery."""

import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.faults.nursery import ROOT, Nursery
from tui_chat.demo import DemoServer, Pacing

FIXTURES: Final = Path(__file__).parents[1] / "fixtures" / "databases"
HOMES: Final = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
# Settings of the machine that would change what the program does.
_UNWANTED: Final = re.compile("(?i:.*_proxy$)|ANTHROPIC_|CLAUDE|TUI_CHAT|TEXTUAL|XDG_")
FAST: Final = Pacing(ttft=0, rate=1500)  # long replies last for some writes of the journal


@dataclass(frozen=True, slots=True)
class Ground:
    """A row's own `folder`, and what it shares with the others."""

    folder: Path
    server: DemoServer
    nursery: Nursery


def environment(home: Path) -> dict[str, str]:
    """What the program is started with: none of the machine's settings, and a home of its own."""
    kept = {name: value for name, value in os.environ.items() if not _UNWANTED.match(name)}
    folders = {name: str(home / name.lower()) for name in HOMES}
    return {**kept, **folders, "HOME": str(home), "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8"}


@contextmanager
def prepared() -> Iterator[tuple[DemoServer, Nursery]]:
    """A server and a nursery for all rows."""
    server = DemoServer(pacing=FAST).start_in_thread()
    try:
        with Nursery() as nursery:
            yield server, nursery
    finally:
        server.stop()


@contextmanager
def ground(server: DemoServer, nursery: Nursery) -> Iterator[Ground]:
    """A folder of its own for one row; it is gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tui-chat-faults-") as folder:
        yield Ground(Path(folder), server, nursery)
