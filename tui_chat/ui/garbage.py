"""When Python looks for garbage: not while a reply streams.

A full collection looks at every object there is; the SDK alone makes 160,000 of them, which takes 100 ms. So what is there to stay
is frozen (`gc.freeze`: never looked at again) whenever a conversation was opened or a turn has ended, after one collection of what
came since. While a turn runs only young objects are looked at.
"""

import gc
from typing import Final

_NEVER: Final = 1_000_000
_USUAL: Final = gc.get_threshold()


def hold() -> None:
    """A turn runs: no full collections."""
    gc.set_threshold(*_USUAL[:2], _NEVER)


def settle() -> None:
    """Nothing runs: collect what came since the last time, and keep the rest out of later collections."""
    gc.set_threshold(*_USUAL)
    gc.collect()
    gc.freeze()
