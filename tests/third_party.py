"""Test data of others: taken from a pinned sdist, checked against its hash, kept in the user's cache. Never committed.

Where it is neither cached nor to be had, `sdist` raises `UnavailableError` and the tests go on with examples of our own.
"""

import hashlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

# When this is imported the machine's own settings still stand: each test gets a home of its own later.
_ENVIRONMENT: Final = dict(os.environ)
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "tui-chat-tests"
_SECONDS: Final = 60


class UnavailableError(Exception):
    """A package could not be fetched; the text says why."""


def sdist(name: str, version: str, sha256: str) -> bytes:
    """The source distribution of a package (a tar.gz), from the cache or from the package index. Raises UnavailableError."""
    cached = _CACHE / f"{sha256}.tar.gz"
    if cached.is_file() and _hash(content := cached.read_bytes()) == sha256:
        return content
    with tempfile.TemporaryDirectory() as folder:
        requirement = Path(folder, "requirement.txt")
        requirement.write_text(f"{name}=={version} --hash=sha256:{sha256}\n")
        command = [sys.executable, "-m", "pip", "download", "--no-binary", ":all:", "--no-deps", "--require-hashes"]
        try:
            done = subprocess.run(
                [*command, "--retries", "1", "--timeout", "15", "--dest", folder, "--requirement", requirement],
                env=_ENVIRONMENT,
                capture_output=True,
                text=True,
                timeout=_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise UnavailableError(f"pip took more than {_SECONDS} s") from error
        found = next(Path(folder).glob("*.tar.gz"), None)
        if done.returncode or found is None:
            raise UnavailableError(done.stderr.strip()[-400:])
        content = found.read_bytes()
    if _hash(content) != sha256:
        raise UnavailableError("its hash is not the pinned one")
    _CACHE.mkdir(parents=True, exist_ok=True)
    written = cached.with_suffix(f".{os.getpid()}")
    written.write_bytes(content)
    written.replace(cached)
    return content


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
