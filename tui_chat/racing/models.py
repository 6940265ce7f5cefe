"""Which models race: the names as they are typed, made into ids as far as the server's list is known.

Why it exists: nobody types `claude-haiku-5-5` four times. It must not know sessions or screens.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

LANES_MIN: Final = 2
LANES_MAX: Final = 4
_PROMPT_FOLLOWS: Final = re.compile(r"(?<!\S)--(?!\S)")


@dataclass(frozen=True, slots=True)
class Asked:
    """What stands behind `/race`: names of models, and the prompt if it came along."""

    names: tuple[str, ...]
    prompt: str = ""


def parse(argument: str) -> Asked:
    """`NAME NAME … [-- PROMPT]`."""
    names, *prompt = _PROMPT_FOLLOWS.split(argument, maxsplit=1)
    return Asked(tuple(names.split()), "".join(prompt).strip())


def models_of(names: Sequence[str], known: Iterable[str]) -> list[str]:
    """The ids that `names` mean among the `known` ones, newest first; a name that fits none is taken as it is."""
    ids = list(known)
    return [_model_of(name, ids) for name in names]


def _model_of(name: str, ids: Sequence[str]) -> str:
    """The id itself, one without its `claude-`, or the first that has `name` in it."""
    for wanted in (name, f"claude-{name}"):
        if wanted in ids:
            return wanted
    return next((each for each in ids if name.lower() in each.lower()), name)
