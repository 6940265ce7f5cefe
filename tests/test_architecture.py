"""The layers and the house rules, checked: imports point downwards, the first paint waits for no SDK, files stay small."""

import ast
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[1]
MODULES: Final = sorted((ROOT / "tui_chat").rglob("*.py"))
SOURCES: Final = [*MODULES, *sorted((ROOT / "tests").rglob("*.py"))]
LONGEST: Final = 400  # lines; a longer file is to be split
HEAVY: Final = ("anthropic", "httpx", "httpx2", "pydantic", "pydantic_core")  # about a second together


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_import_contracts_hold() -> None:
    program = "import sys; from importlinter.cli import lint_imports_command; sys.exit(lint_imports_command())"
    arguments = ["--config", str(ROOT / "pyproject.toml"), "--no-cache", "--no-logo"]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "0 broken" in result.stdout


@pytest.mark.parametrize("module", ["tui_chat.ui.app", "tui_chat.ui.screens.chat", "tui_chat.__main__", "tui_chat.cli"])
def test_nothing_heavy_is_imported_before_the_first_paint(module: str) -> None:
    program = f"import sys, {module}; print(*sorted(set(sys.modules) & set({HEAVY!r})))"
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_module_says_why_it_exists(path: Path) -> None:
    assert ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_no_file_is_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LONGEST


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_every_file_can_be_read_on_its_own(path: Path) -> None:
    """Only `__init__` gathers names; nobody imports everything from anywhere."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not (isinstance(node, ast.ImportFrom) and (node.level or node.names[0].name == "*")), ast.unparse(node)


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_every_exception_to_a_rule_has_its_reason_on_its_line(path: Path) -> None:
    excuse = re.compile(r"# (noqa|type: ignore)(?!(: [A-Z0-9, ]+|\[[a-z, -]+\])( -|  #) \S)")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert not [line for line in lines if excuse.search(line) and "re.compile" not in line]


def test_the_top_level_is_the_architecture() -> None:
    listing = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listing.returncode != 0:
        pytest.skip("not a git checkout")
    top = {line.partition("/")[0] for line in listing.stdout.splitlines() if not line.startswith((".", '".'))}
    assert top <= {"LICENSE", "README.md", "pyproject.toml", "screenshots", "tests", "tui_chat"}
