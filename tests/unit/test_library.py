"""The public interface: what importing it costs, which names it has, and what its arguments may be."""

import ast
import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import tui_chat
from tui_chat import Conversation, StoreError, UsageError, open_runtime, open_session
from tui_chat.config import DEFAULT_MODEL, Config, Timeouts, usual_config_file
from tui_chat.engine.tools.calculator import Calculator
from tui_chat.library import Options, _settings

STUB: Final = Path(tui_chat.__file__).with_name("__init__.pyi")
HEAVY: Final = ("anthropic", "httpx2", "pydantic", "textual", "rich", "sqlite3", "plotext", "h11", "markdown_it")


def loaded_by(program: str) -> set[str]:
    """The modules that `program` loads, in a process of its own."""
    report = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*set(sys.modules) - before)"
    result = subprocess.run([sys.executable, "-W", "error", "-c", report], capture_output=True, text=True, check=True)
    return set(result.stdout.split())


# Names -----------------------------------------------------------------------------------------------------------------


def test_importing_the_package_imports_nothing_else() -> None:
    others = {name for name in loaded_by("import tui_chat") if name.partition(".")[0] not in ("tui_chat", "importlib")}
    assert others <= {"warnings"}  # which importlib loads
    assert {name for name in loaded_by("import tui_chat") if name.startswith("tui_chat.")} == set()


@pytest.mark.parametrize("name", ["open_session", "open_runtime", "ChatSession", "events", "Outcome"])
def test_no_name_loads_anything_heavy(name: str) -> None:
    assert loaded_by(f"from tui_chat import {name}") & set(HEAVY) == set()


def test_opening_a_session_loads_no_screen() -> None:
    program = (
        "import asyncio\nfrom tui_chat import open_session\n"
        "async def main():\n    async with open_session(demo=True) as session:\n        await session.ask('limit')\n"
        "asyncio.run(main())"
    )
    assert loaded_by(program) & {"textual", "rich", "plotext"} == set()


def test_every_public_name_is_there() -> None:
    for name in tui_chat.__all__:
        assert getattr(tui_chat, name) is not None
        assert name in dir(tui_chat)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        tui_chat.nothing  # type: ignore[attr-defined]  # noqa: B018 - that is the point


def test_type_checkers_see_the_same_names() -> None:
    stub = ast.parse(STUB.read_text(encoding="utf-8"))
    imported = {
        alias.name: f"{node.module}.{alias.name}"
        for node in ast.walk(stub)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    modules = {name: f"tui_chat.{module}.{name}" for name, module in tui_chat._MODULE_OF.items()}  # type: ignore[attr-defined]  # not public
    assert imported == modules | {"events": "tui_chat.events"}
    (names,) = [node.value for node in stub.body if isinstance(node, ast.Assign)]
    assert ast.literal_eval(names) == tui_chat.__all__


def test_everything_else_is_where_it_was() -> None:
    from tui_chat import turns

    assert turns.__name__ == "tui_chat.turns"


# Arguments -------------------------------------------------------------------------------------------------------------


def settings(**options: Any) -> Config:
    return _settings(**options)[0]


def test_nothing_given() -> None:
    config, stored, tools = _settings()
    assert (config.model, config.demo, config.base_url, config.tools, stored, tools) == (
        *(DEFAULT_MODEL, False, None, False),
        *(False, ()),
    )
    assert config.server == "api.anthropic.com"
    assert not config.config_file.exists()
    assert not config.data_dir.exists()


def test_every_option_is_an_argument_and_is_explained() -> None:
    arguments = _settings.__kwdefaults__
    assert arguments is not None
    assert list(Options.__annotations__) == list(arguments)
    assert re.findall(r"^    (\w+) +\S", Options.__doc__ or "", re.MULTILINE) == list(arguments)


def test_what_is_given(tmp_path: Path) -> None:
    config, stored, tools = _settings(
        model="claude-x",
        system="be short",
        max_tokens=7,
        effort="low",
        thinking=False,
        caching=False,
        tools=["read_file", Calculator()],
        ask_for=["read_file"],
        tools_root=tmp_path,
        base_url="http://localhost:1234/v1",
        store=tmp_path / "data",
        timeouts=Timeouts(idle=3),
        wire_memory_mb=2,
    )
    assert (config.model, config.system, config.max_tokens, config.effort) == ("claude-x", "be short", 7, "low")
    assert (config.thinking, config.caching, config.base_url) == (False, False, "http://localhost:1234")
    assert (config.data_dir, stored, config.wire_memory_mb, config.timeouts.idle) == (tmp_path / "data", True, 2, 3)
    assert [tool.name for tool in tools] == ["read_file", "calculator"]
    assert (config.tools, config.allow_tools, config.tools_root) == (True, frozenset(["calculator"]), tmp_path)
    assert (config.model_chosen, config.system_chosen, config.effort_chosen) == (True, True, True)


def test_the_environment_gives_what_it_gives_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://localhost:1234")
    monkeypatch.setenv("ANTHROPIC_MODEL", "claude-y")
    monkeypatch.setenv("TUI_CHAT_DATA_DIR", "/nowhere")
    config = settings()
    assert (config.base_url, config.model) == ("http://localhost:1234", DEFAULT_MODEL)
    assert settings(base_url="http://localhost:5678").base_url == "http://localhost:5678"
    demo = settings(demo=True)
    assert (demo.demo, demo.base_url, demo.server) == (True, None, "demo")


def test_a_missing_key_is_no_demo() -> None:
    assert not settings().demo
    assert not settings(config_file=os.devnull).demo


def test_the_users_config_file_is_read_only_when_asked_for(tmp_path: Path) -> None:
    usual = usual_config_file()
    usual.parent.mkdir(parents=True)
    usual.write_text('model = "claude-z"\nmax_tokens = 5\ntools = true\nallow_tools = ["calculator"]')
    assert settings().model == DEFAULT_MODEL
    config = settings(config_file=usual, max_tokens=6)
    assert (config.model, config.max_tokens, config.tools) == ("claude-z", 6, True)
    assert config.allow_tools == {"calculator"}
    assert settings(config_file=usual, tools=["current_time"]).allow_tools == {"current_time"}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"demo": True, "base_url": "http://localhost:1"}, "demo and base_url exclude each other"),
        ({"effort": "extreme"}, "there is no effort 'extreme'"),
        ({"max_tokens": 0}, "max_tokens must be 1 or more, not 0"),
        ({"wire_memory_mb": 0}, "wire_memory_mb must be 1 or more"),
        ({"timeouts": Timeouts(idle=-1)}, "the time-out idle must be 0"),
        ({"timeouts": Timeouts(content=float("inf"))}, "the time-out content must be 0"),
        ({"tools": ["hammer"]}, "there is no tool 'hammer'"),
        ({"tools": ["calculator", Calculator()]}, "two tools are called 'calculator'"),
        ({"tools": ["calculator"], "ask_for": ["calculater"]}, "ask_for names 'calculater'"),
        ({"tools_root": "/nowhere/at/all"}, "is not a folder"),
        ({"base_url": "localhost"}, "is not an http or https address"),
        ({"config_file": "/nowhere.toml"}, "there is no config file"),
        ({"resume": True}, "there is no conversation yet"),
    ],
)
async def test_what_cannot_be_used_says_so(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        async with open_session(**options):
            pass


async def test_an_unknown_argument_is_pythons_own_error() -> None:
    with pytest.raises(TypeError, match="modle"):
        async with open_session(modle="x"):  # type: ignore[call-arg]  # that is the point
            pass


async def test_a_store_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError):
        async with open_session(demo=True, store=tmp_path / "file" / "below"):
            pass


# Opening and closing ---------------------------------------------------------------------------------------------------


async def test_a_conversation_that_is_stored_goes_on(tmp_path: Path) -> None:
    async with open_session(demo=True, store=tmp_path) as session:
        first = await session.ask("limit")
    async with open_session(demo=True, store=tmp_path, resume=True, system="be brief") as session:
        assert [turn.id for turn in session.conversation.turns] == [first.id]
        assert session.system == "be brief"
        await session.ask("empty")
    async with open_session(demo=True, store=tmp_path, resume="limit") as session:
        assert len(session.conversation.turns) == 2
        assert session.system == "be brief"
    with pytest.raises(UsageError, match="fits 'something else'"):
        async with open_session(demo=True, store=tmp_path, resume="something else"):
            pass


async def test_in_memory_nothing_is_written() -> None:
    async with open_session(demo=True) as session:
        turn = await session.ask("limit")
        assert turn.text
    assert [path for path in Path.home().rglob("*") if path.is_file()] == []


async def test_without_a_key_the_turn_says_so() -> None:
    async with open_session() as session:
        turn = await session.ask("hello")
    assert turn.error is not None
    assert turn.error.type == "no_key"


async def test_sessions_of_one_runtime_share_their_connections() -> None:
    async with open_runtime(demo=True) as runtime:
        sessions = [await runtime.new_session() for _ in range(3)]
        turns = await asyncio.gather(*(session.ask("limit") for session in sessions))
        assert [turn.outcome for turn in turns] == ["completed"] * 3
        assert len({session.conversation.id for session in sessions}) == 3
        assert isinstance(sessions[0].conversation, Conversation)


async def test_leaving_stops_what_runs() -> None:
    async with open_runtime(demo=True) as runtime:
        session = await runtime.new_session()
        task = asyncio.create_task(session.ask("long"))
        begun = asyncio.Event()
        session.on_text(lambda _piece, _snapshot: begun.set())
        await begun.wait()
    turn = await task
    assert turn.outcome == "cancelled"
    assert turn.text


async def test_a_cancelled_ask_stops_the_turn() -> None:
    async with open_session(demo=True) as session:
        task = asyncio.create_task(session.ask("long"))
        begun = asyncio.Event()
        session.on_text(lambda _piece, _snapshot: begun.set())
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert session.is_idle
        assert session.conversation.turns[0].outcome == "cancelled"
