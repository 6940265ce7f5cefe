"""Token counts of one request, or summed over several: what came, verbatim, and what of it can be counted with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeGuard

COUNT_LIMIT: Final = 2**53  # counts beyond it are absurd, and no longer exact in JSON readers


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the API names them; `fields` is what came, verbatim and unknown names included."""

    fields: Mapping[str, Any] = field(default_factory=dict)

    def updated(self, update: Mapping[str, Any]) -> "Usage":
        """With `update` applied: values overwrite (they are cumulative), null and missing leave what was known."""
        return Usage({**self.fields, **{name: value for name, value in update.items() if value is not None}})

    def plus(self, other: "Usage") -> "Usage":
        """The sum over two requests of one turn, nested counts included; what is no count is the later one's."""
        return Usage(_sum(self.fields, other.fields))

    def count(self, name: str) -> int | None:
        """The count `name`, or None if it is unknown or absurd (negative, beyond 2**53, not a number)."""
        value = self.fields.get(name)
        return value if _is_count(value) else None

    @property
    def input_tokens(self) -> int | None:
        """The `in` figure: input + cache write + cache read; the API's own field of that name excludes the cache."""
        plain = self.count("input_tokens")
        if plain is None:
            return None
        return plain + (self.cache_write or 0) + (self.cache_read or 0)

    @property
    def output_tokens(self) -> int | None:
        """The `out` figure: all tokens generated, thinking included."""
        return self.count("output_tokens")

    @property
    def cache_read(self) -> int | None:
        """Tokens of the prompt that came from the cache."""
        return self.count("cache_read_input_tokens")

    @property
    def cache_write(self) -> int | None:
        """Tokens of the prompt that were written to the cache."""
        return self.count("cache_creation_input_tokens")


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < COUNT_LIMIT


def _sum(fields: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    total = dict(fields)
    for name, value in more.items():
        known = total.get(name)
        if isinstance(known, Mapping) and isinstance(value, Mapping):
            total[name] = _sum(known, value)
        elif _is_count(known) and _is_count(value):
            total[name] = known + value
        elif not _is_count(known):  # an absurd count must not hide what is known
            total[name] = value
    return total
