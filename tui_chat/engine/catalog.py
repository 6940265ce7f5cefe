"""What a server's models can do: `/v1/models`, cached on disk, so that figures need no table of ours.

A server that has no list, or an odd one, leaves the catalogue as it was: context windows are then unknown, shown as a dash.
"""

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

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
            self._models = {entry["id"]: ModelInfo(**entry) for entry in entries}
        except FileNotFoundError:
            return
        except (OSError, ValueError, TypeError, KeyError):
            _log.info("the model cache %s could not be read; it is made anew", path)

    def _write(self) -> None:
        if self._path is None:
            return
        try:
            write_private(self._path, json.dumps([asdict(info) for info in self._models.values()]))
        except OSError as error:
            _log.info("the model cache was not written: %s", error)
