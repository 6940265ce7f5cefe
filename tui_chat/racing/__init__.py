"""Several models answer one stored prompt at once, each on its own branch.

A race is several sessions over one conversation: `race.py` runs them and brings what they said home, `models.py` makes models of
the names that people type. Nothing here knows how a race looks.
"""

from tui_chat.racing.models import LANES_MAX, LANES_MIN, Asked, models_of, parse
from tui_chat.racing.race import Lane, Race

__all__ = ["LANES_MAX", "LANES_MIN", "Asked", "Lane", "Race", "models_of", "parse"]
