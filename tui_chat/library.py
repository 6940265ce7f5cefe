"""The engine without the screen, for programs of others: `open_session`, and `open_runtime` for several sessions at once.

Why it exists: a program that wants replies needs no command line and no files of the user's. So everything is an argument here,
conversations stay in memory, and the config file is read only when asked for. The environment gives what it gives the SDK:
credentials and `ANTHROPIC_BASE_URL`. What comes out is the screen's own `ChatSession`.

It must not know a screen, nor print anything.
"""

import contextlib
import math
import os
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final, TypedDict, Unpack

from tui_chat.config import EFFORTS, TOOL_NAMES, Config, Flags, Timeouts, checked_base_url, credentials_present, load
from tui_chat.engine.tools import Tool, standard_tools
from tui_chat.errors import StoreError, UsageError
from tui_chat.runtime import Runtime
from tui_chat.session import ChatSession
from tui_chat.text import storable

_NOWHERE: Final = Path(os.devnull) / "tui-chat"  # below a device there is no file, and none can be made


class Options(TypedDict, total=False):
    """What `open_session` and `open_runtime` take. None, or left out: the config file's value if one is read, else the default.

    model           claude-sonnet-5-5
    system          the system prompt; none
    max_tokens      the most tokens of one reply; 32,000, or 8,192 where it is not known what the model can do
    effort          low, medium, high, xhigh or max; the model's own
    thinking        whether to ask for thinking, with its summary, where the model is known to offer it; True
    caching         whether to have the conversation cached at the server; True
    tools           what the model may call: your own (see `Tool`), and the names of current_time, calculator and read_file.
                    They run in the event loop, without asking; none
    ask_for         the names of those tools whose calls wait for `session.answer`; none
    tools_root      the folder below which read_file reads; the working directory
    base_url        another server that speaks the Messages API; ANTHROPIC_BASE_URL, else Anthropic's own
    demo            whether to talk to the built-in demo, a real Messages API on 127.0.0.1, without a key; False
    store           the folder in which conversations are kept, as --data-dir names it; in memory, until all is closed
    config_file     a config file to read (`tui_chat.config.usual_config_file()` is the user's), and with it the variables of
                    the environment that the program reads; neither
    timeouts        seconds, where 0 is never; Timeouts(connect=10, first_byte=600, idle=120, content=0, approval=600)
    wire_memory_mb  megabytes that `session.wire` may hold of what went over the wire; 32
    """

    model: str | None
    system: str | None
    max_tokens: int | None
    effort: str | None
    thinking: bool | None
    caching: bool | None
    tools: Sequence[Tool | str]
    ask_for: Collection[str]
    tools_root: Path | str | None
    base_url: str | None
    demo: bool
    store: Path | str | None
    config_file: Path | str | None
    timeouts: Timeouts | None
    wire_memory_mb: int | None


@contextlib.asynccontextmanager
async def open_session(*, resume: bool | str = False, **options: Unpack[Options]) -> AsyncIterator[ChatSession]:
    """A session with an empty conversation; leaving the block stops and saves what runs and closes everything.

    The `options` are those of `Options`. `resume` goes on with the last conversation in the `store` (True), or with the one that it names by its id, the beginning
    of that, or words of its title.

    A key that is missing or wrong is no error here: the turn fails, and says so.

    Raises:
        UsageError: an argument cannot be used, the config file cannot be read, or there is no such conversation.
        StoreError: the `store` cannot be opened, or belongs to a newer version.

    """
    async with open_runtime(**options) as runtime:
        if resume:
            yield await runtime.resume(resume if isinstance(resume, str) else None, with_flags=True)
        else:
            yield await runtime.new_session()


@contextlib.asynccontextmanager
async def open_runtime(**options: Unpack[Options]) -> AsyncIterator[Runtime]:
    """What several sessions share: one connection pool, one store. `await runtime.new_session()` gives one, as often as wanted.

    Leaving the block closes all of them. A session that is no longer needed before may be closed (`await session.close()`) and
    dropped. Raises as `open_session`.
    """
    config, stored, tools = _settings(**options)
    runtime = Runtime(config, store_conversations=stored)
    try:
        await runtime.open()
        if runtime.store_failed:
            raise StoreError(runtime.store_failed)
        if tools:
            runtime.requests.tools = tools
        runtime.preload()
        yield runtime
    finally:
        await runtime.close()


def _settings(
    *,
    model: str | None = None,
    system: str | None = None,
    max_tokens: int | None = None,
    effort: str | None = None,
    thinking: bool | None = None,
    caching: bool | None = None,
    tools: Sequence[Tool | str] = (),
    ask_for: Collection[str] = (),
    tools_root: Path | str | None = None,
    base_url: str | None = None,
    demo: bool = False,
    store: Path | str | None = None,
    config_file: Path | str | None = None,
    timeouts: Timeouts | None = None,
    wire_memory_mb: int | None = None,
) -> tuple[Config, bool, tuple[Tool, ...]]:
    """The configuration, whether conversations are stored, and the tools, if any were named."""
    if demo and base_url:
        raise UsageError("demo and base_url exclude each other", "use one of them")
    if effort is not None and effort not in EFFORTS:
        raise UsageError(f"there is no effort {effort!r}", f"choose one of {', '.join(EFFORTS)}")
    for name, value in (("max_tokens", max_tokens), ("wire_memory_mb", wire_memory_mb)):
        if value is not None and value < 1:
            raise UsageError(f"{name} must be 1 or more, not {value}")
    for name, seconds in asdict(timeouts).items() if timeouts else ():
        if not 0 <= seconds < math.inf:
            raise UsageError(f"the time-out {name} must be 0 (never) or more seconds, not {seconds}")
    base = load(Flags(config=Path(config_file))) if config_file is not None else _defaults()
    root = base.tools_root if tools_root is None else Path(tools_root).absolute()
    if tools_root is not None and not root.is_dir():
        raise UsageError(f"{root} is not a folder", "check tools_root")
    chosen = _tools(tools, ask_for, root)
    given: dict[str, Any] = {
        "model": model and storable(model),
        "system": system,
        "max_tokens": max_tokens,
        "effort": effort,
        "thinking": thinking,
        "caching": caching,
        "timeouts": timeouts,
        "wire_memory_mb": wire_memory_mb,
        "base_url": base_url and checked_base_url(base_url),
        "data_dir": None if store is None else Path(store).absolute(),
    }
    config = replace(
        base,
        **{name: value for name, value in given.items() if value is not None},
        model_chosen=model is not None,
        system_chosen=system is not None,
        effort_chosen=effort is not None,
        tools=bool(chosen) or base.tools,
        allow_tools=frozenset(tool.name for tool in chosen) - set(ask_for) if chosen else base.allow_tools,
        tools_root=root,
        demo=demo,
        no_home=False,
    )
    return (replace(config, base_url=None) if demo else config), store is not None, chosen


def _defaults() -> Config:
    """The configuration of a program that has no files of its own."""
    base_url = os.environ.get("ANTHROPIC_BASE_URL")
    return Config(
        data_dir=_NOWHERE,
        config_file=_NOWHERE,
        base_url=checked_base_url(base_url) if base_url else None,
        has_credentials=credentials_present(os.environ),
    )


def _tools(wanted: Sequence[Tool | str], ask_for: Collection[str], root: Path) -> tuple[Tool, ...]:
    """The tools that `wanted` are, or name. One that is to ask must be among them: a misspelt name must not let it run."""
    shipped = {tool.name: tool for tool in standard_tools(root)}
    for each in wanted:
        if isinstance(each, str) and each not in shipped:
            raise UsageError(f"there is no tool {each!r}", f"the tools are {', '.join(TOOL_NAMES)}, and your own")
    tools = tuple(shipped[each] if isinstance(each, str) else each for each in wanted)
    names = [tool.name for tool in tools]
    if double := next((name for name in names if names.count(name) > 1), None):
        raise UsageError(f"two tools are called {double!r}")
    if unknown := next((name for name in ask_for if name not in names), None):
        raise UsageError(f"ask_for names {unknown!r}, which is not among the tools")
    return tools
