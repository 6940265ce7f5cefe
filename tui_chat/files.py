"""Writing small private files: whole or not at all, 0600, in folders that are 0700."""

import os
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """Replace the file `path` by `text`; OSError if that fails, and then the old file is untouched."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
