"""Turns written to files with every byte and its timing, and played again.

`format` says what is in a file. A recorder writes one while its turn runs, `afterwards` does so later; `read` reads it, and a
`Player` lets it happen once more, in its own time or in yours.
"""

from tui_chat.recordings.reading import read
from tui_chat.recordings.recording import Recording

__all__ = ["Recording", "read"]
