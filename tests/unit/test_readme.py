"""What the README lists is what there is."""

import re
from pathlib import Path
from typing import Final

from tui_chat.config import _KEYS
from tui_chat.ui.app import _binding_ids
from tui_chat.ui.commands import SLASH

README: Final = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")


def test_every_binding_has_its_id_there() -> None:
    block = re.search(r"^Binding ids.*?```text\n(.*?)```", README, re.DOTALL | re.MULTILINE)
    assert block is not None
    owner, listed = "", set()
    for word in block[1].split():
        if word.endswith("."):
            owner = word
        else:
            listed.add(owner + word)
    assert listed == {id_ for id_ in _binding_ids() if id_ is not None}


def test_every_command_is_there() -> None:
    listed = set(re.findall(r"/([a-z]+)", README))
    assert set(SLASH) <= listed


def test_every_key_of_the_config_file_is_there() -> None:
    block = re.search(r"```toml\n(.*?)```", README, re.DOTALL)
    assert block is not None
    assert set(re.findall(r"^\[?(\w+)", block[1], re.MULTILINE)) == _KEYS
