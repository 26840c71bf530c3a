"""Times and durations as people write them → epoch seconds. Pure.

A time is RFC 3339 with its offset, epoch seconds, or relative to now (`now`, `+2h`, `-5m`, `+1d12h`). A time without offset is
refused: nobody can tell which midnight is meant, and a downtime an hour off is worse than none.
"""

from __future__ import annotations

import math
import re
from datetime import UTC, datetime, timedelta

from engine.errors import InvalidField

LAST_SECOND = 2**32 - 1  # what a core's unsigned 32-bit arithmetic can be trusted with
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(?:([Zz])|([+-])(\d\d):?(\d\d))?", re.ASCII
)  # fmt: skip
_RELATIVE = re.compile(r"([+-])((?:\d+[smhdw])+)", re.ASCII)
_SPAN = re.compile(r"(?:\d+[smhdw])+", re.ASCII)
_PART = re.compile(r"(\d+)([smhdw])", re.ASCII)
_EPOCH = re.compile(r"\d{1,12}(\.\d{1,9})?", re.ASCII)
_UNIT_S = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_TEXT = 64
TIME_FORMS = "RFC 3339 with its offset (2026-11-24T10:00:00+01:00), epoch seconds, or relative to now (now, +2h, -5m)"
SPAN_FORMS = "seconds, or text like 90m, 2h, 1d12h (units s m h d w)"


def parse_time(value: str | int | float, field: str, now: float) -> float:
    """Epoch seconds of a time as written. Raises InvalidField naming `field`."""
    seconds = _text_time(value.strip(), field, now) if isinstance(value, str) else _number(value)
    if not math.isfinite(seconds) or not 0 < seconds <= LAST_SECOND:
        raise InvalidField(f"{field} lies outside what a core can hold (1970 to 2106).", field=field)
    return seconds


def parse_duration(value: str | int | float, field: str) -> float:
    """Seconds of a duration as written, above 0. Raises InvalidField naming `field`."""
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST_TEXT or not (_SPAN.fullmatch(text) or _EPOCH.fullmatch(text)):
            raise InvalidField(f"{field} is not a duration: write {SPAN_FORMS}.", field=field)
        seconds = _span_s(text) if _SPAN.fullmatch(text) else float(text)
    else:
        seconds = _number(value)
    if not math.isfinite(seconds) or not 0 < seconds <= LAST_SECOND:
        raise InvalidField(f"{field} must be above 0 and at most {LAST_SECOND} seconds.", field=field)
    return seconds


def parse_end(value: str | int | float, field: str, now: float) -> float:
    """Epoch seconds of when something ends: a time as written, or a span like `2h` from now. Raises InvalidField naming `field`."""
    if isinstance(value, str) and _SPAN.fullmatch(value.strip()):
        return parse_time(f"+{value.strip()}", field, now)
    return parse_time(value, field, now)


def _text_time(text: str, field: str, now: float) -> float:
    if text == "now":
        return now
    if len(text) <= _LONGEST_TEXT:
        if relative := _RELATIVE.fullmatch(text):
            return now + _span_s(relative[2]) * (1 if relative[1] == "+" else -1)
        if _EPOCH.fullmatch(text):
            return float(text)
        if written := _RFC3339.fullmatch(text):
            return _instant(written, field)
    raise InvalidField(f"{field} is not a time: write {TIME_FORMS}.", field=field)


def _instant(written: re.Match[str], field: str) -> float:
    year, month, day, hour, minute, second, fraction, zulu, sign, offset_hours, offset_minutes = written.groups()
    if not zulu and not sign:
        raise InvalidField(
            f"{field} says no offset, so it could be any of 24 hours: write {written[0]}Z for UTC or {written[0]}+01:00.",
            field=field,
        )
    seconds = int(second or 0)
    try:
        # RFC 3339 allows second 60; datetime does not, and to a core it is the next minute's second 0 anyway.
        instant = datetime(int(year), int(month), int(day), int(hour), int(minute), min(seconds, 59), tzinfo=UTC)
        offset = timedelta(hours=int(offset_hours or 0), minutes=int(offset_minutes or 0)) * (-1 if sign == "-" else 1)
        if seconds > 60 or int(offset_hours or 0) > 23 or int(offset_minutes or 0) > 59:
            raise ValueError
        return (instant - offset).timestamp() + (1 if seconds == 60 else 0) + float(fraction or 0)
    except (ValueError, OverflowError):
        raise InvalidField(f"{field} names a day or an hour that does not exist.", field=field) from None


def _span_s(text: str) -> float:
    return float(sum(int(number) * _UNIT_S[unit] for number, unit in _PART.findall(text)))


def _number(value: int | float) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf
