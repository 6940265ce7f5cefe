"""What is left of a database once it is closed: whether it is sound, and whether deleted words are still in its bytes."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any


def unsound(path: Path) -> list[str]:
    """What SQLite's own checks find, and what a closed store may not leave behind."""
    with closing(sqlite3.connect(path)) as connection:
        checks: Iterable[tuple[str, list[Any], list[Any]]] = (
            ("integrity_check", connection.execute("PRAGMA integrity_check").fetchall(), [("ok",)]),
            ("foreign_key_check", connection.execute("PRAGMA foreign_key_check").fetchall(), []),
            ("turns without an end", connection.execute("SELECT id FROM turns WHERE outcome IS NULL").fetchall(), []),
            ("journals of ended turns", connection.execute("SELECT count(*) FROM journal").fetchall(), [(0,)]),
        )
        return [f"{path.name}: {name}: {found}" for name, found, wanted in checks if found != wanted]


def left_over(path: Path, words: set[str]) -> list[str]:
    """In which files any of the words can still be read, unless something that was not deleted holds it as well."""
    with closing(sqlite3.connect(path)) as connection:
        alive = "\n".join(_texts(connection))
        terms = _terms(connection)
    found = []
    for word in words:
        if word in alive:
            continue
        found += [f"the deleted word {word} is still in {file.name}" for file in _files(path) if word in _read(file)]
        if word in terms:
            found.append(f"the deleted word {word} is still in the index")
    return found


def _texts(connection: sqlite3.Connection) -> Iterator[str]:
    """Every text in every row."""
    query = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'found%' AND sql NOT LIKE '%VIRTUAL%'"
    )
    for (table,) in connection.execute(query).fetchall():
        for row in connection.execute(f"SELECT * FROM {table}"):
            yield from (value for value in row if isinstance(value, str))


def _terms(connection: sqlite3.Connection) -> set[str]:
    """The words of the full-text index."""
    connection.execute("CREATE VIRTUAL TABLE temp.terms USING fts5vocab('main', 'found', 'row')")
    return {term for (term,) in connection.execute("SELECT term FROM temp.terms")}


def _files(path: Path) -> list[Path]:
    return [file for file in path.parent.iterdir() if file.name.startswith(path.name)]


def _read(file: Path) -> str:
    return file.read_bytes().decode("latin-1")
