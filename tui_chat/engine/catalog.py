"""What a server's models can do: `/v1/models`, cached on disk, so that figures need no table of ours.

A server that has no list, or an odd one, leaves the catalogue as it was: context windows are then unknown, shown as a dash,
and no thinking is asked for.
"""

import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tui_chat.config import EFFORTS
from tui_chat.engine.client import ApiClient, ModelInfo
from tui_chat.errors import RequestError
from tui_chat.files import write_private

_log = logging.getLogger(__name__)


class ModelCatalog:
    """The models of one server."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._models: dict[str, ModelInfo] = {}
        if path is not None:
            self._read(path)

    def __iter__(self) -> Iterator[ModelInfo]:
        return iter(self._models.values())

    def get(self, model: str) -> ModelInfo | None:
        """What is known of `model`."""
        return self._models.get(model)

    async def refresh(self, client: ApiClient) -> bool:
        """Ask the server; returns whether it answered with a list."""
        try:
            models = await client.models()
        except RequestError as error:
            _log.info("no model list from %r: %s", client, error)
            return False
        if not models:
            return False
        self._models = {info.id: info for info in models}
        self._write()
        return True

    def _read(self, path: Path) -> None:
        try:
            entries = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError, RecursionError):  # RecursionError: nested too deeply
            entries = None
        if not isinstance(entries, list):
            _log.info("the model cache %s could not be read; it is made anew", path)
            return
        self._models = {info.id: info for each in entries if (info := _from_json(each)) is not None}

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            write_private(self._path, json.dumps([_to_json(info) for info in self._models.values()]))
        except OSError as error:
            _log.info("the model cache was not written: %s", error)


def _to_json(info: ModelInfo) -> dict[str, Any]:
    return {
        "id": info.id,
        "display_name": info.display_name,
        "context_window": info.context_window,
        "max_output": info.max_output,
        "thinking": None if info.thinking is None else sorted(info.thinking),
        "efforts": info.efforts,
    }


def _from_json(entry: Any) -> ModelInfo | None:
    """The model that an earlier or a later version wrote: what is missing or odd is not known, what is new is left out."""
    if not isinstance(entry, dict) or not isinstance(entry.get("id"), str):
        return None
    name, thinking, efforts = entry.get("display_name"), _names(entry.get("thinking")), _names(entry.get("efforts"))
    return ModelInfo(
        entry["id"],
        name if isinstance(name, str) else None,
        _count(entry.get("context_window")),
        _count(entry.get("max_output")),
        None if thinking is None else frozenset(thinking),
        None if efforts is None else tuple(level for level in EFFORTS if level in efforts),
    )


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _names(value: Any) -> list[str] | None:
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else None
