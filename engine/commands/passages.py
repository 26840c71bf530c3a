"""What a log alone tells of downtimes: from when to when an object was in one, and which command may have asked for it. Pure.

A core says when an object comes into downtime and when it leaves it, not which downtime that was; who asked stands in the line of
the command. So a period is certain, its author only where exactly one command fits it: one that names the object, else one for a
group that it is in. Downtimes that overlap are one period; one
that was deleted before it began leaves none.

**Source**: Nagios 4.4.6 common/downtime.c logs STARTED when the first downtime takes effect (again after a restart), STOPPED and
CANCELLED when the last one ends; Icinga 2.13.6 lib/compat/compatlogger.cpp logs each; tests/golden/*/core.log.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from engine.formats.logentry import EntryType, LogEntry

# Their arguments are alike: host or group;[service;]start;end;fixed;trigger;duration;author;comment.
_HOST_COMMANDS = (
    "SCHEDULE_HOST_DOWNTIME",
    "SCHEDULE_AND_PROPAGATE_HOST_DOWNTIME",
    "SCHEDULE_AND_PROPAGATE_TRIGGERED_HOST_DOWNTIME",
)
_ALL_SERVICES = "SCHEDULE_HOST_SVC_DOWNTIME"
_SERVICE = "SCHEDULE_SVC_DOWNTIME"
# For the members of a group, which the log does not name: the kind of group, and whether it is for services.
_GROUP_COMMANDS = {
    "SCHEDULE_HOSTGROUP_HOST_DOWNTIME": ("hostgroup", False),
    "SCHEDULE_HOSTGROUP_SVC_DOWNTIME": ("hostgroup", True),
    "SCHEDULE_SERVICEGROUP_HOST_DOWNTIME": ("servicegroup", False),
    "SCHEDULE_SERVICEGROUP_SVC_DOWNTIME": ("servicegroup", True),
}
COMMANDS = (*_HOST_COMMANDS, _ALL_SERVICES, _SERVICE, *_GROUP_COMMANDS)
SLACK_S = 5.0  # a core that is busy begins downtimes late
LATE_S = 90.0  # Icinga 2 looks once a minute which have ended

Place = tuple[str, str]  # host, service or ""


class Asked(NamedTuple):
    """A downtime as a command asked for it, at the second the core logged it."""

    at: int
    start: int
    end: int
    fixed: bool
    duration: int
    author: str
    comment: str

    def until(self, began: int) -> int:
        """When it is over if it began then."""
        return self.end if self.fixed else began + self.duration

    def is_of_use(self, now: int) -> bool:
        """May it still be the one that begins or ends then?"""
        return self.end + self.duration >= now

    def fits(self, period: Period) -> bool:
        """May it have been this one that began and ended there?"""
        first = max(self.start, self.at)
        begins = abs(first - period.start) <= SLACK_S if self.fixed else first - SLACK_S <= period.start <= self.end
        return begins and period.end <= self.until(period.start) + LATE_S


class OfGroup(NamedTuple):
    """The same for the members of a group; `kind`: hostgroup or servicegroup."""

    kind: str
    group: str
    asked: Asked


class Period(NamedTuple):
    """An object was in downtime from `start` to `end`, seconds of the core's clock. `asked`: the one command that fits, if any.

    `perhaps`: where no command that fits names the object, those that do for groups: it may be in one of these.
    """

    host: str
    service: str
    start: int
    end: int
    cancelled: bool
    asked: Asked | None = None
    perhaps: tuple[OfGroup, ...] = ()

    @property
    def ended(self) -> float:
        """When it was over: a core may see late that one has come to its end."""
        if self.cancelled or self.asked is None:
            return self.end
        return min(self.end, self.asked.until(self.start))


@dataclass(slots=True)
class Passages:
    """Reads the entries of one core's log in their order."""

    _began: dict[Place, int] = field(default_factory=dict)
    _asked: dict[Place, list[Asked]] = field(default_factory=dict)
    _of_all_services: dict[str, list[Asked]] = field(default_factory=dict)
    _of_groups: dict[bool, list[OfGroup]] = field(default_factory=dict)  # by whether they are for services

    def read(self, entry: LogEntry) -> Iterator[Period]:
        """The period that ends with this entry, if one does."""
        if entry.type is EntryType.EXTERNAL_COMMAND:
            self._read_command(entry)
        elif entry.type is EntryType.DOWNTIME:
            place = entry.host, entry.service
            if entry.word == "STARTED":
                self._began[place] = self._start_of(place, entry.at)
            elif (began := self._began.pop(place, None)) is not None and entry.word in ("STOPPED", "CANCELLED"):
                period = Period(*place, began, entry.at, entry.word == "CANCELLED")
                yield self._explained(period)

    def _start_of(self, place: Place, at: int) -> int:
        """Of two beginnings without an end between: the first, if a command fits that lasts until now, else the second.

        A core that starts again says so of a downtime that goes on; it says nothing of one that ended while it was down.
        """
        began = self._began.get(place, at)
        so_far = Period(*place, began, at, False)
        return began if any(one.fits(so_far) and one.until(began) >= at for one in self._known(place)) else at

    def _read_command(self, entry: LogEntry) -> None:
        names = 2 if entry.command == _SERVICE else 1
        fields = entry.text.split(";", names + 6)
        asked = _asked(entry.at, fields[names:])
        if entry.command not in COMMANDS or asked is None:
            return
        if entry.command in _GROUP_COMMANDS:
            kind, for_services = _GROUP_COMMANDS[entry.command]
            of_groups = self._of_groups.setdefault(for_services, [])
            of_groups[:] = [one for one in of_groups if one.asked.is_of_use(entry.at)]
            of_groups.append(OfGroup(kind, fields[0], asked))
            return
        if entry.command == _ALL_SERVICES:
            known = self._of_all_services.setdefault(fields[0], [])
        else:
            known = self._asked.setdefault((fields[0], fields[1] if names == 2 else ""), [])
        known[:] = [one for one in known if one.is_of_use(entry.at)]
        known.append(asked)

    def _explained(self, period: Period) -> Period:
        fitting = [one for one in self._known(period[:2]) if one.fits(period)]
        if fitting:
            return period._replace(asked=only_one(fitting))
        return period._replace(
            perhaps=tuple(one for one in self._of_groups.get(bool(period.service), ()) if one.asked.fits(period))
        )

    def _known(self, place: Place) -> list[Asked]:
        host, service = place
        return [*self._asked.get(place, ()), *(self._of_all_services.get(host, ()) if service else ())]


def only_one(fitting: Iterable[Asked]) -> Asked | None:
    """The one that all of these are, None of several or none: twice the same has one meaning."""
    meanings = {one[1:]: one for one in fitting}
    return next(iter(meanings.values())) if len(meanings) == 1 else None


def _asked(at: int, fields: list[str]) -> Asked | None:
    """`start;end;fixed;trigger;duration;author;comment`."""
    numbers = [field if field.isascii() and field.isdigit() and len(field) < 12 else "" for field in fields[:5]]
    if len(fields) != 7 or not all(numbers):
        return None
    start, end, fixed, _, duration = map(int, numbers)
    return Asked(at, start, end, fixed > 0, duration, fields[5], fields[6])
