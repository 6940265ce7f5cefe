"""The demo's prepared replies, as markdown files beside this module.

Why it exists: prose is easier to read and to edit as markdown than inside string literals.
"""

from functools import cache
from importlib.resources import files


@cache
def load(name: str) -> str:
    """The text of `<name>.md`."""
    return (files(__name__) / f"{name}.md").read_text(encoding="utf-8")
