"""The parameters of a request that a server or a model may not know: thinking, effort, prompt caching.

Why it exists: they make replies better or cheaper, and no request may fail because of them. So they go out where nothing speaks
against them; a server that refuses one gets the request once more without it, and is remembered (`RefusedParameters`).
It must not know how a request is sent, nor what else is in it.

What of a request was refused is only in the words of the error. Anthropic names the place (`output_config.effort: ...`), so
there only what is named counts. Other servers may say just "bad request": then all optional parameters are left out at once,
unless the words are plainly about something else. A complaint about `thinking` *blocks* is about the history, not about
the parameter; one about `cache_control` always is, wherever it stands: nothing but the parameter puts it there.
"""

import json
import logging
import re
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final

from tui_chat.config import EFFORTS
from tui_chat.engine.client import ModelInfo
from tui_chat.errors import Failure
from tui_chat.files import write_private
from tui_chat.prices import ANTHROPIC_HOST

_log = logging.getLogger(__name__)

OPTIONAL: Final = ("thinking", "output_config", "cache_control")
REFUSED_FOR: Final = 30 * 86_400.0  # seconds; then the parameter is tried again: servers learn
SAME_REQUEST: Final = 60.0  # seconds; a refusal that late after the last one is about another request
_PRECISE: Final = (ANTHROPIC_HOST, "demo")  # servers that name what they refuse
_OF_SERVER: Final = frozenset({"cache_control"})  # refused whatever the model

_NAMED: Final = {
    "thinking": re.compile(r"(?<![\w-])(thinking(?!\w)|reasoning)", re.IGNORECASE),
    "output_config": re.compile(r"output_?config|effort\b", re.IGNORECASE),
    "cache_control": re.compile(r"cache[_ ]?(control|point)|prompt[_ ]cach", re.IGNORECASE),
}
_HISTORY: Final = re.compile(
    r"\bmessages?[.\[]\s*\d|thinking\W+(or\W+redacted_thinking\W+)?(content\s)?blocks?\b|\bsignature\b|\bassistant\b",
    re.IGNORECASE,
)
_ELSEWHERE: Final = re.compile(
    r"\b(messages|roles?|tools?|tool_\w+|functions?|max_tokens|context|too long|too large|credit|billing|quota|policy)\b",
    re.IGNORECASE,
)
_LEVEL: Final = re.compile(rf"""['"`]({"|".join(EFFORTS)})['"`]""")
_ADVICE: Final = re.compile(r"[.!?]\s+(?=[A-Z])")
_READ: Final = 1_000  # characters of a message; a longer one repeats the request


def optional_parameters(
    info: ModelInfo | None, *, effort: str | None, thinking: bool, caching: bool, refused: Collection[str]
) -> dict[str, Any]:
    """The optional parameters of a request to the model that `info` describes (None: not known).

    Thinking is only asked for where the model is known to offer it, since others refuse it; a chosen effort goes out unless
    the model is known not to have it. `refused` is what `RefusedParameters.get` returned.
    """
    parameters: dict[str, Any] = {}
    if thinking and info is not None and "adaptive" in (info.thinking or ()):
        parameters["thinking"] = {"type": "adaptive", "display": "summarized"}
    known = info.efforts if info is not None else None
    if effort is not None and (known is None or effort in known) and _level(effort) not in refused:
        parameters["output_config"] = {"effort": effort}
    if caching:
        parameters["cache_control"] = {"type": "ephemeral"}
    return {name: value for name, value in parameters.items() if name not in refused}


def refused_by(failure: Failure, parameters: Mapping[str, Any], server: str) -> frozenset[str]:
    """What of the optional `parameters` of a request the `server` refused; empty: the failure is about something else.

    A name is that of a parameter, or stands for one effort of several (`output_config: max`).
    """
    sent = [name for name in OPTIONAL if name in parameters]
    if failure.status not in (400, 422) or not sent:
        return frozenset()
    # A model's own name may hold the word; what follows "... is not supported." is advice, and may name what is fine.
    message = failure.message[:_READ].replace(str(parameters.get("model")), "")
    history = _HISTORY.search(message) is not None
    for sentence in _ADVICE.split(message):
        named = {name for name in OPTIONAL if _NAMED[name].search(sentence)}
        if history:
            named &= {"cache_control"}
        if named:
            return frozenset(_precisely(name, sentence, parameters) for name in named.intersection(sent))
    if history or server in _PRECISE or _ELSEWHERE.search(message):
        return frozenset()
    return frozenset(sent)


def _precisely(name: str, sentence: str, parameters: Mapping[str, Any]) -> str:
    if name == "output_config" and _LEVEL.search(sentence):  # this effort was refused; another may do
        return _level(str(parameters[name].get("effort")))
    return name


def _level(effort: str) -> str:
    return f"output_config: {effort}"


class RefusedParameters:
    """What servers refused in the last 30 days: in a file, or for this run only where there is no path.

    Caching is refused by a server, everything else by a model of it. `clock` is the wall clock, in seconds.
    """

    def __init__(self, path: Path | None = None, clock: Callable[[], float] = time.time) -> None:
        self._path, self._clock = path, clock
        self._entries: dict[tuple[str, str, str], float] = {}  # server, model or '', name: when
        self._read()

    def get(self, server: str, model: str) -> frozenset[str]:
        """The names that `server` refuses for `model`."""
        now = self._clock()
        return frozenset(
            name
            for (its_server, its_model, name), at in self._entries.items()
            if its_server == server and its_model in ("", model) and abs(now - at) < REFUSED_FOR
        )

    def add(self, server: str, model: str, names: Collection[str]) -> None:
        """Remember that `server` refused `names` for `model`."""
        self._read()
        now = self._clock()
        self._entries |= {(server, "" if name in _OF_SERVER else model, name): now for name in names}
        self._write()

    def withdraw(self, server: str, model: str) -> None:
        """The request was refused without them as well: forget what was added for it, within the last minute."""
        now = self._clock()
        wrong = [
            key
            for key, at in self._entries.items()
            if key[0] == server and key[1] in ("", model) and abs(now - at) < SAME_REQUEST
        ]
        if not wrong:
            return
        self._read()
        for key in wrong:
            self._entries.pop(key, None)
        self._write()

    def _read(self) -> None:
        """Add what the file has: another run may have written to it."""
        if self._path is None:
            return
        try:
            content = json.loads(self._path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError) as error:  # RecursionError: nested too deeply
            _log.info("what servers refused could not be read from %s: %s", self._path, error)
            return
        entries = content.get("refused") if isinstance(content, dict) else None
        for entry in entries if isinstance(entries, list) else ():
            match entry:
                case {"server": str(server), "model": str(model), "name": str(name), "at": int(at) | float(at)} if (
                    0 <= at < 1e12  # also no NaN, and nothing too large to count with
                ):
                    key = server, model, name
                    self._entries[key] = max(at, self._entries.get(key, 0.0))
                case _:
                    pass  # another version's

    def _write(self) -> None:
        if self._path is None:
            return
        now = self._clock()
        entries = [
            {"server": server, "model": model, "name": name, "at": at}
            for (server, model, name), at in self._entries.items()
            if abs(now - at) < REFUSED_FOR
        ]
        try:
            write_private(self._path, json.dumps({"refused": entries}))
        except OSError as error:
            _log.info("what servers refused was not written: %s", error)
