"""The ranges of a timeperiod as the object cache writes them, told apart: days of the week, and exceptions by their kind. Pure.

Source: Nagios 4.4.6 objects.cache (fcache_timeperiod) and objectjson.cgi `query=timeperiod`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November", "December",
)  # fmt: skip
_DAY = "|".join(day.lower() for day in DAYS)
_MONTH = "|".join(month.lower() for month in _MONTHS)
_NUMBER = r"-?\d+"
_EVERY = r"(?: / (?P<every>\d+))?"
_FORMS = (
    ("DATERANGE_CALENDAR_DATE", rf"(?P<date>\d{{4}}-\d\d-\d\d)(?: - (?P<enddate>\d{{4}}-\d\d-\d\d))?{_EVERY}"),
    (
        "DATERANGE_MONTH_DATE",
        rf"(?P<month>{_MONTH}) (?P<day>{_NUMBER})(?: - (?:(?P<endmonth>{_MONTH}) )?(?P<endday>{_NUMBER}))?{_EVERY}",
    ),
    ("DATERANGE_MONTH_DAY", rf"day (?P<day>{_NUMBER})(?: - (?P<endday>{_NUMBER}))?{_EVERY}"),
    (
        "DATERANGE_MONTH_WEEK_DAY",
        rf"(?P<weekday>{_DAY}) (?P<weekdayoffset>{_NUMBER}) (?P<month>{_MONTH})"
        rf"(?: - (?P<endweekday>{_DAY}) (?P<endweekdayoffset>{_NUMBER}) (?P<endmonth>{_MONTH}))?{_EVERY}",
    ),
    (
        "DATERANGE_WEEK_DAY",
        rf"(?P<weekday>{_DAY}) (?P<weekdayoffset>{_NUMBER})"
        rf"(?: - (?P<endweekday>{_DAY}) (?P<endweekdayoffset>{_NUMBER}))?{_EVERY}",
    ),
)
_READ = tuple((kind, re.compile(form, re.IGNORECASE)) for kind, form in _FORMS)
_RANGE = re.compile(r"(\d{1,2}):(\d\d)(?::(\d\d))?-(\d{1,2}):(\d\d)(?::(\d\d))?")

Spans = tuple[tuple[int, int], ...]
"""Seconds of a day, from and to."""


def spans(text: str) -> Spans:
    """`08:00-12:00,13:00-17:30` as seconds of the day."""
    found = (_RANGE.fullmatch(part.strip()) for part in text.split(","))
    return tuple((_seconds(one.groups()[:3]), _seconds(one.groups()[3:])) for one in found if one)


def _seconds(parts: Sequence[str | None]) -> int:
    hours, minutes, seconds = (int(part or 0) for part in parts)
    return hours * 3600 + minutes * 60 + seconds


def week(ranges: Iterable[tuple[str, str]]) -> dict[int, Spans]:
    """By day of the week, 0 Sunday: when it applies. Exceptions are left out, as in the originals' reports."""
    numbers = {day.lower(): number for number, day in enumerate(DAYS)}
    return {numbers[key.lower()]: spans(value) for key, value in ranges if key.lower() in numbers}


def days(ranges: Iterable[tuple[str, str]]) -> dict[str, list[dict[str, str]]]:
    """The days of the week that are named."""
    named = week(ranges)
    return {DAYS[number]: _written(named[number]) for number in sorted(named)}


def exceptions(ranges: Iterable[tuple[str, str]]) -> list[dict[str, object]]:
    """Everything about other days than those of the week, by kind."""
    found: dict[str, list[dict[str, object]]] = {kind: [] for kind, _ in _READ}
    for key, value in ranges:
        for kind, form in _READ:
            match = form.fullmatch(key)
            if match is not None:
                found[kind].append(_exception(kind, match.groupdict(), value))
                break
    return [exception for kind in found for exception in found[kind]]


def _exception(kind: str, said: Mapping[str, str | None], value: str) -> dict[str, object]:
    begin = {name: _word(text) for name, text in said.items() if text is not None and not name.startswith(("end", "every"))}
    end = {name[3:]: _word(text) for name, text in said.items() if text is not None and name.startswith("end")}
    if kind == "DATERANGE_MONTH_DATE" and end:
        end = {"month": end.get("month", begin["month"]), "day": end["day"]}
    order = _ORDER[kind]
    described: dict[str, object] = {"type": kind}
    if not end or end == begin:
        described |= {name: begin[name] for name in order}
    else:
        described |= {f"start{name}": begin[name] for name in order} | {f"end{name}": end[name] for name in order}
    if said["every"]:
        described["skip_interval"] = int(said["every"])
    return described | {"times": _written(spans(value))}


_ORDER: Mapping[str, tuple[str, ...]] = {
    "DATERANGE_CALENDAR_DATE": ("date",),
    "DATERANGE_MONTH_DATE": ("month", "day"),
    "DATERANGE_MONTH_DAY": ("day",),
    "DATERANGE_MONTH_WEEK_DAY": ("month", "weekday", "weekdayoffset"),
    "DATERANGE_WEEK_DAY": ("weekday", "weekdayoffset"),
}


def _word(text: str) -> object:
    return int(text) if re.fullmatch(_NUMBER, text) else text.capitalize() if text.isalpha() else text


def _written(found: Spans) -> list[dict[str, str]]:
    return [{"range_start": _clock(start), "range_end": _clock(end)} for start, end in found]


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
