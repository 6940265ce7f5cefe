"""The row id that a message has in the index of all words.

Why it exists: the index gives what it finds in the order of row ids, and the newest should come first, also when an old
conversation was imported yesterday. So the id is made from the time. It must not know the index.
"""

import sqlite3
from collections.abc import Callable
from typing import Final

_KEYS_A_SECOND: Final = 10
_HIGHEST_KEY: Final = 2**46  # leaves room above for what has the same stamp, and in every record of the index


def search_key(connection: sqlite3.Connection, created_at: float) -> int:
    """The row id in the index for a message of that time: the first that is free, so that later ones are greater.

    Many messages may have one stamp (an import), so the end of a run of taken keys is searched for, not walked to.
    """

    def is_taken(key: int) -> bool:
        query = "SELECT 1 FROM messages WHERE search_key = ? UNION ALL SELECT 1 FROM messages WHERE search_key = ?"
        return connection.execute(query, (key, -key)).fetchone() is not None

    return _first_free(is_taken, max(1, min(int(created_at * _KEYS_A_SECOND), _HIGHEST_KEY)))


def _first_free(is_taken: Callable[[int], bool], key: int) -> int:
    """`key`, or the key behind a run of taken ones that begins with it."""
    if not is_taken(key):
        return key
    taken, step = key, 1
    while is_taken(taken + step):
        taken, step = taken + step, step * 2
    free = taken + step
    while free - taken > 1:
        middle = (taken + free) // 2
        taken, free = (middle, free) if is_taken(middle) else (taken, middle)
    return free
