"""Host- and servicegroups searched by what stands in them, and what stands in them as a caller may see it.

Rules: a group is found when one of its members that are within scope passes the whole search, so a group without such a member is
none; of one name on several pollers it is one group. Conditions are over the aliases `g` (the group) and `h` or `s` (a member).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

import msgspec
import orjson

from engine.state.fields import HOSTS, PENDING, SERVICES, Field, Table, Type, names_others
from engine.state.scope import Condition, Scope, all_of
from engine.state.search import order_key
from engine.state.views import Reader

Kind = Literal["hostgroup", "servicegroup"]
_OWN = {"id": Field("g.id", Type.INTEGER), "name": Field("g.name"), "alias": Field("g.alias")}


def _of_members(table: Table) -> dict[str, Field]:
    own = ("host.", "service.", "poller.")
    return {name: field for name, field in table.fields.items() if name.startswith(own) and not names_others(field)}


HOSTGROUPS = Table(_of_members(HOSTS) | _OWN, ("g.name",), HOSTS.variables)
SERVICEGROUPS = Table(_of_members(SERVICES) | _OWN, ("g.name",), SERVICES.variables)
TABLES: Mapping[Kind, Table] = {"hostgroup": HOSTGROUPS, "servicegroup": SERVICEGROUPS}


class GroupName(NamedTuple):
    id: int
    name: str


class GroupedHost(NamedTuple):
    """A host inside a group; pending is state 4."""

    group: str
    poller: int
    name: str
    id: int
    alias: str
    display_name: str
    state: int


class GroupedService(NamedTuple):
    """A service inside a group; pending is state 4."""

    group: str
    poller: int
    host: str
    id: int
    description: str
    display_name: str
    state: int


class _Join(msgspec.Struct, frozen=True):
    """How a kind's members are reached. `keys`: poller, host and service of a member."""

    members: str
    keys: tuple[str, ...]


_GROUP = "state.object_group g JOIN state.group_member gm ON gm.poller = g.poller AND gm.kind = g.kind AND gm.name = g.name"
_SERVICE = "s.poller = gm.poller AND s.host_name = gm.host_name"
_SERVICE_KEYS = ("s.poller", "s.host_name", "s.description")
_JOINS: Mapping[Kind, _Join] = {
    "hostgroup": _Join(f"{_GROUP} JOIN state.host h ON h.poller = gm.poller AND h.name = gm.host_name", ("h.poller", "h.name")),
    "servicegroup": _Join(
        f"{_GROUP} JOIN state.service s ON {_SERVICE} AND s.description = gm.service_description",
        ("s.poller", "s.host_name", "s.description"),
    ),
}


def group_order(table: Table, keys: Sequence[tuple[str, bool]]) -> str:
    """ORDER BY's list for these (field, descending) keys: of several members' values the first in that order counts."""
    parts = []
    for name, descending in keys:
        value, how = order_key(table, name, descending)
        parts.append(f"{'max' if descending else 'min'}({value}) {how}")
    return ", ".join([*parts, *table.tie])


def found_groups(
    reader: Reader, scope: Scope, kind: Kind, conditions: Sequence[Condition], order: str, *, limit: int, offset: int
) -> tuple[tuple[GroupName, ...], int]:
    """One page of the groups with a member that passes the conditions, and how many there are. `order`: of group_order."""
    join = _JOINS[kind]
    where, values = all_of([("g.kind = ?", [kind]), scope.sql(*join.keys), *conditions])
    found = f"FROM {join.members} WHERE {where}"
    with reader.snapshot():
        (total,) = reader.connection.execute(f"SELECT count(DISTINCT g.name) {found}", values).fetchone()
        page = f"SELECT g.id, g.name {found} GROUP BY g.name ORDER BY {order} LIMIT ? OFFSET ?"
        rows = reader.connection.execute(page, [*values, limit, offset]) if limit else ()
        return tuple(GroupName._make(row) for row in rows), int(total)


def hosts_in(reader: Reader, scope: Scope, kind: Kind, names: Sequence[str]) -> tuple[GroupedHost, ...]:
    """The hosts in these groups (of a servicegroup: those of its services), by name."""
    where, values = _among(scope, kind, names, ("h.poller", "h.name"))
    query = (
        "SELECT DISTINCT g.name, h.poller, h.name, h.id, coalesce(c.alias, h.name), coalesce(c.display_name, h.name),"
        f" iif(h.has_been_checked, h.state, {PENDING})"
        f" FROM {_GROUP} JOIN state.host h ON h.poller = gm.poller AND h.name = gm.host_name"
        " LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
        f" WHERE {where} ORDER BY h.name, h.poller"
    )
    return tuple(GroupedHost._make(row) for row in reader.connection.execute(query, values))


def services_in(reader: Reader, scope: Scope, kind: Kind, names: Sequence[str]) -> tuple[GroupedService, ...]:
    """The services in these groups (of a hostgroup: all those of its hosts), by description."""
    where, values = _among(scope, kind, names, ("s.poller", "s.host_name", "s.description"))
    own = " AND s.description = gm.service_description" if kind == "servicegroup" else ""
    query = (
        "SELECT g.name, s.poller, s.host_name, s.id, s.description, coalesce(c.display_name, s.description),"
        f" iif(s.has_been_checked, s.state, {PENDING}) FROM {_GROUP} JOIN state.service s ON {_SERVICE}{own}"
        " LEFT JOIN state.service_config c"
        " ON c.poller = s.poller AND c.host_name = s.host_name AND c.description = s.description"
        f" WHERE {where} ORDER BY s.description"
    )
    return tuple(GroupedService._make(row) for row in reader.connection.execute(query, values))


def _among(scope: Scope, kind: Kind, names: Sequence[str], keys: tuple[str, ...]) -> Condition:
    named = ("g.name IN (SELECT value FROM json_each(?))", [orjson.dumps(names).decode()])
    return all_of([("g.kind = ?", [kind]), named, scope.sql(*keys)])
