"""Arguments, environment and config file to one frozen `Config`: flag > environment > file > default.

It knows which settings exist and what they may be, and nothing of what is done with them. No setting is ever read from the
working directory: a project folder must not be able to choose where a key is sent. All that it gives is the place where
the tool `read_file` may read unless another is named: the place the user stands in.
"""

import contextlib
import math
import os
import sys
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import platformdirs

from tui_chat.errors import UsageError
from tui_chat.prices import ANTHROPIC_HOST
from tui_chat.text import storable

DEFAULT_MODEL: Final = "claude-sonnet-5-5"
EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")  # the API's names, in their order
TOOL_NAMES: Final = ("current_time", "calculator", "read_file")
TITLES: Final = ("prompt", "model")
WIRE_MEMORY_MB: Final = 32  # of what went over the wire, for the inspector
LOG_FILE: Final = "tui-chat.log"
DATABASE: Final = "conversations.db"
_APP: Final = "tui-chat"
_NOWHERE: Final = (
    Path(os.devnull) / _APP
)  # below a device no file can be made: what is written there fails, and harms nothing


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds; 0 means never.

    `idle` counts once bytes have come. `content` ends a reply whose server sends bytes, pings say, but no content.
    An approval that nobody answers for `approval` seconds counts as denied.
    """

    connect: float = 10.0
    first_byte: float = 600.0
    idle: float = 120.0
    content: float = 0.0
    approval: float = 600.0


TIMEOUTS: Final = frozenset(each.name for each in fields(Timeouts))


@dataclass(frozen=True, slots=True)
class Config:
    """All settings of one run. `base_url` is None for the SDK's own choice; it never holds a key.

    `*_chosen` says that a flag asked for it: then it also holds for a conversation that is resumed. `effort` is None for
    the model's own. `tools` says whether models are offered tools at the start, `allow_tools` which of them need no approval.
    `titles` says who names conversations: the first prompt, or a model. `no_home`: there is neither a home directory nor
    another place for the data, so nothing can be kept; `data_dir` then is a place where no file can be made. `record_to` is the
    folder in which every turn of the run is recorded.
    """

    data_dir: Path
    config_file: Path
    model: str = DEFAULT_MODEL
    model_chosen: bool = False
    system: str | None = None
    system_chosen: bool = False
    max_tokens: int | None = None
    effort: str | None = None
    effort_chosen: bool = False
    thinking: bool = True
    caching: bool = True
    tools: bool = False
    allow_tools: frozenset[str] = frozenset()
    tools_root: Path = field(default_factory=Path)
    base_url: str | None = None
    demo: bool = False
    demo_chosen: bool = False
    has_credentials: bool = True
    titles: str = "prompt"
    no_home: bool = False
    theme: str | None = None
    escape_wait_ms: int | None = None
    wire_memory_mb: int = WIRE_MEMORY_MB
    record_to: Path | None = None
    timeouts: Timeouts = field(default_factory=Timeouts)
    keys: Mapping[str, str] = field(default_factory=dict)

    @property
    def log_file(self) -> Path:
        """Where the log is written."""
        return self.data_dir / LOG_FILE

    @property
    def server(self) -> str:
        """What the figures call the server: `demo`, or the host (with its port if it has one)."""
        if self.demo:
            return "demo"
        return urlsplit(self.base_url).netloc.rpartition("@")[2] if self.base_url else ANTHROPIC_HOST

    @property
    def placeholder_key(self) -> str | None:
        """The key for servers that need none: `local`, unless there are credentials or it is Anthropic's own host."""
        if self.demo:
            return "demo"
        return None if self.has_credentials or self.server == ANTHROPIC_HOST else "local"


@dataclass(frozen=True, slots=True)
class Flags:
    """What the command line said; None: not said."""

    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    no_thinking: bool = False
    no_caching: bool = False
    tools: bool = False
    allow_tools: Sequence[str] = ()
    tools_root: Path | None = None
    base_url: str | None = None
    demo: bool = False
    data_dir: Path | None = None
    config: Path | None = None
    titles: str | None = None
    theme: str | None = None
    record: Path | None = None
    timeouts: Mapping[str, float] = field(default_factory=dict)  # by the names of `Timeouts`


def load(flags: Flags, environ: Mapping[str, str] | None = None) -> Config:
    """The configuration of this run.

    Raises:
        UsageError: a flag, a variable or the config file cannot be used; the message names it.

    """
    environ = os.environ if environ is None else environ
    if flags.demo and flags.base_url:
        raise UsageError("--demo and --base-url exclude each other", "use one of them")
    config_file = flags.config or usual_config_file()
    values = _read(config_file, must_exist=flags.config is not None)
    environment_data_dir = environ.get("TUI_CHAT_DATA_DIR")
    data_dir = (
        flags.data_dir
        or (Path(environment_data_dir) if environment_data_dir else None)
        or (_expanded(values.data_dir) if values.data_dir else None)
        or _folder(platformdirs.user_data_dir)
    )
    base_url = None if flags.demo else flags.base_url or environ.get("ANTHROPIC_BASE_URL") or values.base_url
    has_credentials = credentials_present(environ)
    return Config(
        data_dir=(data_dir or _NOWHERE).absolute(),
        config_file=config_file.absolute(),
        model=storable(flags.model or environ.get("ANTHROPIC_MODEL") or values.model or DEFAULT_MODEL),
        model_chosen=flags.model is not None,
        system=(values.system if flags.system is None else flags.system) or None,
        system_chosen=flags.system is not None,
        max_tokens=_positive(flags.max_tokens, "--max-tokens") or values.max_tokens,
        effort=_effort(flags.effort) or values.effort,
        effort_chosen=flags.effort is not None,
        thinking=values.thinking and not flags.no_thinking,
        caching=values.caching and not flags.no_caching,
        tools=values.tools or flags.tools or bool(flags.allow_tools),
        allow_tools=_tools(flags.allow_tools) or values.allow_tools,
        tools_root=_tools_root(flags.tools_root, values.tools_root),
        base_url=checked_base_url(base_url) if base_url else None,
        demo=flags.demo or (base_url is None and not has_credentials),
        demo_chosen=flags.demo,
        has_credentials=has_credentials,
        titles=_titles(flags.titles) or values.titles,
        no_home=data_dir is None,
        theme=flags.theme or environ.get("TEXTUAL_THEME") or values.theme,
        escape_wait_ms=values.escape_wait_ms,
        wire_memory_mb=values.wire_memory_mb,
        record_to=flags.record.absolute() if flags.record else None,
        timeouts=_timeouts(values.timeouts, flags.timeouts),
        keys=values.keys,
    )


def usual_config_file() -> Path:
    """Where the user's config file is looked for."""
    return (_folder(platformdirs.user_config_dir) or _NOWHERE) / "config.toml"


def _folder(find: Callable[..., str]) -> Path | None:
    """The platform's place, or None for a user who has no home directory: no HOME, and no entry in the list of users."""
    try:
        return Path(find(_APP, appauthor=False))
    except RuntimeError:
        return None


def _expanded(path: str) -> Path:
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise UsageError(f"there is no home directory for {path!r}", "set HOME, or write the whole path") from None


def credentials_present(environ: Mapping[str, str]) -> bool:
    """Whether the SDK would find credentials."""
    return credentials_source(environ) is not None


def credentials_source(environ: Mapping[str, str]) -> str | None:
    """Where the SDK would take credentials from: a variable's name, or `profile NAME`; None: nowhere. Never what is there.

    The same places in the same order, without importing it (a second). Source: anthropic 2.11
    `lib/credentials/_constants.py` and `_chain.py`.
    """
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        if environ.get(name):
            return name
    if environ.get("ANTHROPIC_FEDERATION_RULE_ID") and environ.get("ANTHROPIC_ORGANIZATION_ID"):
        for name in ("ANTHROPIC_IDENTITY_TOKEN_FILE", "ANTHROPIC_IDENTITY_TOKEN"):
            if environ.get(name):
                return name
    try:
        folder = sdk_config_dir(environ)
        pointer = folder / "active_config"
        profile = (pointer.read_text(encoding="utf-8").strip() if pointer.is_file() else "") or "default"
        return f"profile {profile}" if (folder / "configs" / f"{profile}.json").is_file() else None
    except (OSError, RuntimeError):  # RuntimeError: no home directory
        return None


def sdk_config_dir(environ: Mapping[str, str]) -> Path:
    """Where the SDK keeps its profiles. RuntimeError: there is no home directory."""
    if configured := environ.get("ANTHROPIC_CONFIG_DIR"):
        return Path(configured)
    if sys.platform == "win32":
        return Path(environ.get("APPDATA") or Path.home() / "AppData" / "Roaming") / "Anthropic"
    return Path.home() / ".config" / "anthropic"


@dataclass(frozen=True, slots=True)
class _File:
    """The keys of the config file; the README lists them."""

    model: str | None = None
    system: str | None = None
    max_tokens: int | None = None
    effort: str | None = None
    thinking: bool = True
    caching: bool = True
    tools: bool = False
    allow_tools: frozenset[str] = frozenset()
    tools_root: str | None = None
    base_url: str | None = None
    data_dir: str | None = None
    titles: str = "prompt"
    theme: str | None = None
    escape_wait_ms: int | None = None
    wire_memory_mb: int = WIRE_MEMORY_MB
    timeouts: Timeouts = field(default_factory=Timeouts)
    keys: Mapping[str, str] = field(default_factory=dict)


_TEXT_KEYS: Final = ("model", "system", "base_url", "data_dir", "theme", "tools_root")
_COUNT_KEYS: Final = ("max_tokens", "escape_wait_ms", "wire_memory_mb")
_SWITCH_KEYS: Final = ("thinking", "caching", "tools")
_KEYS: Final = frozenset(each.name for each in fields(_File))


_CHOICES: Final = {
    "effort": f"choose one of {', '.join(EFFORTS)}",
    "allow_tools": f"the tools are {', '.join(TOOL_NAMES)}",
    "titles": f"choose one of {', '.join(TITLES)}",
}


def _read(path: Path, *, must_exist: bool) -> _File:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        if must_exist:
            raise UsageError(f"there is no config file {path}", "check --config") from None
        return _File()
    except (OSError, ValueError) as error:
        raise UsageError(
            f"cannot read the config file {path} ({error})", "mend it or choose another with --config"
        ) from None
    values: dict[str, Any] = {}
    for name, value in table.items():
        values[name] = _value(path, name, value)
    return _File(**values)


def _value(path: Path, name: str, value: Any) -> Any:
    match name:
        case _ if name in _TEXT_KEYS and isinstance(value, str):
            return value
        case _ if name in _COUNT_KEYS and isinstance(value, int) and not isinstance(value, bool) and value > 0:
            return value
        case _ if name in _SWITCH_KEYS and isinstance(value, bool):
            return value
        case "effort" if value in EFFORTS:
            return value
        case "titles" if value in TITLES:
            return value
        case "allow_tools" if isinstance(value, list) and all(isinstance(each, str) for each in value):
            with contextlib.suppress(UsageError):
                return _tools(value)
        case "timeouts" if isinstance(value, dict) and set(value) <= TIMEOUTS:
            if all(isinstance(each, int | float) and not isinstance(each, bool) for each in value.values()):
                with contextlib.suppress(UsageError):
                    return _timeouts(Timeouts(), value)
        case "keys" if isinstance(value, dict) and all(isinstance(each, str) for each in value.values()):
            return value
        case _:
            pass
    what = f"has a value that {name!r} cannot take: {value!r}" if name in _KEYS else f"has an unknown key {name!r}"
    raise UsageError(f"the config file {path} {what}", _CHOICES.get(name, "see the list of keys in the README"))


def _timeouts(file: Timeouts, changes: Mapping[str, float]) -> Timeouts:
    """The limits of the file, with what the flags say in their place."""
    for name, seconds in changes.items():
        if not 0 <= seconds < math.inf:
            raise UsageError(f"--timeout-{name.replace('_', '-')} must be 0 (never) or more seconds, not {seconds}")
    return replace(file, **{name: float(seconds) for name, seconds in changes.items()})


def _effort(value: str | None) -> str | None:
    if value is not None and value not in EFFORTS:
        raise UsageError(f"there is no effort {value!r}", _CHOICES["effort"])
    return value


def _titles(value: str | None) -> str | None:
    if value is not None and value not in TITLES:
        raise UsageError(f"titles cannot come from {value!r}", _CHOICES["titles"])
    return value


def _tools(names: Sequence[str]) -> frozenset[str]:
    for name in names:
        if name not in TOOL_NAMES:
            raise UsageError(f"there is no tool {name!r}", _CHOICES["allow_tools"])
    return frozenset(names)


def _tools_root(flag: Path | None, file: str | None) -> Path:
    """The folder, absolute; that of the file need not be there: it may never be read."""
    if flag is not None and not flag.is_dir():
        raise UsageError(f"{flag} is not a folder", "check --tools-root")
    root = flag or (_expanded(file) if file else Path())
    try:
        return root.absolute()
    except FileNotFoundError:  # the working directory has been removed
        return root


def _positive(value: int | None, name: str) -> int | None:
    if value is not None and value < 1:
        raise UsageError(f"{name} must be 1 or more, not {value}")
    return value


def checked_base_url(url: str) -> str:
    """`url` as the SDK takes it, without `/v1`. UsageError: it is no http or https address."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a bracket left open, a port that is no number
        usable = False
    if not usable:
        raise UsageError(f"the base URL {url!r} is not an http or https address", "for example http://localhost:11434")
    return url.rstrip("/").removesuffix("/v1")
