"""Times as a core's own CGIs read and write them: wall-clock in its `date_format` and its zone. Pure.

Source: Nagios 4.4.6 cgi/cmd.c (string_to_time), cgi/cgiutils.c (get_time_string); mktime carries what is too large over.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_FIRST_S, _LAST_S = -62_135_596_800 + 86_400, 253_402_300_799 - 86_400  # the years 1 to 9999, in every zone
_CLOCK = r"\s*(\d{1,2}):(\d{1,2}):(\d{1,2})"
_DAY_FIRST = re.compile(rf"\s*(\d{{1,2}})-(\d{{1,2}})-(\d{{1,4}}){_CLOCK}", re.ASCII)
_YEAR_FIRST = re.compile(rf"\s*(\d{{1,4}})-(\d{{1,2}})-(\d{{1,2}})[ T]+{_CLOCK}", re.ASCII)
_SHAPES = {
    "us": "%m-%d-%Y %H:%M:%S",
    "euro": "%d-%m-%Y %H:%M:%S",
    "iso8601": "%Y-%m-%d %H:%M:%S",
    "strict-iso8601": "%Y-%m-%dT%H:%M:%S",
}


class Wall(NamedTuple):
    """How the clock on the wall of a core is read: its zone (None: this machine's) and its `date_format`."""

    zone: str | None = None
    date_format: str = "us"

    @property
    def info(self) -> ZoneInfo | None:
        """The zone's rules."""
        return _zone(self.zone)

    def text(self, at: float) -> str:
        """A moment as the core's own pages show it."""
        return time_text(at, self.date_format, self.zone)


def time_text(at: float, date_format: str, zone: str | None) -> str:
    """A moment as the core's forms show it."""
    return in_zone(at, zone).strftime(_SHAPES.get(date_format, _SHAPES["us"]))


def long_text(at: float, zone: str | None) -> str:
    """A moment as the pages' heads show it, e.g. Thu Nov 26 03:28:33 UTC 2026."""
    return in_zone(at, zone).strftime("%a %b %d %H:%M:%S %Z %Y")


def parse_time(text: str, date_format: str, zone: str | None) -> float | None:
    """The moment in epoch seconds, None for what is none. Of an hour that comes twice the first is meant."""
    year_first = "iso8601" in date_format
    found = (_YEAR_FIRST if year_first else _DAY_FIRST).match(text)
    if found is None:
        return None
    one, two, three, hours, minutes, seconds = map(int, found.groups())
    year, month, day = (one, two, three) if year_first else (three, two, one) if date_format == "euro" else (three, one, two)
    try:
        first = datetime(year + (month - 1) // 12, (month - 1) % 12 + 1, 1)
        wall = first + timedelta(days=day - 1, hours=hours, minutes=minutes, seconds=seconds)
        return wall.replace(tzinfo=_zone(zone)).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


def in_zone(at: float, zone: str | None) -> datetime:
    """A moment by the clocks of that zone, which it names. Cores take any number for a time: beyond the years, their last day."""
    at = min(_LAST_S, max(_FIRST_S, at))
    return datetime.fromtimestamp(at, _zone(zone)).astimezone(_zone(zone))


def _zone(name: str | None) -> ZoneInfo | None:
    """None: this machine's."""
    if not name:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")  # what C libraries make of a zone they do not know
