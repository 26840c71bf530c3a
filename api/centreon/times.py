"""Times and ages in the dialect's form: ISO 8601 with an offset. Pure.

Written with whole seconds in the zone of the caller whose request is being answered, in UTC with `Z` for one who has none. Taken
with `Z`, `+02:00` or `+0200`, with or without seconds and fractions; a time without offset means something else on every machine
and is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from api.render import rfc3339_or_none
from engine.errors import InvalidField

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND = 253_402_300_799  # of the year 9999
_LAST_DAY = _LAST_SECOND - 86_400  # whose seconds have a name in every zone
_zone: ContextVar[ZoneInfo | None] = ContextVar("zone", default=None)
_FORM = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?(Z|[+-][0-9]{2}:?[0-9]{2})")
_UNITS = (("y", 31_536_000), ("M", 2_592_000), ("w", 604_800), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


def parse_time(text: str, field: str) -> float:
    """Epoch seconds of an ISO 8601 time with offset. Raises InvalidField naming `field`."""
    if _FORM.fullmatch(text):
        try:
            return (datetime.fromisoformat(text) - _EPOCH).total_seconds()
        except ValueError:
            pass
    raise InvalidField(
        f'[{field}] Invalid datetime "{text[:60]}", expected ISO 8601 with an offset, as in 2020-01-03T10:16:00+01:00.', field=field
    )


@contextmanager
def in_zone(name: str) -> Iterator[None]:
    """Times are written in that zone until the block ends, in this task and the threads it waits for; "" = UTC.

    A zone that this machine no longer knows is UTC, too: a time is right in any.
    """
    before = _zone.set(_known_zone(name))
    try:
        yield
    finally:
        _zone.reset(before)


def iso_time(epoch: float | None) -> str | None:
    """That second in the caller's zone; None for "never" (0) and "not known". Beyond the year 9999, which nobody reads: its end."""
    return _written(int(epoch), _zone.get()) if epoch else None


@lru_cache(maxsize=16_384)  # the same rows are shown again and again; an entry is some 250 bytes
def _written(second: int, zone: ZoneInfo | None) -> str | None:
    if zone is None:
        return rfc3339_or_none(min(max(second, 0), _LAST_SECOND))
    return datetime.fromtimestamp(min(max(second, 1), _LAST_DAY), zone).isoformat()


@lru_cache(maxsize=100)
def _known_zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def age_words(since: float, now: float) -> str | None:
    """The age in its two largest units, as in `2h 5m`; None when `since` is never."""
    if not since:
        return None
    rest, largest = max(int(now - since), 0), ""
    for unit, size in _UNITS:
        if rest >= size:
            count, rest = divmod(rest, size)
            if largest:
                return f"{largest} {count}{unit}"
            largest = f"{count}{unit}"
    return largest or "0s"
