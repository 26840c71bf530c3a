"""What lists of the configuration are made of: rows of contacts, timeperiods, a core's commands and groups, and what can be named
of each in a search.

Rules as in fields.py. A group's row is that of the first poller whose part of it is within scope; a test of what stands in the
group holds if it holds for one of its members that are. `hosts.X` and `services.X` count those, as totals do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from msgspec.structs import replace

from engine.state.configured import CHECK_COMMANDS, CONTACTS, TIMEPERIODS, seen
from engine.state.configured import Table as Configured
from engine.state.fields import (
    HOSTS,
    POLLER_WORDS,
    SERVICES,
    Field,
    Link,
    Table,
    Type,
    Variables,
    below,
    poller_fields,
    variable_in,
)
from engine.state.groups import Kind, visible_groups
from engine.state.lists import Source
from engine.state.scope import EVERYTHING, Condition, Scope, all_of, written_out

# --- contacts, timeperiods, commands ------------------------------------------------------------------------------------------

_BY_NAME = ("x.name", "x.poller")


def _texts(alias: str, *names: str) -> dict[str, Field]:
    return {name: Field(f"{alias}.{name}") for name in names}


def _now(name: str) -> str:
    """What the status file says of a contact."""
    return f"(SELECT cs.{name} FROM state.contact_status cs WHERE cs.poller = x.poller AND cs.name = x.name)"


def _elements(table: str, name: str, value: str = "j.value") -> Field:
    """The elements of a list, as text."""
    return Field(value, links=(Link("x.rowid", "l.rowid", f"state.{table} l, json_each(l.{name}) j"),))


def _contactgroups_seen(scope: Scope) -> Condition:
    return all_of(visible_groups(scope, "contactgroup", alias="mm"))


def _contactgroups() -> Field:
    own, other = "x.poller, x.name", "mm.poller, mm.host_name"
    link = Link(own, other, "state.group_member mm", "mm.kind = 'contactgroup'", seen=_contactgroups_seen)
    return Field("mm.name", links=(link,))


_SWITCHES = ("host_notifications_enabled", "service_notifications_enabled")
_PERIODS = ("host_notification_period", "service_notification_period")
_CONTACT_FIELDS = {
    **_texts("x", "name", "alias", "email", "pager", "host_notification_options", "service_notification_options"),
    **poller_fields("x"),
    "can_submit_commands": Field("x.can_submit_commands <> 0", Type.FLAG),
    **{name: Field(f"coalesce({_now(name)}, x.{name}) <> 0", Type.FLAG) for name in _SWITCHES},
    **{name: Field(f"coalesce(nullif({_now(name)}, ''), x.{name})") for name in _PERIODS},
    **{
        name: Field(f"nullif({_now(name)}, 0)", Type.TIME)
        for name in ("last_host_notification", "last_service_notification")
    },
    **{name: _elements("contact", name) for name in ("host_notification_commands", "service_notification_commands")},
    **dict.fromkeys(("contactgroups", "contactgroup"), _contactgroups()),
}  # fmt: skip
_CONTACT_VARIABLE = f"coalesce({variable_in(_now('custom_variables'))}, {variable_in('x.custom_variables')})"
_OWN_VARIABLES = ("variable.", "_")


def _configured(of: Configured[Any], fields: Mapping[str, Field], *variables: Variables) -> Source:
    return Source(f"state.{of.name} x", Table(fields, _BY_NAME, variables), partial(_seen, of))


def _seen(of: Configured[Any], scope: Scope) -> Condition:
    return seen(scope, of)


CONTACT_ROWS = _configured(CONTACTS, _CONTACT_FIELDS, Variables(_OWN_VARIABLES, _CONTACT_VARIABLE))
TIMEPERIOD_ROWS = _configured(
    TIMEPERIODS,
    {
        **_texts("x", "name", "alias"),
        **poller_fields("x"),
        "exclude": _elements("timeperiod", "exclude"),
        "ranges": _elements("timeperiod", "ranges", "(j.value ->> 0) || ' ' || (j.value ->> 1)"),
        "ranges.day": _elements("timeperiod", "ranges", "j.value ->> 0"),
        "ranges.hours": _elements("timeperiod", "ranges", "j.value ->> 1"),
    },
)
CHECK_COMMAND_ROWS = _configured(
    CHECK_COMMANDS,
    {**_texts("x", "name", "line"), **poller_fields("x")},
    Variables(_OWN_VARIABLES, variable_in("x.custom_variables")),
)

# --- groups -------------------------------------------------------------------------------------------------------------------

_MEMBER_KEY = ("mm.poller", "mm.host_name", "mm.service_description")
_OF_HOST = "h.poller = mm.poller AND h.name = mm.host_name"
_OF_SERVICE = "s.poller = mm.poller AND s.host_name = mm.host_name"


def _visible(kind: Kind) -> Callable[[Scope], Condition]:
    return lambda scope: all_of(visible_groups(scope, kind, alias="v"))


def _own_fields(kind: Kind, *texts: str) -> dict[str, Field]:
    def members(scope: Scope) -> str:
        within = written_out(_contactgroups_seen(scope) if kind == "contactgroup" else scope.sql(*_MEMBER_KEY))
        return f"(SELECT count(*) FROM state.group_member mm WHERE mm.kind = '{kind}' AND mm.name = g.name AND ({within}))"

    def on(words: str) -> Field:
        source = f"state.object_group v JOIN {words} pw ON pw.number = v.poller"
        return Field("pw.word", links=(Link("g.name", "v.name", source, f"v.kind = '{kind}'", seen=_visible(kind)),))

    return {
        **_texts("g", "name", "alias", *texts),
        "member_count": Field(members(EVERYTHING), Type.INTEGER, counted=members),
        "poller": on(POLLER_WORDS),
        **dict.fromkeys(("pollers", "poller.name", "poller_name"), on("(SELECT number, name AS word FROM state.poller)")),
    }


def _members(kind: Kind, rows: str) -> Link:
    return Link("g.name", "mm.name", f"state.group_member mm CROSS JOIN {rows}", f"mm.kind = '{kind}'", named=_MEMBER_KEY)


def _counted(source: str, row: str, seen: Callable[[Scope], Condition], test: str) -> Field:
    def count(scope: Scope) -> str:
        where = f"mm.name = g.name AND {test} AND ({written_out(seen(scope))})"
        return f"(SELECT count(DISTINCT {row}.rowid) FROM {source} WHERE {where})"

    return Field(count(EVERYTHING), Type.INTEGER, counted=count)


def _services_seen(scope: Scope) -> Condition:
    """Only a contact may see one service of a host and not another: for all others each member is looked at once."""
    return scope.sql(*_MEMBER_KEY[:2]) if scope.rights is None else scope.sql("s.poller", "s.host_name", "s.description")


def _totals(kind: Kind) -> dict[str, Field]:
    """What `tactical` counts of a group's hosts and services, word for word."""
    single = "" if kind == "hostgroup" else " AND s.description = mm.service_description"
    members = f"state.group_member mm CROSS JOIN {{}} AND mm.kind = '{kind}'"
    hosts = members.format(f"state.host h ON {_OF_HOST}")
    services = members.format(f"state.service s ON {_OF_SERVICE}{single}")
    return {
        f"hosts.{name}": _counted(hosts, "h", lambda scope: scope.sql(*_MEMBER_KEY[:2]), test)
        for name, test in _tests("h", HOSTS, ("up", "down", "unreachable")).items()
    } | {
        f"services.{name}": _counted(services, "s", _services_seen, test)
        for name, test in (_tests("s", SERVICES, ("ok", "warning", "critical", "unknown")) | {"hidden": _HIDDEN}).items()
    }


_SWITCHED = {
    "checks_disabled": "checks_enabled",
    "passive_checks_disabled": "accept_passive_checks",
    "notifications_disabled": "notifications_enabled",
    "event_handler_disabled": "event_handler_enabled",
    "flap_detection_disabled": "flap_detection_enabled",
}
_HOST_PROBLEM = SERVICES.fields["host.problem"]
_HIDDEN = f"{SERVICES.fields['problem'].sql} AND {_HOST_PROBLEM.links[0].holding(_HOST_PROBLEM.sql)}"


def _tests(alias: str, table: Table, states: tuple[str, ...]) -> dict[str, str]:
    own = {name: f"({table.fields[name].sql})" for name in ("problem", "handled", "unhandled", "acknowledged", "in_downtime")}
    tests = {word: f"{alias}.has_been_checked <> 0 AND {alias}.state = {state}" for state, word in enumerate(states)}
    tests |= {"total": "1", "pending": f"{alias}.has_been_checked = 0", "unhandled": own["unhandled"]}
    tests |= {"handled": f"{own['problem']} AND {own['handled']}", "flapping": f"{alias}.is_flapping <> 0"}
    tests |= {name: own[name] for name in ("acknowledged", "in_downtime")}
    return tests | {word: f"{alias}.{switch} = 0" for word, switch in _SWITCHED.items()}


def _groups(kind: Kind, fields: Mapping[str, Field], *variables: Variables) -> Source:
    def first_seen(scope: Scope) -> Condition:
        where, values = _visible(kind)(scope)
        first = f"SELECT v.rowid AS number, min(v.poller) FROM state.object_group v WHERE {where} GROUP BY v.name"
        return f"g.rowid IN (SELECT number FROM ({first}))", values

    return Source("state.object_group g", Table(fields, ("g.name",), variables), first_seen)


def _of_objects(kind: Kind, table: Table, link: Link, names: Mapping[str, str]) -> Source:
    """A group of hosts or services: its own fields, its totals, and what can be named of its members."""
    found = {name: below(link, field) for name, field in table.fields.items() if name.startswith(("host.", "service."))}
    found |= {name: below(link, table.fields[of]) for name, of in names.items()}
    own = _own_fields(kind, "notes", "notes_url", "action_url")
    variables = (replace(one, links=(link, *one.links)) for one in table.variables)
    return _groups(kind, found | own | _totals(kind), *variables)


HOSTGROUP_ROWS = _of_objects(
    "hostgroup",
    HOSTS,
    _members("hostgroup", f"state.host h ON {_OF_HOST}"),
    {"host": "name", "service": "service", "servicegroup": "servicegroup"},
)
SERVICEGROUP_ROWS = _of_objects(
    "servicegroup",
    SERVICES,
    _members("servicegroup", f"state.service s ON {_OF_SERVICE} AND s.description = mm.service_description"),
    {"host": "host", "service": "service", "hostgroup": "hostgroup"},
)


_CONTACT = Link("g.name", "mm.name", "state.group_member mm", "mm.kind = 'contactgroup'", seen=_contactgroups_seen)
CONTACTGROUP_ROWS = _groups("contactgroup", {**_own_fields("contactgroup"), "contact": Field("mm.host_name", links=(_CONTACT,))})
GROUP_ROWS: Mapping[Kind, Source] = {
    "hostgroup": HOSTGROUP_ROWS,
    "servicegroup": SERVICEGROUP_ROWS,
    "contactgroup": CONTACTGROUP_ROWS,
}
