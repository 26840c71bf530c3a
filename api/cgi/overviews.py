"""status.cgi's overviews, summaries and grids: groups with their hosts and how these and their services are.

A group is shown to whoever sees one of its members, with what he sees of it.

Source: Nagios 4.4.6 cgi/status.c; its pages are compared with ours in tests/system.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote_plus

from markupsafe import Markup

from api.cgi.chosen import Chosen
from api.cgi.columns import Column, HostStyle, ServiceStyle, host_columns, service_columns
from api.cgi.icons import Icon, logo, outside
from api.cgi.links import host_link, service_link, status_link, target, twins
from api.cgi.objects import (
    HOST_MASK,
    SERVICE_MASK,
    Filter,
    host_extras,
)
from api.cgi.visit import Visit
from engine.model import PollerView
from engine.state.scope import Condition, all_of
from engine.state.tables import CHECKED, COUNTED, STATE
from engine.state.views import Reader

_HOST_WORDS = {1: "PENDING", 2: "UP", 4: "DOWN", 8: "UNREACHABLE"}
_CLASSES = {4: "HOStdOWN", 8: "HOSTUNREACHABLE"}  # in the original's letters
_STATES = ((2, "OK"), (4, "WARNING"), (8, "UNKNOWN"), (16, "CRITICAL"), (1, "PENDING"))


@dataclass(slots=True)
class Member:
    """A host in a group. `counts`: of its services, as (class, words, link); `services`: (name, class, link).

    `on`: its poller where links must name it; `outside`: its notes and actions; `logo`: its own picture.
    """

    name: str
    address: str
    link: Markup
    detail: Markup
    word: str
    css: str  # "" where the rows' own alternate
    on: str = ""
    outside: tuple[Icon, ...] = ()
    logo: Icon | None = None
    counts: list[tuple[str, str, Markup]] = field(default_factory=list)
    services: list[tuple[str, str, Markup]] = field(default_factory=list)


@dataclass(slots=True)
class Group:
    """One group; `columns` of hosts and services in a summary."""

    name: str
    alias: str
    members: dict[tuple[int, str], Member] = field(default_factory=dict)
    hosts: list[Column] = field(default_factory=list)
    services: list[Column] = field(default_factory=list)

    @property
    def length(self) -> int:
        """How many hosts and services it names."""
        return len(self.members) + sum(len(member.services) for member in self.members.values())


def groups(reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView]) -> list[Group]:
    """The groups that are asked for and seen, by name."""
    found = _named(reader, visit, which, views)
    if which.style == "grid":
        filters = Filter((), (), filters.words, frozenset())  # a grid shows everything of its groups
    if which.style == "summary":
        _summarize(reader, visit, which, filters, views, found)
        return list(found.values())
    _add_members(reader, visit, which, filters, views, found)
    add = _add_counts if which.style == "overview" else _add_services
    add(reader, visit, which, filters, views, found)
    return list(found.values())


def exists(reader: Reader, which: Chosen, views: Sequence[PollerView]) -> bool:
    """Is there such a group at all, with members or without? Asked only of those who see everything."""
    where, values = all_of([_on("g", views), ("g.kind = ? AND g.name = ?", [which.by, which.name])])
    return bool(reader.connection.execute(f"SELECT 1 FROM state.object_group g WHERE {where} LIMIT 1", values).fetchone())


def _on(alias: str, views: Sequence[PollerView]) -> Condition:
    return f"{alias}.poller IN ({','.join('?' * len(views))})", [view.number for view in views]


def _of_group(which: Chosen) -> Condition:
    return ("gm.kind = ?", [which.by]) if which.is_all else ("gm.kind = ? AND gm.name = ?", [which.by, which.name])


def _named(reader: Reader, visit: Visit, which: Chosen, views: Sequence[PollerView]) -> dict[str, Group]:
    service = "gm.service_description" if which.by == "servicegroup" else None
    seen = visit.caller.scope.sql("gm.poller", "gm.host_name", service)
    where, values = all_of([_of_group(which), _on("gm", views), seen])
    query = (
        "SELECT g.name, g.alias FROM state.object_group g WHERE g.kind = ? AND (g.poller, g.name) IN"
        f" (SELECT gm.poller, gm.name FROM state.group_member gm WHERE {where}) ORDER BY g.name, g.poller DESC"
    )
    return {name: Group(name, alias) for name, alias in reader.connection.execute(query, [which.by, *values])}


def _joined(which: Chosen, kind: str) -> str:
    """The group's members with their hosts, and with their services: all of a hostgroup's hosts, the servicegroup's own."""
    tables = "state.group_member gm JOIN state.host h ON h.poller = gm.poller AND h.name = gm.host_name"
    if kind == "host":
        return tables
    tables += " JOIN state.service s ON s.poller = gm.poller AND s.host_name = gm.host_name"
    return tables + (" AND s.description = gm.service_description" if which.by == "servicegroup" else "")


def _members_rows(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], columns: str, more: str
) -> Any:
    """Rows of hosts in the groups."""
    own = visit.caller.scope.sql("h.poller", "h.name")
    where, values = all_of([_of_group(which), _on("gm", views), own, *filters.hosts])
    tables = f"{_joined(which, 'host')} LEFT JOIN state.host_config c ON c.poller = h.poller AND c.name = h.name"
    return reader.connection.execute(f"SELECT {columns} FROM {tables} WHERE {where} {more}", values)


def _service_rows(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], columns: str, more: str
) -> Any:
    """Rows of services in the groups."""
    seen = visit.caller.scope.sql("s.poller", "s.host_name", "s.description")
    shown: Condition = ("1", [])
    if which.by == "hostgroup":
        shown = visit.caller.scope.sql("h.poller", "h.name")  # only services of hosts that are shown
    counted: list[Condition] = [] if "props" in filters.given or more == _BY_NAME else [(f"s.{COUNTED}", [])]
    where, values = all_of([_of_group(which), _on("gm", views), seen, shown, *filters.hosts, *filters.services, *counted])
    return reader.connection.execute(f"SELECT {columns} FROM {_joined(which, 'service')} WHERE {where} {more}", values)


def _add_members(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], found: dict[str, Group]
) -> None:
    columns = f"DISTINCT gm.name, h.poller, h.name, coalesce(c.address, ''), {HOST_MASK.format(o='h')}"
    names, pollers = twins(reader, visit), {view.number: view.name for view in views}
    for group, poller, name, address, bit in _members_rows(
        reader, visit, which, filters, views, columns, "ORDER BY gm.name, h.name, h.poller"
    ):
        if group in found:
            on = pollers[poller] if name in names else ""
            found[group].members[poller, name] = Member(
                name, address, status_link(name, on), host_link(name, on), _HOST_WORDS[bit], _CLASSES.get(bit, ""), on
            )
    beside = host_extras(reader, views)
    for group in found.values():
        for key, member in group.members.items():
            if key in beside:
                member.outside = tuple(outside(beside[key], "host"))
                member.logo = logo(beside[key], "host", member.detail) if beside[key].icon_image else None


def _add_counts(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], found: dict[str, Group]
) -> None:
    columns = f"gm.name, s.poller, s.host_name, {SERVICE_MASK.format(o='s')}, count(*)"
    counts: dict[tuple[str, int, str], Counter[int]] = {}
    for group, poller, host, bit, count in _service_rows(reader, visit, which, filters, views, columns, "GROUP BY 1, 2, 3, 4"):
        counts.setdefault((group, poller, host), Counter())[bit] += count
    for group in found.values():
        for (poller, host), member in group.members.items():
            of = target(host, None, member.on) if which.by == "hostgroup" else f"servicegroup={quote_plus(group.name)}&style=detail"
            own = counts.get((group.name, poller, host), Counter())
            member.counts = [
                (f"miniStatus{word}", f"{own[bit]} {word}", Markup(f"status.cgi?{of}&servicestatustypes={bit}&{filters.words}"))
                for bit, word in _STATES
                if own[bit]
            ]


_BY_NAME = "ORDER BY s.description"


def _add_services(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], found: dict[str, Group]
) -> None:
    columns = f"gm.name, s.poller, s.host_name, s.description, {SERVICE_MASK.format(o='s')}"
    words = dict(_STATES)
    for group, poller, host, description, bit in _service_rows(reader, visit, which, filters, views, columns, _BY_NAME):
        member = found[group].members.get((poller, host)) if group in found else None
        if member is not None:
            member.services.append((description, f"status{words[bit]}", service_link(host, description, member.on)))


def _summarize(
    reader: Reader, visit: Visit, which: Chosen, filters: Filter, views: Sequence[PollerView], found: dict[str, Group]
) -> None:
    hosts: dict[str, Counter[tuple[int, int]]] = {name: Counter() for name in found}
    services: dict[str, Counter[tuple[int, int]]] = {name: Counter() for name in found}
    for group, _, _, row in _members_rows(reader, visit, which, filters, views, "DISTINCT gm.name, h.poller, h.name, h.alike", ""):
        if group in hosts:
            hosts[group][row, 0] += 1
    columns = "gm.name, s.alike, h.alike, count(*)"
    for group, row, host, count in _service_rows(reader, visit, which, filters, views, columns, "GROUP BY 1, 2, 3"):
        if group in services:
            services[group][row, host if host & CHECKED and host & STATE else 0] += count
    for name, one in found.items():
        to = f"status.cgi?{which.by}={quote_plus(name)}&style="
        end = f"&hostprops={visit.number('hostprops')}"
        of_hosts = to + ("hostdetail" if which.by == "hostgroup" else "detail")
        one.hosts = host_columns(hosts[name], HostStyle(of_hosts, end, "Unhandled", ("Up", "Down", "Unreachable", "Pending")))
        of_services = ServiceStyle(
            f"{to}detail",
            f"{to}detail",
            f"&{filters.words}",
            "Unhandled",
            ("Ok", "Warning", "Unknown", "Critical", "Pending"),
        )
        one.services = service_columns(services[name], of_services)
