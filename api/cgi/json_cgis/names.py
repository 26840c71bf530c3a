"""What selectors name, within the caller's sight; and the rule for one host name on two pollers.

The rule: hosts are ordered by poller number. In lists keyed by name, the first poller's host has the name alone, those of further
pollers have `NAME@POLLER`. `hostname=` (and every other option that names a host) takes either, so a key of a list always names
what stood under it; a host whose own name is written like that is found first. `poller=NAME` shows one poller alone, where
every host has its name alone. Groups, contacts, timeperiods and commands of one name are one, wherever they stand: the first
poller's words describe it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from api.cgi.json_cgis.options import Asked, Code, Mistake
from api.cgi.json_cgis.surface import POLLER
from engine.model import PollerView
from engine.state.configured import CHECK_COMMANDS, CONTACTS, TIMEPERIODS, used_handlers
from engine.state.groups import named_by_objects
from engine.state.scope import Condition, Scope, all_of
from engine.state.views import Reader


class Named(NamedTuple):
    """A host on one poller."""

    poller: int
    name: str


class Sight(msgspec.Struct, frozen=True):
    """What the caller sees of the pollers that are asked about."""

    reader: Reader
    scope: Scope
    pollers: tuple[PollerView, ...]
    keys_alone: bool  # no host name needs its poller beside it
    numbers_are_public: bool  # the cores' own numbers of comments and downtimes could be two things

    def rows(self, query: str, values: Sequence[object] = ()) -> list[Any]:
        """All rows of a query."""
        return self.reader.connection.execute(query, tuple(values)).fetchall()

    def hosts(self, poller: str, name: str) -> Condition:
        """The hosts in sight, over the expressions of a host's poller and name."""
        return all_of([self.on_pollers(poller), self.scope.sql(poller, name)])

    def services(self, poller: str, host: str, description: str) -> Condition:
        """The services in sight."""
        return all_of([self.on_pollers(poller), self.scope.sql(poller, host, description)])

    def on_pollers(self, poller: str) -> Condition:
        """On a poller asked about."""
        numbers = [view.number for view in self.pollers]
        if len(numbers) == 1:
            return f"{poller} = ?", numbers
        return f"{poller} IN ({','.join('?' * len(numbers))})", numbers

    @property
    def is_limited(self) -> bool:
        """The caller does not see everything on these pollers."""
        rights = self.scope.rights
        return self.scope.hostgroups is not None or (rights is not None and not rights.sees_everything)

    @property
    def is_many(self) -> bool:
        """More than one poller is asked about."""
        return len(self.pollers) > 1

    def poller_name(self, number: int) -> str:
        return next((view.name for view in self.pollers if view.number == number), str(number))


def sight_of(reader: Reader, scope: Scope, asked: Asked) -> Sight:
    """What is asked about. Raises Mistake for a poller that is not in sight."""
    views = every = reader.pollers(scope)
    wanted = asked.text(POLLER)
    if wanted is not None:
        views = tuple(view for view in views if view.name == wanted)
        if not views:
            raise Mistake(Code.VALUE_INVALID, f"The poller '{wanted}' could not be found.", asked.query)
    return Sight(reader, scope, views, len(views) <= 1, len(every) > 1)


# --- keys of lists ----------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class Keys:
    """Host names as keys of one list."""

    sight: Sight
    _doubled: dict[str, int] = field(default_factory=dict)  # name → the poller whose host has it alone

    def __post_init__(self) -> None:
        if not self.sight.keys_alone:
            where, values = self.sight.hosts("h.poller", "h.name")
            query = f"SELECT h.name, min(h.poller) FROM state.host h WHERE {where} GROUP BY h.name HAVING count(*) > 1"
            self._doubled = dict(self.sight.rows(query, values))

    def of(self, poller: int, name: str) -> str:
        """The key of that host."""
        if self._doubled.get(name, poller) == poller:
            return name
        return f"{name}@{self.sight.poller_name(poller)}"


# --- what is named ----------------------------------------------------------------------------------------------------------------


def host_named(sight: Sight, key: str) -> Named | None:
    """The host that has this key in lists."""
    found = _first_host(sight, key, None)
    if found is None and "@" in key and not sight.keys_alone:
        name, _, poller = key.rpartition("@")
        number = next((view.number for view in sight.pollers if view.name == poller), None)
        found = _first_host(sight, name, number) if number is not None else None
    return found


def _first_host(sight: Sight, name: str, poller: int | None) -> Named | None:
    where, values = sight.hosts("h.poller", "h.name")
    more = "" if poller is None else " AND h.poller = ?"
    query = f"SELECT h.poller, h.name FROM state.host h WHERE {where} AND h.name = ?{more} ORDER BY h.poller LIMIT 1"
    found = sight.rows(query, [*values, name, *([] if poller is None else [poller])])
    return Named(*found[0]) if found else None


def has_service(sight: Sight, host: Named, description: str) -> bool:
    """Is there that service on that host?"""
    where, values = sight.services("s.poller", "s.host_name", "s.description")
    query = f"SELECT 1 FROM state.service s WHERE s.poller = ? AND s.host_name = ? AND s.description = ? AND {where}"
    return bool(sight.rows(query, [host.poller, host.name, description, *values]))


def _exists(table: str) -> str:
    return f"SELECT 1 FROM state.{table} x WHERE {{where}} AND x.name = ? LIMIT 1"


_KIND = "SELECT 1 FROM state.object_group x WHERE {{where}} AND x.kind = '{0}' AND x.name = ? LIMIT 1"
_TABLES = {
    "hostgroup": _KIND.format("hostgroup"),
    "servicegroup": _KIND.format("servicegroup"),
    "contactgroup": _KIND.format("contactgroup"),
    "contact": _exists("contact"),
    "timeperiod": _exists("timeperiod"),
    "command": _exists("check_command"),
    "handler": _exists("check_command"),
}
# Which of them exist for somebody who does not see everything: those that his objects use, as in every dialect.
_USED: dict[str, Callable[[Scope], Condition]] = {
    "contact": CONTACTS.used,
    "contactgroup": lambda scope: named_by_objects(scope, "contact_groups", "x.poller", "x.name"),
    "timeperiod": TIMEPERIODS.used,
    "command": CHECK_COMMANDS.used,
    "handler": used_handlers,
}


def is_known(sight: Sight, kind: str, name: str) -> bool:
    """Is there a group, contact, timeperiod or command of that name?"""
    where, values = sight.on_pollers("x.poller")
    if sight.is_limited and kind in ("hostgroup", "servicegroup"):
        return _has_members_in_sight(sight, kind, name)
    if sight.is_limited:
        where, values = all_of([(where, values), _USED[kind](sight.scope)])
    return bool(sight.rows(_TABLES[kind].format(where=where), [*values, name]))


def _has_members_in_sight(sight: Sight, kind: str, name: str) -> bool:
    if kind == "hostgroup":
        where, values = sight.hosts("m.poller", "m.host_name")
    else:
        where, values = sight.services("m.poller", "m.host_name", "m.service_description")
    query = f"SELECT 1 FROM state.group_member m WHERE m.kind = ? AND m.name = ? AND {where} LIMIT 1"
    return bool(sight.rows(query, [kind, name, *values]))


# The options that name something, in the order in which the originals look: (option, kind, how it is called in their words).
_CHECKED: dict[str, tuple[tuple[str, str, str], ...]] = {
    "statusjson.cgi": (
        ("parenthost", "host or none", "parenthost"),
        ("childhost", "host or none", "childhost"),
        ("hostname", "host", "host"),
        ("hostgroup", "hostgroup", "hostgroup"),
        ("servicegroup", "servicegroup", "servicegroup"),
        ("contactgroup", "contactgroup", "contactgroup"),
        ("servicedescription", "service", ""),
        ("checktimeperiod", "timeperiod", "check timeperiod"),
        ("hostnotificationtimeperiod", "timeperiod", "host notification timeperiod"),
        ("servicenotificationtimeperiod", "timeperiod", "service notification timeperiod"),
        ("checkcommand", "command", "check command"),
        ("eventhandler", "handler", "event_handler"),
        ("contactname", "contact", "contact"),
    ),
    "objectjson.cgi": (
        ("parenthost", "host or none", "parenthost"),
        ("childhost", "host or none", "childhost"),
        ("hostname", "host", "host"),
        ("hostgroupmember", "host", "hostgroup member"),
        ("hostgroup", "hostgroup", "hostgroup"),
        ("servicegroup", "servicegroup", "servicegroup"),
        ("contactgroup", "contactgroup", "contactgroup"),
        ("servicedescription", "service", ""),
        ("contactname", "contact", "contact"),
        ("contactgroupmember", "contact", "contactgroup member"),
        ("timeperiod", "timeperiod", "timeperiod"),
        ("checktimeperiod", "timeperiod", "check timeperiod"),
        ("hostnotificationtimeperiod", "timeperiod", "host notification timeperiod"),
        ("servicenotificationtimeperiod", "timeperiod", "service notification timeperiod"),
        ("command", "command", "command"),
        ("checkcommand", "command", "check command"),
        ("eventhandler", "handler", "event handler"),
        ("masterhostname", "host", "master host"),
        ("masterhostgroupname", "hostgroup", "master hostgroup"),
        ("masterservicegroupname", "servicegroup", "master servicegroup"),
        ("dependenthostname", "host", "dependent host"),
        ("dependenthostgroupname", "hostgroup", "dependent hostgroup"),
        ("dependentservicegroupname", "servicegroup", "dependent servicegroup"),
    ),
    "archivejson.cgi": (
        ("parenthost", "host or none", "parenthost"),
        ("childhost", "host or none", "childhost"),
        ("hostgroup", "hostgroup", "hostgroup"),
        ("servicegroup", "servicegroup", "servicegroup"),
        ("contactgroup", "contactgroup", "contactgroup"),
        ("timeperiod", "timeperiod", "timeperiod"),
    ),
}


class Found(msgspec.Struct, frozen=True):
    """The hosts that options name; `None` as a value: none, or (of an archive's hostname) no longer there."""

    hosts: dict[str, Named | None]


def find_named(sight: Sight, asked: Asked) -> tuple[Found, list[Mistake]]:
    """Everything the options name, and which of it is not there."""
    found, mistakes = Found({}), []
    for option, kind, called in _CHECKED[asked.surface.name]:
        name = asked.text(option)
        if name is None:
            continue
        if kind == "service":
            mistakes += _service_mistakes(sight, asked, found, name)
        elif kind == "host or none" and name == "none":
            found.hosts[option] = None
        elif kind.startswith("host") and kind != "hostgroup":
            found.hosts[option] = host_named(sight, name)
            if found.hosts[option] is None:
                mistakes.append(_unknown(asked, f"The {called} '{name}' could not be found."))
        elif not is_known(sight, kind, name):
            mistakes.append(_unknown(asked, f"The {called} '{name}' could not be found."))
    if asked.surface.name == "objectjson.cgi":
        mistakes += _member_mistakes(sight, asked, found)
    if asked.surface.name == "archivejson.cgi" and (name := asked.text("hostname")) is not None:
        found.hosts["hostname"] = host_named(sight, name)
    start, end = asked.number("starttime"), asked.number("endtime")
    if 0 < end <= start:
        mistakes.append(_unknown(asked, "The requested start time must be before the end time."))
    return found, mistakes


def _unknown(asked: Asked, message: str, code: Code = Code.VALUE_INVALID) -> Mistake:
    return Mistake(code, message, asked.query)


def _service_mistakes(sight: Sight, asked: Asked, found: Found, description: str) -> list[Mistake]:
    if "hostname" not in found.hosts:
        return []
    host = found.hosts["hostname"]
    if host is not None and has_service(sight, host, description):
        return []
    return [_unknown(asked, f"The service '{description}' on host '{asked.text('hostname')}' could not be found.")]


def _member_mistakes(sight: Sight, asked: Asked, found: Found) -> list[Mistake]:
    """A member of servicegroups is named by two options."""
    host, service = asked.text("servicegroupmemberhost"), asked.text("servicegroupmemberservice")
    if host is None and service is None:
        return []
    if host is None or service is None:
        text = "If either the servicegroupmemberhost or servicegroupmemberservice is specified, both must be specified."
        return [_unknown(asked, text, Code.VALUE_MISSING)]
    named = found.hosts["servicegroupmemberhost"] = host_named(sight, host)
    if named is not None and has_service(sight, named, service):
        return []
    return [_unknown(asked, f"The servicegroup member service '{service}' on host '{host}' could not be found.")]
