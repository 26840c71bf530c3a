"""How long an object was in which state, by the original's arithmetic. Pure.

A report walks the entries of one object and the starts and stops of its core, oldest first. Between two entries the object is in
the state that the former left it in: counted as scheduled while a downtime is on, as not running while the core is (unless states
are assumed to go on), as without data while no state is known. What stands before the window says what was so at its
beginning; the first entry within says it for the core itself when nothing stands before.

Source: Nagios 4.4.6 archivejson.cgi, run beside ours. Where it errs (its present state of hosts, its assumed present state of
services) ours does not; `differences.json` tells.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from api.cgi.json_cgis.timeranges import Spans

_DAY_S = 86400


class Of(Enum):
    """What an entry is about."""

    STATE = "state"  # of the object; `value` is its number
    DOWNTIME = "downtime"  # `value` 1: began, 0: ended
    PROGRAM = "program"  # `value` 1: started, 0: stopped


class Entry(NamedTuple):
    at: int
    of: Of
    value: int


class Report(msgspec.Struct, frozen=True):
    """What is asked for, in seconds. `present`: the object's state now, None while it was never checked.

    `assumed`: the state before the first one known, None for none. `week`: when time counts, by day of the week; None: always.
    `zone`: where these days are (None: this machine's zone).
    """

    start: int
    end: int
    now: int
    assumed: int | None = None
    through_stops: bool = True
    week: Mapping[int, Spans] | None = None
    zone: ZoneInfo | None = None


class Spent(NamedTuple):
    """Where time went: a state (None: none known), whether in a downtime; `running` False: the core was not."""

    state: int | None
    in_downtime: bool = False
    running: bool = True


def spent(entries: Sequence[Entry], report: Report, present: int | None) -> Counter[Spent]:
    """Seconds by where they went. `entries`: oldest first; of those before the window, the last of each kind are enough."""
    counted: Counter[Spent] = Counter()
    if report.start > report.now:
        return counted
    entries = list(entries)
    if present is not None and report.start < report.now <= report.end and not any(entry.of is Of.STATE for entry in entries):
        entries = _with(entries, Entry(report.start, Of.STATE, present))
    state = next((entry.value for entry in reversed(entries) if entry.of is Of.STATE and entry.at < report.start), None)
    state = report.assumed if state is None else state
    downtime = next(
        (bool(entry.value) for entry in reversed(entries) if entry.of is Of.DOWNTIME and entry.at < report.start), False
    )
    _walk(counted, entries, report, Spent(state, downtime, _running_at_start(entries, report.start)))
    return counted


def _with(entries: Sequence[Entry], one: Entry) -> list[Entry]:
    return sorted([*entries, one], key=lambda entry: entry.at)


def _running_at_start(entries: Sequence[Entry], start: int) -> bool:
    """Whether the core ran when the window began, as far as anything is known of it."""
    before = [entry for entry in entries if entry.at < start]
    if before:
        return before[-1].of is not Of.PROGRAM or bool(before[-1].value)
    return not entries or entries[0].of is not Of.PROGRAM or not entries[0].value


def _walk(counted: Counter[Spent], entries: Sequence[Entry], report: Report, now: Spent) -> None:
    last = report.start
    for entry in entries:
        if entry.at < report.start:
            continue
        at = min(entry.at, report.end)
        _count(counted, now, last, at, report)
        last = at
        if entry.at >= report.end:
            return
        now = _after(now, entry)
    _count(counted, now, last, min(report.now, report.end), report)


def _after(now: Spent, entry: Entry) -> Spent:
    match entry.of:
        case Of.STATE:
            return now._replace(state=entry.value)
        case Of.DOWNTIME:
            return now._replace(in_downtime=bool(entry.value))
        case Of.PROGRAM:
            return now._replace(running=bool(entry.value))


def _count(counted: Counter[Spent], now: Spent, start: int, end: int, report: Report) -> None:
    if end <= start:
        return
    if not now.running and report.through_stops:
        now = now._replace(running=True)
    where = Spent(None, running=False) if not now.running else now if now.state is not None else Spent(None)
    counted[where] += end - start if report.week is None else _within(start, end, report.week, report.zone)


def _within(start: int, end: int, week: Mapping[int, Spans], zone: ZoneInfo | None) -> int:
    """Seconds that lie in the timeperiod. Days are of 24 hours from the first one's midnight on, as the original has it."""
    local = datetime.fromtimestamp(start, zone)
    midnight = int(local.replace(hour=0, minute=0, second=0, microsecond=0).timestamp())
    weekday = local.isoweekday() % 7
    total = 0
    while midnight < end:
        since, until = max(0, start - midnight), min(_DAY_S, end - midnight)
        total += sum(max(0, min(upper, until) - max(lower, since)) for lower, upper in week.get(weekday, ()))
        midnight += _DAY_S
        weekday = (weekday + 1) % 7
    return total
