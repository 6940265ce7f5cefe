"""The tool `current_time`: the date and time now, here or in another zone.

Why it exists: a model does not know what day it is.
What it must not know: files other than the system's zone data; a zone's name is never a path.
"""

import os
import re
import zoneinfo
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any, ClassVar, Final

from tui_chat.engine.tools.threads import off_the_loop
from tui_chat.engine.tools.tool import ToolError, checked_input, quoted

_WEEKDAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Parts of letters, digits, signs: no dots, no leading slash, so no path that leads anywhere else.
_ZONE_NAME: Final = re.compile(r"[A-Za-z][\w+-]*(?:/[A-Za-z][\w+-]*){0,2}", re.ASCII)
_LONGEST_NAME: Final = 64


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class CurrentTime:
    """The time now as ISO 8601 with its offset, the weekday, the zone, and the same moment in UTC.

    `now` gives the moment, with a zone of its own.
    """

    now: Callable[[], datetime] = _now

    name: ClassVar[str] = "current_time"
    description: ClassVar[str] = (
        "The current date and time (ISO 8601 with offset), the weekday and the time zone, and the same moment in UTC. "
        "Without a timezone: in the zone of the user's machine."
    )
    input_schema: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {
            "timezone": {
                "type": "string",
                "description": 'An IANA time zone name, for example "Europe/Berlin" or "UTC".',
            }
        },
        "additionalProperties": False,
    }
    timeout: ClassVar[float] = 5.0

    async def run(self, input: Mapping[str, Any]) -> str:
        """Four labelled lines; ToolError for a zone that is not known, with names that are like it."""
        name = checked_input(self.input_schema, input).get("timezone")
        # Zone data is read from disk, and the hint for a wrong name reads all of it.
        return await off_the_loop(lambda: _describe(self.now().astimezone(UTC), name))


def _describe(moment: datetime, name: str | None) -> str:
    if name is None:
        local = moment.astimezone()  # the C library's word: it knows zones that have no name
        zone = _machine_zone(local)
    else:
        local = moment.astimezone(_find_zone(name))
        zone = "UTC" if local.tzinfo is UTC else name
    abbreviation = local.tzname() or ""
    if abbreviation not in ("", zone):
        zone = f"{zone} ({abbreviation})" if zone else abbreviation
    return "\n".join(
        (
            f"time: {local.isoformat(timespec='seconds')}",
            f"weekday: {_WEEKDAYS[local.weekday()]}",
            f"zone: {zone}",
            f"utc: {moment.replace(tzinfo=None).isoformat(timespec='seconds')}Z",
        )
    )


def _find_zone(name: str) -> tzinfo:
    if name in ("UTC", "Z"):
        return UTC  # must work without zone data as well
    zone = _load(name)
    if zone is None:
        raise ToolError(f"There is no time zone {quoted(name)}: {_hint(name)}")
    return zone


def _load(name: str) -> zoneinfo.ZoneInfo | None:
    if len(name) > _LONGEST_NAME or not _ZONE_NAME.fullmatch(name):
        return None
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):  # no such name, no zone data in it, a folder
        return None


def _hint(name: str) -> str:
    zones = zoneinfo.available_timezones()
    if not zones:
        return 'this machine has no time zone data; only "UTC" and the machine\'s own zone (no timezone given) work.'
    place = name.rpartition("/")[2].strip().replace(" ", "_").casefold()
    similar = sorted(zone for zone in zones if place in zone.casefold())[:4] if len(place) > 2 else []
    if similar:
        return f"did you mean {' or '.join(similar)}?"
    return 'give an IANA name such as "Europe/Berlin", "America/New_York" or "UTC".'


def _machine_zone(local: datetime) -> str:
    """The IANA name of the machine's zone, or '' if none is set or it disagrees with the C library."""
    name = os.environ.get("TZ", "").lstrip(":")
    if not name:
        try:
            name = Path("/etc/localtime").readlink().as_posix().partition("zoneinfo/")[2]
        except OSError:
            return ""  # a copy instead of a link, or a system without it
    zone = _load(name)
    return name if zone is not None and local.astimezone(zone).utcoffset() == local.utcoffset() else ""
