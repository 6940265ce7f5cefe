"""Ids of conversations, turns and messages: unique everywhere, and in the order of their making."""

import time
import uuid


def new_id() -> str:
    """A new id whose order is that of its making: milliseconds in hex, then randomness."""
    return f"{time.time_ns() // 1_000_000:012x}{uuid.uuid4().hex[:20]}"
