"""Hostgroups, servicegroups and contactgroups, and their members.

Rules: a group of one name is one group, wherever its members stand: a caller's limits, commands on groups and these reads agree
in that. To a caller limited to hostgroups a group exists when one of its members is within scope (a contactgroup: when an
object within scope names it), and has those members only.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from engine.state.scope import Condition, Scope, all_of
from engine.state.views import Reader

Kind = Literal["hostgroup", "servicegroup", "contactgroup"]


class GroupView(NamedTuple):
    """One group. What describes it is taken from the first poller that says it; `pollers` are numbers."""

    name: str
    alias: str
    notes: str
    notes_url: str
    action_url: str
    pollers: tuple[int, ...]
    member_count: int


class MemberView(NamedTuple):
    """A member: a host, a host's service, or (`host` holds the name) a contact."""

    poller: int
    poller_name: str
    host: str
    service: str | None


def groups(
    reader: Reader,
    scope: Scope,
    kind: Kind,
    *,
    poller: int | None = None,
    name: str | None = None,
    limit: int = 100,
    offset: int = 0,
) -> tuple[tuple[GroupView, ...], int]:
    """One page of groups by name, and how many there are."""
    named: list[Condition] = [("g.name = ?", [name])] if name is not None else []
    where, values = all_of([*visible_groups(scope.on(poller), kind), *named])
    found = f"FROM state.object_group g WHERE {where}"
    (total,) = reader.connection.execute(f"SELECT count(DISTINCT g.name) {found}", values).fetchone()
    page = f"SELECT g.name, group_concat(g.poller) {found} GROUP BY g.name ORDER BY g.name LIMIT ? OFFSET ?"
    rows = reader.connection.execute(page, [*values, limit, offset]).fetchall()
    return tuple(_group(reader, scope, kind, row[0], tuple(sorted(map(int, row[1].split(","))))) for row in rows), int(total)


def _group(reader: Reader, scope: Scope, kind: Kind, name: str, pollers: tuple[int, ...]) -> GroupView:
    described = reader.connection.execute(
        "SELECT alias, notes, notes_url, action_url FROM state.object_group WHERE poller = ? AND kind = ? AND name = ?",
        (pollers[0], kind, name),
    ).fetchone()
    where, values = all_of(_members_of(scope, kind, name, pollers))
    (count,) = reader.connection.execute(f"SELECT count(*) FROM state.group_member m WHERE {where}", values).fetchone()
    alias, notes, notes_url, action_url = described
    return GroupView(name, alias, notes, notes_url, action_url, pollers, int(count))


def members(
    reader: Reader, scope: Scope, kind: Kind, group: GroupView, *, limit: int = 100, offset: int = 0
) -> tuple[MemberView, ...]:
    """One page of a group's members, by poller and name."""
    where, values = all_of(_members_of(scope, kind, group.name, group.pollers))
    found = reader.connection.execute(
        "SELECT m.poller, p.name, m.host_name, nullif(m.service_description, '') FROM state.group_member m"
        f" JOIN state.poller p ON p.number = m.poller WHERE {where} ORDER BY 1, 3, 4 LIMIT ? OFFSET ?",
        [*values, limit, offset],
    )
    return tuple(MemberView._make(row) for row in found)


def groups_of(reader: Reader, scope: Scope, kind: Kind, poller: int, member: str, service: str = "") -> tuple[str, ...]:
    """The names of the groups within scope that a host, service or contact is a member of."""
    where, values = all_of(visible_groups(scope.on(poller), kind))
    found = reader.connection.execute(
        "SELECT m.name FROM state.group_member m JOIN state.object_group g ON g.poller = m.poller AND g.kind = m.kind"
        f" AND g.name = m.name WHERE m.poller = ? AND m.kind = ? AND m.host_name = ? AND m.service_description = ? AND {where}"
        " ORDER BY m.name",
        [poller, kind, member, service, *values],
    )
    return tuple(name for (name,) in found)


def visible_groups(scope: Scope, kind: Kind, alias: str = "g") -> list[Condition]:
    """Which groups a caller sees: poller, kind and name stand in the columns of that alias."""
    conditions: list[Condition] = [(f"{alias}.kind = ?", [kind]), Scope(pollers=scope.pollers).sql(f"{alias}.poller", "")]
    if not scope.is_limited:
        return conditions
    if kind == "contactgroup":
        return [*conditions, named_by_objects(scope, "contact_groups", f"{alias}.poller", f"{alias}.name")]
    where, values = scope.sql("m.poller", "m.host_name", "m.service_description")
    member = f"SELECT m.poller, m.name FROM state.group_member m WHERE m.kind = ? AND {where}"
    return [*conditions, (f"({alias}.poller, {alias}.name) IN ({member})", [kind, *values])]


def _members_of(scope: Scope, kind: Kind, name: str, pollers: Sequence[int]) -> list[Condition]:
    conditions: list[Condition] = [
        ("m.kind = ? AND m.name = ?", [kind, name]),
        (f"m.poller IN ({','.join('?' * len(pollers))})", list(pollers)),
    ]
    return conditions if kind == "contactgroup" else [*conditions, scope.sql("m.poller", "m.host_name", "m.service_description")]


def named_by_objects(scope: Scope, column: Literal["contacts", "contact_groups"], poller: str, name: str) -> Condition:
    """(poller, name) stands in that list of a host or service within scope."""
    parts: list[str] = []
    values: list[object] = []
    for table, *names in (("host_config", "c.name"), ("service_config", "c.host_name", "c.description")):
        where, more = scope.sql("c.poller", *names)
        parts.append(f"SELECT c.poller, j.value FROM state.{table} c, json_each(c.{column}) j WHERE {where}")
        values += more
    return f"({poller}, {name}) IN ({' UNION ALL '.join(parts)})", values
